"""The audit of what is no longer shown: erased users, and days that are not kept. It finds whatever should still be."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from infra.errors import Failure
from infra.kafka.retention import retention_in_force
from schemas.retention import start_of
from tests import closing
from tests.audited import NOW, USER, Pipeline, event, pipeline, replace_time, wrong
from tests.closing import write_retention_announced_in_time

__all__ = ["pipeline"]


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
    await closing.write_retention(lowered, {NOW - timedelta(days=1): day + timedelta(days=1)})
    assert wrong(await pipeline.audit()) == {"days closed too early": 1}
    await write_retention_announced_in_time(lowered)
    assert (await pipeline.audit()).good


async def test_a_retention_raised_later_does_not_make_a_mistake_of_days_that_are_closed(pipeline: Pipeline) -> None:
    lowered = pipeline.settings.model_copy(update={"retention_days": 1})
    await write_retention_announced_in_time(lowered)
    day = closing.last_closable(NOW, 1)
    pipeline.clickhouse.insert("totals_data", [["day", day]], column_names=["source", "closed_day"])
    await closing.write_retention(pipeline.settings)
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
