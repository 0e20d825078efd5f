"""A Kafka that creates topics for whoever asks for them, as Kafka does by default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.errors import Unreachable, WrongUse
from infra.kafka.client import partitions_of
from infra.kafka.topics import create_topics
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.service import Service
from infra.settings import Settings
from tests.gateway import until
from tests.servers import running


@dataclass(frozen=True, slots=True)
class CreatingKafka(LocalKafka):
    """`LocalKafka` with `auto.create.topics.enable`."""

    def server_properties(self, node: int) -> str:
        """The last value of a name counts."""
        return LocalKafka.server_properties(self, node) + "auto.create.topics.enable=true\n"


async def test_migrate_creates_the_topics_as_they_should_be_and_looking_for_one_creates_none(tmp_path: Path) -> None:
    port, controller = free_ports(2)
    kafka = CreatingKafka(tmp_path / "kafka", port, controller_port=controller)
    ((name, command),) = kafka.commands().items()
    async with running(Service(name, command, ready=kafka.is_ready, start_seconds=120.0), tmp_path):
        settings = Settings(kafka_bootstrap=kafka.bootstrap, partitions=3)
        with pytest.raises(WrongUse, match="has no topic"):
            await partitions_of(settings, settings.events_topic)
        made = await create_topics(settings)
        assert all(topic.created for topic in made)

        async def found() -> bool:
            """A broker hears of a new topic a moment after it was created."""
            try:
                return [len(await partitions_of(settings, topic.name)) for topic in made] == [3, 1, 1]
            except (WrongUse, Unreachable):
                return False

        await until(found)
        again = await create_topics(settings)
        assert not any(topic.created or topic.enlarged_to for topic in again)
