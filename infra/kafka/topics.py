"""Creates the two topics where they are missing, and leaves those alone that are there."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from infra.errors import WrongUse
from infra.kafka.client import LARGEST_MESSAGE, admin
from infra.settings import Settings

DAY_MS = 86_400_000
_ALREADY_EXISTS = TopicAlreadyExistsError.errno


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic after `create_topics`."""

    name: str
    partitions: int
    created: bool


def wanted_topics(settings: Settings) -> list[NewTopic]:
    """The topics as they are created."""
    replicas = settings.replication_factor
    common = {
        # Whatever producers chose: recompressing in the broker would change what every consumer must understand.
        "compression.type": "producer",
        "max.message.bytes": str(LARGEST_MESSAGE),
        # Two copies before an acknowledgement, so that a 202 survives the loss of a broker.
        "min.insync.replicas": str(2 if replicas >= 3 else 1),
        "cleanup.policy": "delete",
    }
    return [
        NewTopic(name, partitions, replicas, topic_configs={**common, "retention.ms": str(days * DAY_MS)})
        for name, partitions, days in (
            (settings.events_topic, settings.partitions, settings.kafka_retention_days),
            (settings.dead_letter_topic, 1, settings.dead_letter_retention_days),
        )
    ]


async def create_topics(settings: Settings) -> list[Topic]:
    """Creates what is missing; changes nothing that exists, so it can be repeated at any time.

    The number of partitions in particular stays: it decides which partition a user's messages go to, and a user
    must not have unread messages in two. Raises `Unreachable`, and `WrongUse` when Kafka refuses.
    """
    wanted = wanted_topics(settings)
    async with admin(settings) as client:
        found = await client.describe_topics([topic.name for topic in wanted])
        partitions = {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}
        for topic in wanted:
            if topic.name in partitions:
                continue
            response = await client.create_topics([topic])
            _, code, reason = response.topic_errors[0][:3]
            if code not in (0, _ALREADY_EXISTS):
                error = for_code(code)
                raise WrongUse(f"Kafka refuses to create {topic.name}: {reason or error.__name__}")
    return [
        Topic(topic.name, partitions.get(topic.name, topic.num_partitions), topic.name not in partitions)
        for topic in wanted
    ]
