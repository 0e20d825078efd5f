"""The audit against a real Kafka and ClickHouse, with every mistake a pipeline could make put there by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata
from clickhouse_connect.driver.client import Client

from infra.audit import Report, audit
from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.errors import Failure, Unreachable
from infra.kafka.retention import retention_in_force
from infra.kafka.topics import create_topics
from infra.settings import Settings
from schemas.envelope import (
    Erasure,
    EventRow,
    encode_erasure,
    encode_events,
    headers,
    message_key,
    partition_for,
)
from schemas.retention import start_of
from schemas.topics import Source, dead_letter_headers, dead_letter_key
from tests import closing
from tests.closing import put_in_force_long_ago
from tests.commands import Convergio
from tests.servers import ClickHouseAddress

NOW = datetime.now(UTC).replace(microsecond=0)
USER = str(uuid4())


@dataclass
class Pipeline:
    """Kafka and ClickHouse of one test; what a processor would do is done by hand."""

    settings: Settings
    producer: AIOKafkaProducer
    clickhouse: Client

    async def send(self, *rows: EventRow, value: bytes | None = None) -> Source:
        """One message, as the gateway writes it."""
        return await self._send(rows[0].user_id, value or encode_events(rows), "events")

    async def send_erasure(self, user: str) -> Source:
        return await self._send(user, encode_erasure(Erasure(user_id=user, requested_at=NOW)), "erasure")

    async def _send(self, user: str, value: bytes, kind: str) -> Source:
        message = await self.producer.send_and_wait(
            self.settings.events_topic,
            value,
            key=message_key(user),
            partition=partition_for(user, self.settings.partitions),
            headers=headers("erasure" if kind == "erasure" else "events"),
        )
        return Source(self.settings.events_topic, message.partition, message.offset)

    async def set_aside(self, source: Source) -> None:
        """Puts a message among the dead letters, twice, as after a crash."""
        for _ in range(2):
            await self.producer.send_and_wait(
                self.settings.dead_letter_topic,
                b"poison",
                key=dead_letter_key(source),
                headers=dead_letter_headers(source, "a test", None, []),
            )

    def store(self, source: Source, *rows: EventRow, epoch: int = 0) -> None:
        """Writes events, and the sessions they make by themselves."""
        columns = ["event_id", "user_id", "session_id", "category", "action", "occurred_at", "received_at"]
        self.clickhouse.insert(
            "events_data",
            [[*(getattr(row, name) for name in columns), source.partition, source.offset, epoch] for row in rows],
            column_names=[*columns, "kafka_partition", "kafka_offset", "epoch"],
        )

    def store_session(self, rows: Sequence[EventRow], study_ms: int) -> None:
        times = [row.occurred_at for row in rows]
        self.clickhouse.insert(
            "sessions_data",
            [[rows[0].user_id, rows[0].session_id, min(times), max(times), study_ms, len(rows)]],
            column_names=["user_id", "session_id", "started_at", "last_event_at", "study_ms", "events"],
        )

    async def commit(self, behind: int = 0) -> None:
        """Says that the processors are done, but for the last few messages of each partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            group_id=self.settings.consumer_group,
            enable_auto_commit=False,
        )
        partitions = [TopicPartition(self.settings.events_topic, n) for n in range(self.settings.partitions)]
        await consumer.start()
        try:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.commit({place: OffsetAndMetadata(max(0, end - behind), "") for place, end in ends.items()})
        finally:
            await consumer.stop()

    async def audit(self) -> Report:
        await self.commit()
        return await audit(self.settings, wait=10)


@pytest.fixture
async def pipeline(
    kafka_bootstrap: str, clickhouse: ClickHouseAddress, topic_prefix: str, database: str
) -> AsyncIterator[Pipeline]:
    settings = Settings(
        kafka_bootstrap=kafka_bootstrap,
        events_topic=topic_prefix + "events",
        dead_letter_topic=topic_prefix + "dlq",
        consumer_group=topic_prefix + "group",
        partitions=2,
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.username,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    await create_topics(settings)
    await put_in_force_long_ago(settings)
    await asyncio.to_thread(migrate, settings)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all")
    await producer.start()
    with connect(settings) as client:
        yield Pipeline(settings, producer, client)
    await producer.stop()


def event(minutes_ago: float = 10.0, user: str = USER, session: int = 1) -> EventRow:
    return EventRow(
        event_id=str(uuid4()),
        user_id=user,
        session_id=str(UUID(int=session, version=4)),
        category="navigation",
        action="page_view",
        occurred_at=NOW - timedelta(minutes=minutes_ago),
        received_at=NOW,
    )


def wrong(report: Report) -> dict[str, int]:
    return {name: finding.count for name, finding in report.mistakes.items() if finding.count}


async def test_a_pipeline_without_mistakes_is_good(pipeline: Pipeline) -> None:
    rows = [event(20), event(16), event(5)]
    source = await pipeline.send(*rows)
    await pipeline.send(rows[0], rows[1])
    pipeline.store(source, *rows)
    pipeline.store_session(rows, study_ms=4 * 60_000)
    report = await pipeline.audit()
    assert report.good
    assert (report.sent, report.unique, report.stored, report.duplicates) == (5, 3, 3, 2)
    assert (report.sessions, report.complete) == (1, True)


async def test_an_empty_pipeline_is_good(pipeline: Pipeline) -> None:
    report = await pipeline.audit()
    assert report.good
    assert report.sent == report.stored == 0


async def test_an_event_that_is_not_stored_is_missing(pipeline: Pipeline) -> None:
    rows = [event(), event()]
    source = await pipeline.send(*rows)
    pipeline.store(source, rows[0])
    pipeline.store_session(rows[:1], study_ms=0)
    report = await pipeline.audit()
    assert wrong(report) == {"missing": 1}
    assert report.missing.examples == [f"{USER}/{rows[1].event_id}"]
    assert report.unique == report.stored + report.missing.count


async def test_a_user_of_whom_nothing_is_stored_is_missing(pipeline: Pipeline) -> None:
    await pipeline.send(event(), event())
    assert wrong(await pipeline.audit()) == {"missing": 2}


async def test_an_event_that_is_shown_twice_is_found(pipeline: Pipeline) -> None:
    row = event()
    source = await pipeline.send(row)
    pipeline.store(source, row)
    pipeline.store(source, row, epoch=1)
    pipeline.store_session([row, row], study_ms=0)
    assert wrong(await pipeline.audit()) == {"stored twice": 1}


async def test_a_physical_copy_that_the_view_hides_is_counted_and_no_mistake(pipeline: Pipeline) -> None:
    row = event()
    source = await pipeline.send(row)
    pipeline.clickhouse.command("SYSTEM STOP MERGES events_data")
    pipeline.store(source, row)
    pipeline.store(source, row)
    pipeline.store_session([row], study_ms=0)
    report = await pipeline.audit()
    assert report.good
    assert (report.stored, report.copies) == (1, 1)


async def test_an_event_that_nobody_sent_is_found(pipeline: Pipeline) -> None:
    row, invented = event(), event()
    source = await pipeline.send(row)
    pipeline.store(source, row, invented)
    pipeline.store_session([row, invented], study_ms=0)
    assert wrong(await pipeline.audit()) == {"shown but never sent": 1}


async def test_what_came_after_the_audit_began_is_left_alone(pipeline: Pipeline) -> None:
    later = event()
    pipeline.store(Source(pipeline.settings.events_topic, 0, 10_000), later)
    pipeline.store_session([later], study_ms=0)
    report = await pipeline.audit()
    assert report.good
    assert report.since == 1


async def test_a_session_that_is_not_what_its_events_say_is_found(pipeline: Pipeline) -> None:
    rows = [event(20), event(16)]
    pipeline.store(await pipeline.send(*rows), *rows)
    pipeline.store_session(rows, study_ms=1)
    report = await pipeline.audit()
    assert wrong(report) == {"sessions that differ": 1}
    assert rows[0].session_id in report.sessions_differ.examples[0]


async def test_errors_and_performance_are_no_study_time_but_lie_within_the_session(pipeline: Pipeline) -> None:
    rows = [event(20), event(16), event(15), event(22)]
    rows[2].category, rows[2].action = "error", "api_error"
    rows[3].category, rows[3].action = "performance", "page_load"
    pipeline.store(await pipeline.send(*rows), *rows)
    pipeline.store_session(rows, study_ms=4 * 60_000)
    assert (await pipeline.audit()).good


async def test_a_session_without_events_and_events_without_a_session_are_found(pipeline: Pipeline) -> None:
    with_events, without = event(session=1), event(session=2)
    pipeline.store(await pipeline.send(with_events), with_events)
    pipeline.store_session([without], study_ms=0)
    assert wrong(await pipeline.audit()) == {"sessions that differ": 2}


async def test_the_gap_is_the_settings(pipeline: Pipeline) -> None:
    rows = [event(20), event(10)]
    pipeline.store(await pipeline.send(*rows), *rows)
    pipeline.store_session(rows, study_ms=600_000)
    assert wrong(await pipeline.audit()) == {"sessions that differ": 1}
    pipeline.settings = pipeline.settings.model_copy(update={"session_gap_seconds": 600})
    assert (await pipeline.audit()).good


async def test_erased_events_are_expected_to_be_gone(pipeline: Pipeline) -> None:
    before, after = event(), event(session=2)
    source = await pipeline.send(before)
    await pipeline.send_erasure(USER)
    pipeline.store(await pipeline.send(after), after)
    pipeline.store_session([after], study_ms=0)
    report = await pipeline.audit()
    assert report.good
    assert (report.erased, report.stored, report.unique) == (1, 1, 2)
    pipeline.store(source, before)
    pipeline.store_session([before], study_ms=0)
    assert wrong(await pipeline.audit()) == {"erased but shown": 1}


async def test_dead_letters_are_not_missing(pipeline: Pipeline) -> None:
    await pipeline.set_aside(await pipeline.send(event(), value=b"not an envelope"))
    await pipeline.set_aside(await pipeline.send(event()))
    report = await pipeline.audit()
    assert report.good
    assert (report.dead_letters, report.dead_letter_events) == (2, 1)


async def test_an_unreadable_message_that_is_no_dead_letter_is_found(pipeline: Pipeline) -> None:
    await pipeline.send(event(), value=b"not an envelope")
    assert wrong(await pipeline.audit()) == {"unreadable messages": 1}


async def test_what_is_not_kept_any_more_may_be_gone_and_nothing_else(pipeline: Pipeline) -> None:
    limit = closing.last_closable(NOW, pipeline.settings.retention_days)
    old = replace_time(event(), start_of(limit))
    old.received_at = NOW - timedelta(days=3)
    await pipeline.send(old)
    report = await pipeline.audit()
    assert report.good
    assert report.expired == 1
    kept = replace_time(event(), start_of(limit + timedelta(days=2)))
    await pipeline.send(kept)
    assert wrong(await pipeline.audit()) == {"missing": 1}


async def test_it_says_that_it_cannot_speak_for_what_kafka_no_longer_holds(pipeline: Pipeline) -> None:
    rows = [event(20), event(16)]
    first = await pipeline.send(rows[0])
    pipeline.store(first, rows[0])
    pipeline.store(await pipeline.send(rows[1]), rows[1])
    pipeline.store_session(rows, study_ms=240_000)
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.kafka_bootstrap)
    await admin.start()
    try:
        place = TopicPartition(first.topic, first.partition)
        await admin.delete_records({place: RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    report = await pipeline.audit()
    assert report.good
    assert not report.complete
    assert (report.sent, report.stored, report.beyond_kafka) == (1, 1, 1)


async def test_a_user_who_was_erased_after_it_began_is_not_missing(pipeline: Pipeline) -> None:
    source = await pipeline.send(event())
    pipeline.clickhouse.insert(
        "erasures_data",
        [[source.partition, source.offset + 1000, USER, 0, NOW]],
        column_names=["kafka_partition", "kafka_offset", "user_id", "epoch", "erased_at"],
    )
    report = await pipeline.audit()
    assert report.good
    assert (report.erased, report.expired) == (1, 0)


async def test_an_erasure_in_an_earlier_topic_explains_no_missing_event(pipeline: Pipeline) -> None:
    source = await pipeline.send(event())
    pipeline.clickhouse.insert(
        "erasures_data",
        [[str(uuid4()), source.partition, source.offset + 1000, USER, 0, NOW]],
        column_names=["topic_id", "kafka_partition", "kafka_offset", "user_id", "epoch", "erased_at"],
    )
    assert wrong(await pipeline.audit()) == {"missing": 1}


async def test_rows_of_an_erased_user_that_still_stand_long_after_are_found(pipeline: Pipeline) -> None:
    gone = event()
    source = await pipeline.send(gone)
    erased = await pipeline.send_erasure(USER)
    pipeline.store(source, gone)
    columns = ["kafka_partition", "kafka_offset", "user_id", "epoch", "erased_at"]
    pipeline.clickhouse.insert(
        "erasures_data", [[erased.partition, erased.offset, USER, 0, NOW - timedelta(minutes=50)]], column_names=columns
    )
    assert (await pipeline.audit()).good
    pipeline.clickhouse.insert(
        "erasures_data",
        [[erased.partition, erased.offset + 1, USER, 0, NOW - timedelta(hours=2)]],
        column_names=columns,
    )
    assert wrong(await pipeline.audit()) == {"erased but not deleted": 1}


async def test_a_day_that_is_closed_within_retention_is_found(pipeline: Pipeline) -> None:
    last = closing.last_closable(NOW, pipeline.settings.retention_days)
    pipeline.clickhouse.insert("totals_data", [["day", last]], column_names=["source", "closed_day"])
    assert (await pipeline.audit()).good
    early = last + timedelta(days=2)
    pipeline.clickhouse.insert("totals_data", [["day", early]], column_names=["source", "closed_day"])
    report = await pipeline.audit()
    assert wrong(report) == {"days closed too early": 1}
    assert str(early) in report.closed_early.examples[0]


async def test_a_day_that_is_closed_although_it_was_only_just_announced_is_found(pipeline: Pipeline) -> None:
    day = closing.last_closable(NOW, 1)
    pipeline.clickhouse.insert("totals_data", [["day", day]], column_names=["source", "closed_day"])
    lowered = pipeline.settings.model_copy(update={"retention_days": 1})
    await closing.put_in_force(lowered, {NOW - timedelta(days=1): day + timedelta(days=1)})
    assert wrong(await pipeline.audit()) == {"days closed too early": 1}
    await put_in_force_long_ago(lowered)
    assert (await pipeline.audit()).good


async def test_a_retention_raised_later_does_not_make_a_mistake_of_days_that_are_closed(pipeline: Pipeline) -> None:
    lowered = pipeline.settings.model_copy(update={"retention_days": 1})
    await put_in_force_long_ago(lowered)
    day = closing.last_closable(NOW, 1)
    pipeline.clickhouse.insert("totals_data", [["day", day]], column_names=["source", "closed_day"])
    await closing.put_in_force(pipeline.settings)
    assert (await pipeline.audit()).good


async def test_without_a_retention_in_force_it_says_what_to_do(pipeline: Pipeline) -> None:
    settings = pipeline.settings.model_copy(update={"events_topic": pipeline.settings.events_topic + "-other"})
    with pytest.raises(Failure, match="run `convergio migrate` first"):
        await retention_in_force(settings)


async def test_an_event_that_was_accepted_for_a_day_that_is_not_kept_and_is_not_shown_is_found(
    pipeline: Pipeline,
) -> None:
    old = replace_time(event(), start_of(closing.last_closable(NOW, pipeline.settings.retention_days)))
    source = await pipeline.send(old)
    assert wrong(await pipeline.audit()) == {"accepted too old to be kept": 1}
    pipeline.store(source, old)
    pipeline.store_session([old], study_ms=0)
    assert (await pipeline.audit()).good


async def test_it_does_not_speak_before_the_processors_are_done(pipeline: Pipeline) -> None:
    await pipeline.send(event())
    await pipeline.commit(behind=1)
    with pytest.raises(Unreachable, match="1 messages behind"):
        await audit(pipeline.settings, wait=0.2)


async def test_the_command_exits_with_1_and_names_what_is_missing(pipeline: Pipeline) -> None:
    row = event()
    await pipeline.send(row)
    await pipeline.commit()
    settings = pipeline.settings
    convergio = Convergio(
        {
            "kafka_bootstrap": settings.kafka_bootstrap,
            "events_topic": settings.events_topic,
            "dead_letter_topic": settings.dead_letter_topic,
            "consumer_group": settings.consumer_group,
            "clickhouse_host": settings.clickhouse_host,
            "clickhouse_port": str(settings.clickhouse_port),
            "clickhouse_user": settings.clickhouse_user,
            "clickhouse_password": settings.clickhouse_password.get_secret_value(),
            "clickhouse_database": settings.clickhouse_database,
        }
    )
    table = await convergio("audit", code=1)
    assert f"missing: {USER}/{row.event_id}" in table.output
    report = json.loads((await convergio("audit", "--format", "json", code=1)).output)
    assert (report["good"], report["missing"]["count"], report["complete"]) == (False, 1, True)


def replace_time(row: EventRow, moment: datetime) -> EventRow:
    row.occurred_at = moment
    return row
