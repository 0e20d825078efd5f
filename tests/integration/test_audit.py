"""The audit against a real Kafka and ClickHouse, with every mistake a pipeline could make put there by hand."""

from __future__ import annotations

import json

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from infra.audit import audit
from infra.errors import Unreachable
from schemas.topics import Source
from tests.audited import USER, Pipeline, event, pipeline, wrong
from tests.commands import Convergio

__all__ = ["pipeline"]


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


async def test_dead_letters_are_not_missing(pipeline: Pipeline) -> None:
    await pipeline.set_aside(await pipeline.send(event(), value=b"not an envelope"))
    await pipeline.set_aside(await pipeline.send(event()))
    report = await pipeline.audit()
    assert report.good
    assert (report.dead_letters, report.dead_letter_events) == (2, 1)


async def test_an_unreadable_message_that_is_no_dead_letter_is_found(pipeline: Pipeline) -> None:
    await pipeline.send(event(), value=b"not an envelope")
    assert wrong(await pipeline.audit()) == {"unreadable messages": 1}


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
