"""Checks the log partition by partition, from where it last was, at a bounded rate.

One round: (1) look up to where the processors have committed each partition: whatever is before that is stored or a
dead letter; (2) read the dead letters, which are written before the commit; (3) check a chunk of each partition;
(4) commit how far the audit is, in a consumer group of its own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from infra.audit.follow.check import Check, Topic
from infra.audit.follow.log_reader import LogReader
from infra.audit.follow.lookups import Lookups
from infra.audit.follow.metrics import AuditMetrics
from infra.audit.follow.positions import Position, position_of
from infra.audit.follow.verdict import Violations
from infra.clickhouse.client import connect
from infra.clickhouse.reaching import clickhouse_errors
from infra.kafka.client import admin, consumer, partitions_of, topic_id_of
from infra.kafka.dead_letters import Letters
from infra.kafka.reading import commits
from infra.kafka.retention import retention_in_force
from infra.settings import Settings
from schemas.clickhouse import AUDITING
from schemas.retention import start_of
from schemas.topics import may_be_one_topic

log = logging.getLogger(__name__)

_FETCH_BYTES = 1 << 20
_FETCH_WAIT_MS = 50
_MOST_LETTERS = 100_000
_TOPIC_SECONDS = 60.0
_ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Connections:
    """What an audit has open."""

    groups: AIOKafkaAdminClient
    events: AIOKafkaConsumer
    reader: LogReader
    letters: Letters
    check: Check


class Follower:
    """One running audit. It outlives its connections: `connected` opens them, and `round` works while they are open.

    `beat` is called after each step. `pause` waits so many seconds, or less if the audit is to stop.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: AuditMetrics,
        beat: Callable[[], None] = lambda: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._beat = beat
        self._pause = pause
        self._clock = clock
        self._group = settings.audit_group
        self._topic: Topic | None = None
        self._topic_read_at = 0.0
        self._rechecked_at = clock()
        self._positions: dict[int, Position] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connections]:
        """Opens the connections. Raises `Unreachable`, `WrongUse` and `Failure`, also for errors within the context."""
        settings = self._settings
        letter_partitions = await partitions_of(settings, settings.dead_letter_topic)
        with clickhouse_errors(settings):
            client = await asyncio.to_thread(connect, settings, AUDITING, patience=_ANSWER_SECONDS)
            with client:
                async with (
                    admin(settings) as groups,
                    consumer(settings, self._group, _FETCH_BYTES, _FETCH_WAIT_MS) as events,
                    consumer(settings, None, _FETCH_BYTES, _FETCH_WAIT_MS) as dead,
                ):
                    reader = LogReader(events, settings.events_topic, dead, letter_partitions)
                    letters = Letters(_MOST_LETTERS)
                    check = Check(
                        reader, letters, Lookups(client, self._beat), settings.session_gap_seconds * 1000, self._pause
                    )
                    yield Connections(groups, events, reader, letters, check)

    async def round(self, to: Connections) -> bool:
        """Checks at most one chunk of each partition; returns whether there was anything to check.

        Raises `Unreachable`, `Failure`, `KafkaError` and the errors of the ClickHouse driver.
        """
        topic = await self._current_topic(to)
        done = {
            partition: commit
            for partition, commit in (await commits(to.groups, topic.name, self._settings.consumer_group)).items()
            # Processors may commit once more for an earlier topic of that name.
            if may_be_one_topic(topic.topic_id, commit.metadata)
        }
        places = [TopicPartition(topic.name, partition) for partition in self._positions]
        firsts = await to.events.beginning_offsets(places)
        ends = await to.events.end_offsets(places)
        await to.reader.take_letters(to.letters)
        if self._clock() - self._rechecked_at >= self._settings.audit_recheck_seconds:
            await self.recheck(to)
        self._beat()
        checked = False
        for place in places:
            partition, end = place.partition, ends[place]
            position = self._within(partition, firsts[place], end)
            until = min(done[partition].offset, end) if partition in done else 0
            if position.offset < until and not position.is_full:
                await self._check_chunk(to, topic, partition, until)
                checked = True
            await self._show_oldest(to, position, partition, end)
        self._metrics.show(self._positions)
        return checked

    async def recheck(self, to: Connections) -> None:
        """Looks at everything that was found wrong once more: it may have been put right."""
        topic = await self._current_topic(to)
        for partition, position in self._positions.items():
            still: dict[int, Violations] = {}
            async for records in to.reader.records_at(partition, position.wrong):
                _, found = await to.check.violations(topic, partition, records, attempts=1)
                still |= found
                self._beat()
            for offset in position.wrong.keys() - still.keys():
                log.info("what was found wrong is right now, or no longer in Kafka", extra=_at(partition, offset))
            position.wrong = still
            await self._commit(to, partition)
        self._rechecked_at = self._clock()
        self._metrics.show(self._positions)

    @property
    def halted(self) -> list[int]:
        """Partitions that are not checked any further, because too much in them is wrong already."""
        return [partition for partition, position in self._positions.items() if position.is_full]

    async def _current_topic(self, to: Connections) -> Topic:
        """Reads every minute what changes seldom; a topic that was made anew is checked from its start."""
        if self._topic is not None and self._clock() - self._topic_read_at < _TOPIC_SECONDS:
            return self._topic
        settings = self._settings
        name = settings.events_topic
        topic_id = await topic_id_of(settings, name)
        partitions = [place.partition for place in await partitions_of(settings, name)]
        if self._topic is None or self._topic.topic_id != topic_id or self._positions.keys() != set(partitions):
            saved = await commits(to.groups, name, self._group)
            self._positions = {partition: position_of(saved.get(partition), topic_id) for partition in partitions}
            if any(position.wrong for position in self._positions.values()):
                self._rechecked_at = -math.inf
        to.reader.assign(partitions)
        retention = await retention_in_force(settings)
        self._topic = Topic(name, topic_id, start_of(retention.keep_from))
        self._topic_read_at = self._clock()
        return self._topic

    def _within(self, partition: int, first: int, end: int) -> Position:
        """The position of a partition, moved to where the log is."""
        position = self._positions[partition]
        if position.offset > end:
            log.warning("the log ends before what was checked; it is checked from its start", extra=_at(partition, end))
            position = self._positions[partition] = Position(first)
        elif position.offset < first:
            unchecked = first - position.offset
            # A log that nobody has checked yet begins where it begins.
            if position.offset > 0:
                self._metrics.unchecked.inc(unchecked)
                log.error("Kafka deleted messages before they were checked", extra=_at(partition, first, unchecked))
            position.offset = first
        return position

    async def _check_chunk(self, to: Connections, topic: Topic, partition: int, until: int) -> None:
        position = self._positions[partition]
        chunk = await to.reader.chunk(partition, position.offset, until)
        self._beat()
        events, found = await to.check.violations(topic, partition, chunk.records)
        for offset, violations in found.items():
            log.error(
                "the store contradicts the log",
                extra={
                    **_at(partition, offset),
                    "missing_events": len(violations.missing),
                    "doubled_events": len(violations.doubled),
                    "wrong_sessions": len(violations.wrong_sessions),
                    "erased_users_shown": len(violations.still_shown),
                    "unreadable": violations.unreadable,
                },
            )
        position.found(found, chunk.next_offset)
        self._metrics.checked_events.inc(events)
        await self._commit(to, partition)
        await self._pause(chunk.size / self._settings.audit_bytes_per_second)
        self._beat()

    async def _show_oldest(self, to: Connections, position: Position, partition: int, end: int) -> None:
        if position.offset >= end:
            self._metrics.oldest_unchecked(partition, None)
        elif not self._metrics.knows_age_of(partition, position.offset):
            written = await to.reader.written_at(partition, position.offset)
            if written is not None:
                self._metrics.oldest_unchecked(partition, (position.offset, written))

    async def _commit(self, to: Connections, partition: int) -> None:
        place = TopicPartition(self._settings.events_topic, partition)
        assert self._topic is not None
        await to.events.commit({place: self._positions[partition].commit(self._topic.topic_id)})


def _at(partition: int, offset: int, messages: int | None = None) -> dict[str, int]:
    place = {"partition": partition, "offset": offset}
    return place if messages is None else {**place, "messages": messages}
