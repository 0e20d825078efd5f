"""Compares some records of one partition with what ClickHouse shows of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiokafka import ConsumerRecord

from infra.audit.follow.log_reader import LogReader
from infra.audit.follow.lookups import Lookups
from infra.audit.follow.verdict import Evidence, Expected, Violations, expect, judge
from infra.audit.messages import UNREADABLE, Message, Where, decode_erasure, id_bytes, read_message, where
from infra.kafka.dead_letters import Letters
from schemas.topics import Source

_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Topic:
    """The events topic as it is now. Events from before `kept_from` are of days that may be closed."""

    name: str
    topic_id: str
    kept_from: datetime


class Check:
    """Over open connections; `gap_ms` is the longest gap in a learner's doing that is study time."""

    def __init__(
        self,
        reader: LogReader,
        letters: Letters,
        lookups: Lookups,
        gap_ms: int,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._letters = letters
        self._lookups = lookups
        self._gap_ms = gap_ms
        self._pause = pause

    async def violations(
        self, topic: Topic, partition: int, records: Sequence[ConsumerRecord[bytes, bytes]], attempts: int = 3
    ) -> tuple[int, dict[int, Violations]]:
        """How many events the records hold, and what is wrong with them by offset.

        What is wrong is looked at `attempts` times: a session is written just after its events, and a replica may
        be late.

        Everything in the records must have been processed, and their dead letters taken. Raises `Unreachable`,
        `KafkaError` and the errors of the ClickHouse driver.
        """
        found: dict[int, Violations] = {}
        rows = 0
        for attempt in range(attempts):
            if attempt:
                await self._pause(_PAUSE_SECONDS)
                await self._reader.take_letters(self._letters)
            chunk = list(self._expected(topic, partition, records))
            rows = sum(message.rows for message in chunk)
            evidence = await asyncio.to_thread(self._look_up, partition, chunk)
            found = judge(partition, chunk, evidence)
            missing = {event for violations in found.values() for event in violations.missing}
            if missing:
                # After the events: if an erasure was carried out in between, it is known.
                users = {user for user, _ in missing}
                found = judge(partition, chunk, replace(evidence, erasures=await self._erasures(topic, users)))
            if not found:
                break
        return rows, found

    def _expected(
        self, topic: Topic, partition: int, records: Iterable[ConsumerRecord[bytes, bytes]]
    ) -> Iterable[Expected]:
        for record in records:
            message = read_message(record)
            place = Source(topic.name, partition, message.offset, topic.topic_id)
            if not self._letters.is_dead(place, message.source):
                yield expect(partition, message, topic.topic_id, topic.kept_from)

    def _look_up(self, partition: int, chunk: Sequence[Expected]) -> Evidence:
        sessions = {session for message in chunk for session in message.sessions}
        # Before the events: a session's row is written after them.
        wrong = self._lookups.wrong_sessions(sessions, self._gap_ms)
        return Evidence(
            shown=self._lookups.shown({event for message in chunk for event in message.events}),
            oldest_offsets=self._lookups.oldest_offsets(
                {message.erased for message in chunk if message.erased is not None}, partition
            ),
            wrong_sessions=wrong,
        )

    async def _erasures(self, topic: Topic, users: set[bytes]) -> dict[bytes, list[Where]]:
        """The erasures that were carried out for some users, without those that nobody asked for."""
        marks = await asyncio.to_thread(self._lookups.erasures, users, topic.name)
        places = {user: [where(mark, topic.topic_id) for mark in found] for user, found in marks.items()}
        asked = await self._requests({place for found in places.values() for place in found})
        # Where Kafka cannot say any more, the mark is believed.
        return {user: [place for place in found if asked.get(place, user) == user] for user, found in places.items()}

    async def _requests(self, places: set[Where]) -> dict[Where, bytes | None]:
        """Whom the messages at some places ask to erase, `None` if they do not.

        Places that Kafka does not hold any more are left out.
        """
        found: dict[Where, bytes | None] = {}
        for partition in {partition for partition, _ in places}:
            offsets = {offset for number, offset in places if number == partition}
            async for records in self._reader.records_at(partition, offsets):
                for record in records:
                    found[partition, record.offset] = _asks_to_erase(read_message(record))
        return found


def _asks_to_erase(message: Message) -> bytes | None:
    try:
        return id_bytes(decode_erasure(message.value).user_id) if message.kind == "erasure" else None
    except UNREADABLE:
        return None
