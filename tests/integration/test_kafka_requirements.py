"""What `convergio process` refuses to start with: topics that remember for longer than erasures are remembered, and a
session timeout that the brokers do not allow."""

from __future__ import annotations

import asyncio

import pytest

from infra.errors import Failure, WrongUse
from infra.kafka.requirements import check_kafka, check_session_timeout
from infra.local.ports import free_ports
from infra.settings import Settings
from tests.conftest import MakeTopic
from tests.processors import FAUST_WORKER, Pipeline

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
    await asyncio.to_thread(check_kafka, settings_of(pipeline, events_topic=topic, erasure_mark_days=47))


@pytest.mark.parametrize("name", ["events_topic", "dead_letter_topic"])
@pytest.mark.parametrize("retention_ms", [-1, 2**63 - 1])
async def test_a_topic_that_keeps_messages_for_ever_is_refused(
    pipeline: Pipeline, make_topic: MakeTopic, name: str, retention_ms: int
) -> None:
    topic = await make_topic("endless", retention_ms=str(retention_ms))
    with pytest.raises(Failure, match="36500 days"):
        await asyncio.to_thread(check_kafka, settings_of(pipeline, **{name: topic}))


async def test_topics_by_default_missing_topics_and_a_kafka_that_is_away_are_not_refused(pipeline: Pipeline) -> None:
    await asyncio.to_thread(check_kafka, settings_of(pipeline))
    await asyncio.to_thread(check_kafka, settings_of(pipeline, events_topic="missing", dead_letter_topic="missing.too"))
    (nobody,) = free_ports(1)
    await asyncio.to_thread(check_kafka, settings_of(pipeline, kafka_bootstrap=f"127.0.0.1:{nobody}"))


async def test_a_session_timeout_that_the_brokers_do_not_allow_is_refused_in_one_line(pipeline: Pipeline) -> None:
    refused = await pipeline.convergio.with_settings(session_timeout_seconds="1801")("process", code=2)
    assert refused.errors.count("\n") == 1
    assert "CONVERGIO_SESSION_TIMEOUT_SECONDS=1801 is more than the brokers allow" in refused.errors
    assert "(group.max.session.timeout.ms=1800000); set it to a value from 1 to 1800" in refused.errors
    await asyncio.to_thread(check_kafka, settings_of(pipeline, session_timeout_seconds=1800))


def test_bounds_of_session_timeouts_are_those_of_the_broker() -> None:
    for allowed in (6, 10, 1800):
        check_session_timeout(allowed, 6_000, 1_800_000)
    with pytest.raises(
        WrongUse, match=r"SECONDS=5.5 is less than .*group.min.session.timeout.ms=6000.* from 6 to 1800$"
    ):
        check_session_timeout(5.5, 6_000, 1_800_000)


async def test_a_broker_that_does_not_show_its_bounds_and_refuses_is_named_by_the_running_processor(
    pipeline: Pipeline,
) -> None:
    # Faust's own command line does not ask the brokers first.
    pipeline.settings.session_timeout_seconds = 1801.0
    async with pipeline.processor(FAUST_WORKER):
        await pipeline.until_trouble("readyz", "Kafka refuses CONVERGIO_SESSION_TIMEOUT_SECONDS=1801: brokers allow")
        assert await pipeline.trouble("healthz") == ""
