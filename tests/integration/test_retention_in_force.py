"""Gateways and processors read one retention: an event answered 202 is shown even if the retention changes later."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from infra.clickhouse.client import connect
from infra.kafka.retention import put_in_force
from infra.settings import Settings
from ingest import app
from ingest.problems import Problem
from ingest.retention import RetentionWatch
from processors import housekeeping
from processors.housekeeping import Housekeeping
from processors.metrics import ProcessorMetrics
from processors.retention_topic import RetentionTopic
from processors.settings import ProcessorSettings
from processors.sink import Sink
from schemas.kafka import client_options
from schemas.retention import Retention, announcement_record, first_kept_day, start_of
from tests import closing
from tests.closing import write_retention_announced_in_time
from tests.conftest import MakeTopic
from tests.events import message, sent
from tests.gateway import batch, create_retention_topic, event, rfc3339, running_gateway, until, until_ready
from tests.gateway import settings as gateway_settings
from tests.in_process import Processor
from tests.integration.test_flush import count
from tests.processors import Pipeline

DAY_MINUTES = 60 * 24
REFRESH_SECONDS = 0.05


@pytest.fixture
async def one_day(pipeline: Pipeline) -> ProcessorSettings:
    """Settings of a deployment whose retention was one day from the beginning."""
    await pipeline.lag()  # Kafka knows the group now
    return pipeline.settings.model_copy(update={"retention_days": 1, "retention_check_seconds": 0.01})


async def check(settings: ProcessorSettings, *, times: int = 1, ahead: timedelta = timedelta(0)) -> float | None:
    """Does the housekeeping of a processor that often, and returns when the oldest day began that it leaves open.

    `ahead` is how far its clock is from ours.
    """
    metrics = ProcessorMetrics()
    house = Housekeeping(settings, Sink(settings), metrics, lambda: datetime.now(UTC) + ahead)
    for _ in range(times):
        await house._close_days()
    house.stop()
    return metrics.registry.get_sample_value("convergio_processor_oldest_day_to_close_timestamp_seconds")


async def store(settings: ProcessorSettings, *minutes_ago: float) -> None:
    """Stores events of so long ago, as if they had been committed."""
    processor = Processor(settings)
    await asyncio.to_thread(processor.flush, message([sent(minutes_ago=ago) for ago in minutes_ago], 1))
    processor.sink.close()


async def test_an_event_accepted_after_retention_was_raised_is_shown_and_one_of_a_closed_day_is_refused(
    pipeline: Pipeline, one_day: ProcessorSettings
) -> None:
    await write_retention_announced_in_time(one_day)
    await store(one_day, 1, 5 * DAY_MINUTES)
    await check(one_day, times=3)
    with connect(one_day) as client:
        assert (count(client, "events"), count(client, "events_data")) == (1, 1)

    raised = Settings(**one_day.model_dump(exclude={"retention_days"}), retention_days=90)
    await put_in_force(raised, shorten=False)
    in_force = await RetentionTopic(one_day).read()
    assert in_force is not None
    assert in_force.days == 90
    now = datetime.now(UTC)
    first = datetime.combine(in_force.keep_from, datetime.min.time(), UTC)
    chosen = gateway_settings(pipeline.settings.kafka_bootstrap, pipeline.settings.events_topic)
    async with running_gateway(chosen) as gateway, pipeline.processor():
        kept = event(timestamp=rfc3339(first))
        closed = [event(timestamp=rfc3339(now - timedelta(days=days))) for days in (5, 30, 89)]
        answer = await gateway.post(batch(kept, *closed))
        assert (answer.status, answer.json["accepted"], answer.codes) == (202, 1, ["too_old"] * 3)
        await pipeline.until_committed()
    await check(one_day, times=3)
    shown = f"SELECT count() FROM events WHERE event_id = '{kept['eventId']}'"
    assert pipeline.rows(shown) == [(1,)]


async def test_no_gateway_accepts_more_than_is_kept_whatever_its_own_settings_say(
    pipeline: Pipeline, one_day: ProcessorSettings
) -> None:
    await closing.write_retention(one_day)
    chosen = gateway_settings(
        pipeline.settings.kafka_bootstrap, pipeline.settings.events_topic, retention_days=400, kafka_linger_ms=0
    )
    async with running_gateway(chosen) as gateway:
        answer = await gateway.post(batch(event(timestamp=rfc3339(datetime.now(UTC) - timedelta(hours=25)))))
        assert (answer.status, answer.codes) == (422, ["too_old"])
        assert "Older than 1 days" in answer.json["rejected"][0]["message"]


async def test_a_gateway_hears_of_a_change_while_it_runs(pipeline: Pipeline, one_day: ProcessorSettings) -> None:
    chosen = gateway_settings(
        pipeline.settings.kafka_bootstrap,
        pipeline.settings.events_topic,
        retention_refresh_seconds=REFRESH_SECONDS,
    )
    old = rfc3339(datetime.now(UTC) - timedelta(days=5))
    async with running_gateway(chosen) as gateway:
        assert (await gateway.post(batch(event(timestamp=old)))).status == 202
        await closing.write_retention(one_day)

        async def refuses() -> bool:
            return (await gateway.post(batch(event(timestamp=old)))).codes == ["too_old"]

        await until(refuses)


async def test_a_gateway_that_does_not_know_the_retention_accepts_nothing_and_says_what_to_do(
    kafka_bootstrap: str, make_topic: MakeTopic, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LONGEST_START_SECONDS", 0.1)
    settings = pipeline.settings.model_copy(update={"events_topic": pipeline.settings.events_topic + ".other"})
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await make_topic("events.other")
        chosen = gateway_settings(kafka_bootstrap, settings.events_topic, retention_refresh_seconds=REFRESH_SECONDS)
        async with running_gateway(chosen, ready=False) as gateway:

            async def says_why() -> bool:
                return b"run `convergio migrate`" in (await gateway.request("GET", "/readyz")).body

            await until(says_why)
            assert b"convergio_gateway_ready 0.0" in (await gateway.request("GET", "/metrics")).body
            answer = await gateway.post(batch())
            assert answer.status == 503
            assert answer.json["type"].endswith("retention-unknown")
            assert int(answer.headers["Retry-After"]) > 0
            await create_retention_topic(admin, settings)
            await until_ready(gateway)
            assert (await gateway.post(batch())).status == 202
            assert len(await gateway.messages()) == 1
    finally:
        await admin.delete_topics([settings.retention_topic])
        await admin.close()


async def test_what_was_read_is_relied_on_for_a_day_and_no_longer(kafka_bootstrap: str, pipeline: Pipeline) -> None:
    seconds = 0.0
    watch = RetentionWatch(
        pipeline.settings.retention_topic,
        client_options(pipeline.settings),
        skew_tolerance=timedelta(0),
        refresh_seconds=REFRESH_SECONDS,
        retry_after=1,
        clock=lambda: seconds,
    )
    with pytest.raises(Problem):
        watch.timing()
    assert await watch._read()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([pipeline.settings.retention_topic])
    finally:
        await admin.close()

    async def is_gone() -> bool:
        return not await watch._read()

    await until(is_gone)
    seconds = 86_400.0
    assert watch.timing().retention == timedelta(days=90)
    seconds = 86_401.0
    with pytest.raises(Problem) as refused:
        watch.timing()
    assert "run `convergio migrate`" in refused.value.detail


async def test_a_day_is_announced_two_days_before_it_is_closed(one_day: ProcessorSettings) -> None:
    await closing.write_retention(one_day)
    await store(one_day, 1, 5 * DAY_MINUTES)
    await check(one_day, times=3)
    retention = await RetentionTopic(one_day).read()
    assert isinstance(retention, Retention)
    (announced,) = retention.announcements
    assert announced.keep_from == first_kept_day(datetime.now(UTC), 1)
    with connect(one_day) as client:
        assert count(client, "events") == 2
        await write_retention_announced_in_time(one_day)
        await check(one_day, times=3)
        assert count(client, "events") == 1


async def test_no_day_is_closed_while_a_message_waits(
    pipeline: Pipeline,
    one_day: ProcessorSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message may hold an event of that day, accepted before its day was announced."""
    monkeypatch.setattr(housekeeping, "_CATCH_UP_SECONDS", 0.2)
    await write_retention_announced_in_time(one_day)
    await store(one_day, 1, 5 * DAY_MINUTES)
    waits = sent(minutes_ago=5 * DAY_MINUTES)
    await pipeline.send(message([waits], 0, partition=1))
    assert await check(one_day, times=2) == start_of(waits.at.date()).timestamp()
    assert "not everything in Kafka is processed yet" in caplog.text
    with connect(one_day) as client:
        assert count(client, "events") == 2
        async with pipeline.processor():
            await pipeline.until_committed()
        monkeypatch.setattr(housekeeping, "_CATCH_UP_SECONDS", 30)
        assert await check(one_day, times=2) == 0
        assert count(client, "events") == 1
        assert client.query("SELECT events FROM lifetime").result_rows == [(3,)]


async def test_without_a_retention_in_force_nothing_is_closed(
    pipeline: Pipeline, one_day: ProcessorSettings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = one_day.model_copy(update={"events_topic": one_day.events_topic + ".unknown"})
    await store(settings, 1, 5 * DAY_MINUTES)
    await check(settings)
    assert "run `convergio migrate`" in caplog.text
    with connect(settings) as client:
        assert count(client, "events") == 2


async def test_days_that_were_closed_before_there_were_announcements_are_announced(
    pipeline: Pipeline, one_day: ProcessorSettings
) -> None:
    await closing.write_retention(pipeline.settings)
    await store(one_day, 1, 5 * DAY_MINUTES)
    with connect(one_day) as client:
        closed = closing.last_closable(datetime.now(UTC), 1)
        client.insert("totals_data", [["day", closed]], column_names=["source", "closed_day"])
    await check(pipeline.settings)
    retention = await RetentionTopic(one_day).read()
    assert retention is not None
    assert retention.keep_from == closed + timedelta(days=1)


async def test_a_record_that_nobody_can_read_hides_no_other(pipeline: Pipeline) -> None:
    topic = RetentionTopic(pipeline.settings)
    await pipeline.producer.send_and_wait(topic.name, b"\xff", partition=0)
    await pipeline.producer.send_and_wait(topic.name, announcement_record(datetime(2026, 1, 2).date()), partition=0)
    retention = await topic.read()
    assert retention is not None
    assert (retention.days, str(retention.keep_from)) == (90, "2026-01-02")
