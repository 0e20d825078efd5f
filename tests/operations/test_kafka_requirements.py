"""What `convergio process` refuses to start with: topics that remember for longer than erasures are remembered."""

from __future__ import annotations

import asyncio

import pytest

from infra.errors import Failure
from infra.kafka.requirements import check_topics
from infra.local.ports import free_ports
from infra.settings import Settings
from tests.conftest import MakeTopic
from tests.processors import Pipeline

DAY_MS = 86_400_000


def settings_of(pipeline: Pipeline, **changes: object) -> Settings:
    return Settings.model_validate({**pipeline.settings.model_dump(), **changes})


async def test_a_topic_that_keeps_messages_for_longer_than_an_erasure_is_remembered_is_refused_in_one_line(
    pipeline: Pipeline, make_topic: MakeTopic
) -> None:
    topic = await make_topic("long", retention_ms=str(40 * DAY_MS), segment_ms=str(7 * DAY_MS))
    refused = await pipeline.convergio.with_settings(events_topic=topic)("process", code=1)
    assert refused.errors.count("\n") == 1
    assert f"topic {topic} keeps messages for up to 47 days" in refused.errors
    assert "CONVERGIO_ERASURE_MARK_DAYS=45 is too short for that" in refused.errors
    assert "set it to at least 47" in refused.errors
    await asyncio.to_thread(check_topics, settings_of(pipeline, events_topic=topic, erasure_mark_days=47))


@pytest.mark.parametrize("name", ["events_topic", "dead_letter_topic"])
@pytest.mark.parametrize("retention_ms", [-1, 2**63 - 1])
async def test_a_topic_that_keeps_messages_for_ever_is_refused(
    pipeline: Pipeline, make_topic: MakeTopic, name: str, retention_ms: int
) -> None:
    topic = await make_topic("endless", retention_ms=str(retention_ms))
    with pytest.raises(Failure, match="36500 days"):
        await asyncio.to_thread(check_topics, settings_of(pipeline, **{name: topic}))


async def test_topics_by_default_missing_topics_and_a_kafka_that_is_away_are_not_refused(pipeline: Pipeline) -> None:
    await asyncio.to_thread(check_topics, settings_of(pipeline))
    await asyncio.to_thread(
        check_topics, settings_of(pipeline, events_topic="missing", dead_letter_topic="missing.too")
    )
    (nobody,) = free_ports(1)
    await asyncio.to_thread(check_topics, settings_of(pipeline, kafka_bootstrap=f"127.0.0.1:{nobody}"))
