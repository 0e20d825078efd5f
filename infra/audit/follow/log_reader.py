"""Reads the logs that an audit compares: chunks of the events topic, single messages of it, and the dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from infra.errors import Unreachable
from infra.kafka.dead_letters import Letters

CHUNK_BYTES = 4 << 20
"""Bytes of messages that are checked at once, unless one message is larger."""

_SILENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one partition, and the offset at which the next chunk begins."""

    records: Sequence[ConsumerRecord[bytes, bytes]]
    next_offset: int
    size: int
    """Bytes of their values."""


class LogReader:
    """Over two consumers whose partitions this assigns: one of the events topic, one of the dead-letter topic."""

    def __init__(
        self,
        events: AIOKafkaConsumer,
        topic: str,
        letters: AIOKafkaConsumer,
        letter_partitions: Iterable[TopicPartition],
    ) -> None:
        self._events = events
        self._topic = topic
        self._letters = letters
        self._letter_partitions = list(letter_partitions)
        letters.assign(self._letter_partitions)
        letters.pause(*self._letter_partitions)
        self._next_letters: dict[TopicPartition, int] = {}

    def assign(self, partitions: Iterable[int]) -> None:
        """The partitions of the events topic to read. Each is fetched only while it is read."""
        places = [TopicPartition(self._topic, number) for number in partitions]
        self._events.assign(places)
        self._events.pause(*places)

    async def chunk(self, partition: int, start: int, end: int) -> Chunk:
        """At most `CHUNK_BYTES` of the offsets from `start` to before `end`, which the log must reach.

        Raises `Unreachable` if Kafka sends nothing, and `KafkaError`.
        """
        place = TopicPartition(self._topic, partition)
        records: list[ConsumerRecord[bytes, bytes]] = []
        size, position = 0, start
        with _fetching(self._events, place, start):
            while position < end and size < CHUNK_BYTES:
                fetched, position = await _fetch(self._events, place, position)
                for record in fetched:
                    if record.offset < end:
                        records.append(record)
                        size += len(record.value or b"")
        return Chunk(records, min(position, end), size)

    async def records_at(
        self, partition: int, offsets: Iterable[int]
    ) -> AsyncIterator[Sequence[ConsumerRecord[bytes, bytes]]]:
        """The records at some offsets, in parts of about `CHUNK_BYTES`; those that the log does not hold are left out.

        Raises as `chunk` does.
        """
        place = TopicPartition(self._topic, partition)
        if place not in self._events.assignment():
            return
        first = (await self._events.beginning_offsets([place]))[place]
        end = (await self._events.end_offsets([place]))[place]
        part: list[ConsumerRecord[bytes, bytes]] = []
        size = 0
        for start, stop in _runs(offset for offset in sorted(offsets) if first <= offset < end):
            while start < stop:
                chunk = await self.chunk(partition, start, stop)
                start = chunk.next_offset
                part += chunk.records
                size += chunk.size
                if size >= CHUNK_BYTES:
                    yield part
                    part, size = [], 0
        if part:
            yield part

    async def written_at(self, partition: int, offset: int) -> int | None:
        """When the first record from an offset on was written, in ms since 1970; `None` if there is none yet."""
        place = TopicPartition(self._topic, partition)
        with _fetching(self._events, place, offset):
            fetched = (await self._events.getmany(place, timeout_ms=1000, max_records=1)).get(place, [])
        return fetched[0].timestamp if fetched else None

    async def take_letters(self, letters: Letters) -> None:
        """Takes in every dead letter written since the last call. Raises as `chunk` does."""
        if not self._next_letters:
            self._next_letters = await self._letters.beginning_offsets(self._letter_partitions)
        ends = await self._letters.end_offsets(self._letter_partitions)
        for place, end in ends.items():
            if self._next_letters[place] >= end:
                continue
            with _fetching(self._letters, place, self._next_letters[place]):
                while self._next_letters[place] < end:
                    fetched, self._next_letters[place] = await _fetch(self._letters, place, self._next_letters[place])
                    for record in fetched:
                        letters.take(record)


@contextmanager
def _fetching(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> Iterator[None]:
    """Lets a partition be fetched, from an offset on."""
    consumer.seek(place, offset)
    consumer.resume(place)
    try:
        yield
    finally:
        consumer.pause(place)


async def _fetch(
    consumer: AIOKafkaConsumer, place: TopicPartition, position: int
) -> tuple[Sequence[ConsumerRecord[bytes, bytes]], int]:
    """The next records of a partition, and the position after them; that may move on without any.

    Raises `Unreachable` if Kafka sends nothing.
    """
    fetched = (await consumer.getmany(place, timeout_ms=_SILENCE_SECONDS * 1000)).get(place, [])
    reached = await consumer.position(place)
    if reached == position and not fetched:
        raise Unreachable(f"Kafka sent nothing of {place.topic} for {_SILENCE_SECONDS} s; is every broker up?")
    return fetched, reached


def _runs(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs of consecutive numbers among ascending ones, each as its start and the number after its end."""
    start: int | None = None
    stop = 0
    for offset in offsets:
        if start is not None and offset == stop:
            stop += 1
            continue
        if start is not None:
            yield start, stop
        start, stop = offset, offset + 1
    if start is not None:
        yield start, stop
