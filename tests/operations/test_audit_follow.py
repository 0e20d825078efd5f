"""The audit that never stops, with a real Kafka and ClickHouse: what gateways and processors do is done by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from infra.audit.follow import AuditMetrics, Follower
from infra.audit.follow.follower import Connections
from infra.audit.follow.positions import MOST_WRONG
from infra.settings import Settings
from schemas.envelope import partition_for
from schemas.topics import Source
from tests.audited import USER, Pipeline, event, pipeline

__all__ = ["pipeline"]

PARTITION = partition_for(USER, 2)


class Audit:
    """A running audit of a test, one round at a time."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = AuditMetrics()
        self._settings = settings
        self.follower = Follower(settings, self.metrics, pause=_soon)
        self.connections: Connections | None = None

    def sample(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"convergio_audit_{name}", labels)
        assert value is not None, name
        return value

    @property
    def wrong(self) -> dict[str, float]:
        names = ("missing_events", "doubled_events", "wrong_sessions", "erased_users_shown", "unreadable_messages")
        return {name: self.sample(name) for name in names if self.sample(name)}

    async def check(self) -> None:
        """Rounds until there is nothing to check."""
        assert self.connections is not None
        while await self.follower.round(self.connections):
            pass

    async def recheck(self) -> None:
        assert self.connections is not None
        await self.follower.recheck(self.connections)


async def _soon(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def running(pipeline: Pipeline) -> AsyncIterator[Audit]:
    audit = Audit(pipeline.settings)
    async with audit.follower.connected() as audit.connections:
        yield audit


async def test_what_is_stored_once_is_checked_and_nothing_is_wrong(pipeline: Pipeline) -> None:
    rows = [event(20), event(16), event(5)]
    source = await pipeline.send(*rows)
    await pipeline.send(rows[0], rows[1])
    pipeline.store(source, *rows)
    pipeline.store_session(rows, study_ms=4 * 60_000)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}
        assert audit.sample("checked_events_total") == 5
        assert audit.sample("checked_offset", partition=str(PARTITION)) == 2
        assert audit.sample("lag_seconds") == 0


async def test_a_message_that_was_committed_and_not_stored_is_missing_until_it_is_put_right(pipeline: Pipeline) -> None:
    rows = [event(), event()]
    source = await pipeline.send(*rows)
    pipeline.store(source, rows[0])
    pipeline.store_session(rows, study_ms=0)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 1, "wrong_sessions": 1}
        pipeline.store(source, rows[1])
        await audit.recheck()
        assert audit.wrong == {}


async def test_what_is_not_committed_yet_is_not_judged_and_the_lag_grows(pipeline: Pipeline) -> None:
    await pipeline.send(event())
    await pipeline.commit(behind=1)
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}
        assert audit.sample("checked_offset", partition=str(PARTITION)) == 0
        first = audit.sample("lag_seconds")
        assert 0 < first < audit.sample("lag_seconds")
        await pipeline.commit()
        await audit.check()
        assert audit.wrong == {"missing_events": 1}
        assert audit.sample("lag_seconds") == 0


async def test_an_event_that_is_shown_twice_is_doubled(pipeline: Pipeline) -> None:
    row = event()
    source = await pipeline.send(row)
    pipeline.store(source, row)
    pipeline.store(source, row, epoch=1)
    pipeline.store_session([row, row], study_ms=0)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"doubled_events": 1}


async def test_a_session_that_is_not_what_its_events_give_is_wrong(pipeline: Pipeline) -> None:
    rows = [event(20), event(16)]
    pipeline.store(await pipeline.send(*rows), *rows)
    pipeline.store_session(rows, study_ms=1)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"wrong_sessions": 1}


async def test_dead_letters_are_not_missing_and_an_unreadable_message_that_is_none_is_found(
    pipeline: Pipeline,
) -> None:
    await pipeline.set_aside(await pipeline.send(event(), value=b"not an envelope"))
    await pipeline.set_aside(await pipeline.send(event()))
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}
        await pipeline.send(event(), value=b"not an envelope")
        await pipeline.commit()
        await audit.check()
        assert audit.wrong == {"unreadable_messages": 1}


async def test_what_was_erased_is_not_missing(pipeline: Pipeline) -> None:
    await pipeline.send(event())
    erasure = await pipeline.send_erasure(USER)
    mark(pipeline, erasure)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}


async def test_a_mark_of_an_erasure_that_nobody_asked_for_excuses_nothing(pipeline: Pipeline) -> None:
    await pipeline.send(event())
    other = await pipeline.send(event())
    mark(pipeline, other)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 2}


async def test_an_event_sent_again_after_an_erasure_has_to_be_stored(pipeline: Pipeline) -> None:
    row = event()
    await pipeline.send(row)
    mark(pipeline, await pipeline.send_erasure(USER))
    again = await pipeline.send(row)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 1}
        pipeline.store(again, row, epoch=1)
        pipeline.store_session([row], study_ms=0, epoch=1)
        await audit.recheck()
        assert audit.wrong == {}


async def test_an_erasure_after_which_older_events_are_shown_is_found(pipeline: Pipeline) -> None:
    row = event()
    pipeline.store(await pipeline.send(row), row)
    pipeline.store_session([row], study_ms=0)
    await pipeline.send_erasure(USER)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"erased_users_shown": 1}


async def test_it_goes_on_from_where_it_was_and_does_not_forget_what_was_wrong(pipeline: Pipeline) -> None:
    row, lost = event(), event()
    source = await pipeline.send(row)
    pipeline.store(source, row)
    await pipeline.send(lost)
    pipeline.store_session([row], study_ms=0)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 1}
    later = event()
    await pipeline.send(later)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 2}
        assert audit.sample("checked_events_total") == 1, "what was checked is not checked again"


async def test_with_too_much_wrong_it_waits_there_until_it_is_put_right(pipeline: Pipeline) -> None:
    rows = [event() for _ in range(MOST_WRONG + 10)]
    sources = [await pipeline.send(row) for row in rows]
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": MOST_WRONG}
        assert audit.follower.halted == [PARTITION]
        assert audit.sample("checked_offset", partition=str(PARTITION)) == MOST_WRONG
        assert audit.sample("lag_seconds") > 0
    async with running(pipeline) as audit:
        pipeline.store(sources[0], *rows)
        pipeline.store_session(rows, study_ms=0)
        await audit.check()
        assert audit.wrong == {}
        assert audit.follower.halted == []
        assert audit.sample("checked_offset", partition=str(PARTITION)) == len(rows)


async def test_messages_that_kafka_deletes_before_they_are_checked_are_counted(pipeline: Pipeline) -> None:
    async with running(pipeline) as audit:
        first = event()
        pipeline.store(await pipeline.send(first), first)
        pipeline.store_session([first], study_ms=0)
        await pipeline.commit()
        await audit.check()
        place = await pipeline.send(event())
        await pipeline.send(event())
        await with_admin(
            pipeline,
            lambda admin: admin.delete_records(
                {TopicPartition(place.topic, place.partition): RecordsToDelete(before_offset=3)}
            ),
        )
        await pipeline.commit()
        await audit.check()
        assert audit.sample("unchecked_messages_total") == 2
        assert audit.wrong == {}


async def test_a_commit_for_an_earlier_topic_of_that_name_does_not_count(pipeline: Pipeline) -> None:
    await pipeline.send(event())
    await pipeline.commit(topic_id="b7a4f6f0-0000-4000-8000-000000000001")
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}
        await pipeline.commit()
        await audit.check()
        assert audit.wrong["missing_events"] == 1


async def test_a_topic_that_was_made_anew_is_checked_from_its_start(pipeline: Pipeline) -> None:
    rows = [event(20), event(16)]
    pipeline.store(await pipeline.send(*rows), *rows)
    pipeline.store_session(rows, study_ms=4 * 60_000)
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {}
    settings = pipeline.settings
    await with_admin(pipeline, lambda admin: admin.delete_topics([settings.events_topic]))
    await with_admin(pipeline, lambda admin: admin.create_topics([NewTopic(settings.events_topic, 2, 1)]))
    await pipeline.send(event())
    await pipeline.commit()
    async with running(pipeline) as audit:
        await audit.check()
        assert audit.wrong == {"missing_events": 1}


def mark(pipeline: Pipeline, erasure: Source) -> None:
    """The mark of an erasure that was carried out."""
    pipeline.clickhouse.insert(
        "erasures_data",
        [[UUID(USER), 0, erasure.partition, erasure.offset]],
        column_names=["user_id", "epoch", "kafka_partition", "kafka_offset"],
    )


async def with_admin(pipeline: Pipeline, do: Callable[[AIOKafkaAdminClient], Any]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.kafka_bootstrap)
    await admin.start()
    try:
        await do(admin)
    finally:
        await admin.close()
