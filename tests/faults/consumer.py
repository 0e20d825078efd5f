"""Our consumer with a simulated log beneath it: the real decisions about positions, without Faust's and Kafka's work.

`Consumer` of `processors.transport` runs as it is. What it inherits from Faust is replaced by `_Faust`, its thread by
`_Thread`. Every request to Kafka waits until the scheduler carries it out or lets it fail.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processors import transport
from processors.buffer import MessageBuffer
from processors.consumer_thread import Polled, Start, Watermark
from processors.envelopes import Message
from processors.ownership import Fetch, Ownerships
from schemas.topics import UNKNOWN_TOPIC
from tests.faults.group import Group
from tests.faults.jobs import Kind
from tests.faults.owners import Owner

Note = Callable[[str], None]
"""Adds a line to the trace of a schedule."""
_TOPIC = "events"
_STREAM_MESSAGES = 2
_MOST_RECORDS = 5


class _Thread:
    """The consumer's thread with aiokafka in it: who is assigned what, and the position in each partition."""

    def __init__(self, owner: Owner, group: Group, draw: random.Random) -> None:
        self.assigned: dict[TP, None] = {}
        self.positions: dict[TP, int] = {}
        self.generation = 0
        self._owner = owner
        self._group = group
        self._draw = draw

    async def call_thread(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return await method(*arguments)

    async def start_of(self, place: TP) -> Start:
        number = place.partition
        offset = await self._owner.ask(f"start_of {number}", lambda: self._group.start_of(number), Kind.FETCH)
        return Start(offset, UNKNOWN_TOPIC)

    async def topic_id_of(self, topic: str) -> str:
        return UNKNOWN_TOPIC

    async def commit_watermarks(self, watermarks: Mapping[TP, Watermark]) -> bool:
        offsets = {place: watermark.offset for place, watermark in watermarks.items() if place in self.assigned}
        generation = self.generation
        if not offsets:
            return False
        try:
            return await self._owner.ask(
                f"commit {_told(offsets)}",
                lambda: self._group.commit(
                    self._owner, generation, {place.partition: offset for place, offset in offsets.items()}
                ),
                Kind.COMMIT,
            )
        except KafkaError:
            return False

    async def bounds_of(self, place: TP) -> tuple[int, int]:
        number, group = place.partition, self._group
        return await self._owner.ask(
            f"bounds_of {number}", lambda: (group.start(number), group.end(number)), Kind.FETCH
        )

    async def seek_to(self, offsets: Mapping[TP, int]) -> None:
        await self._owner.ask(f"seek_to {_told(offsets)}", lambda: self._seek(offsets))

    async def fetch_from(self, place: TP, offset: int) -> Polled | None:
        return await self._owner.ask(
            f"fetch_from {_told({place: offset})}", lambda: self._fetch_from(place, offset), Kind.FETCH
        )

    async def poll(self, places: list[TP]) -> dict[TP, Polled]:
        return await self._owner.ask("poll", lambda: self._poll(places), Kind.FETCH, lambda: self._brings_news(places))

    def join(self) -> list[TP]:
        """The group has settled: positions are unknown now, or aiokafka has found the committed ones already."""
        self.generation = self._group.generation
        self.assigned = {TP(_TOPIC, number): None for number in self._group.partitions_of(self._owner)}
        self.positions = {}
        return list(self.assigned)

    def disturb(self, place: TP) -> int:
        """Something moves a position to anywhere."""
        self.positions[place] = self._draw.randint(0, self._group.end(place.partition) + 1)
        return self.positions[place]

    def _seek(self, offsets: Mapping[TP, int]) -> None:
        self.positions.update({place: offset for place, offset in offsets.items() if place in self.assigned})

    def _poll(self, places: list[TP]) -> dict[TP, Polled]:
        polled: dict[TP, Polled] = {}
        for place in places:
            if place not in self.assigned:
                continue
            if place not in self.positions:
                if place.partition not in self._group.committed:
                    raise NoOffsetForPartitionError(place)
                self.positions[place] = self._group.committed[place.partition]
            polled[place] = self._read(place)
        return polled

    def _fetch_from(self, place: TP, offset: int) -> Polled | None:
        self._seek({place: offset})
        return self._read(place) if place in self.assigned else None

    def _read(self, place: TP) -> Polled:
        number, position = place.partition, self.positions[place]
        if not self._group.start(number) <= position <= self._group.end(number):
            raise OffsetOutOfRangeError({place: position})
        messages, self.positions[place] = self._group.read(number, position, self._draw.randint(0, _MOST_RECORDS))
        return Polled([_record(message) for message in messages], self.positions[place])

    def _brings_news(self, places: list[TP]) -> bool:
        """Whether a poll would change anything; one that brings nothing is left out."""
        return places != list(self.assigned) or any(self._is_news(place) for place in places)

    def _is_news(self, place: TP) -> bool:
        ownership, position = self._owner.ownerships.get(place.partition), self.positions.get(place)
        return (
            ownership is None
            or position is None
            or not (ownership.handed_on == position == self._group.end(place.partition))
        )


class _Faust(driver.Consumer):
    """What Faust does around our consumer: it polls, hands messages to the agent, commits and leads rebalances."""

    app: Any
    _thread: Any
    passed_over: Callable[[Fetch], None]
    ownerships: Ownerships
    deliver: Callable[[Fetch, MessageBuffer], Coroutine[Any, Any, None]]

    def __init__(self, owner: Owner, group: Group, draw: random.Random, note: Note) -> None:
        # Nothing of Faust's is set up.
        self.app = SimpleNamespace(consumer_generation_id=0)
        self.ownerships = owner.ownerships
        self.passed_over = self._check_passed_over
        self.losses = 0.0
        """How often a fetch is lost on its way to the buffer."""
        self.lost = False
        self.flow_active = True
        self._thread = _Thread(owner, group, draw)
        self._read_offset = {}
        self._owner = owner
        self._group = group
        self._draw = draw
        self._note = note
        self._stream: asyncio.Queue[Any] = asyncio.Queue(_STREAM_MESSAGES)
        self._flows = asyncio.Event()
        self._flows.set()
        self._stands = asyncio.Event()
        for work in (self._polls(), self._receives(), self._commits(), self._rebalances()):
            owner.run(work)

    @property
    def should_stop(self) -> bool:
        return False

    async def sleep(self, n: timedelta | float | str) -> None:
        await self._owner.ask(f"waits {n} s", lambda: None)

    def assignment(self) -> Any:
        # In a fixed order, unlike a set.
        return list(self._thread.assigned)

    async def interrupt(self) -> None:
        """The flow stops and goes on, without a rebalance."""
        self._stop_flow()
        await self.perform_seek()
        self._resume_flow()

    def disturb(self) -> None:
        """The positions are not where our consumer has left them."""
        for place in self._thread.assigned:
            self._note(f"the position of {self._owner.name} in {place.partition} is {self._thread.disturb(place)}")

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._stop_flow()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        pass

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        await self._flows.wait()
        return await self._thread.poll(list(self._thread.assigned)), None

    async def _polls(self) -> None:
        while True:
            async for _, message in self.getmany(1.0):
                if self._draw.random() < self.losses:
                    self._note(f"{self._owner.name} loses a fetch of {message.partition}")
                    self.lost = True
                    continue
                handed = asyncio.ensure_future(self._stream.put(message))
                stopped = asyncio.ensure_future(self._stands.wait())
                await asyncio.wait({handed, stopped}, return_when=asyncio.FIRST_COMPLETED)
                handed.cancel()
                stopped.cancel()

    async def _receives(self) -> None:
        """As the agent of `processors.worker` does."""
        while True:
            message = await self._stream.get()
            if message.generation_id != self.app.consumer_generation_id:
                continue
            fetch: Any = message.value
            assert isinstance(fetch, Fetch)
            await self.deliver(fetch, self._owner.buffer)

    async def _commits(self) -> None:
        while True:
            await self._owner.ask("commits", lambda: None, ready=lambda: bool(self.ownerships.committable()))
            offsets = self._filter_committable_offsets(self._filter_tps_with_pending_acks())
            if offsets:
                await self._commit_offsets(offsets)

    async def _rebalances(self) -> None:
        while True:
            await self._owner.ask(
                "hears of a rebalance",
                lambda: None,
                ready=lambda: self._group.generation != self._thread.generation,
            )
            await self.on_partitions_revoked(set(self._thread.assigned))
            assigned = await self._owner.ask("joins", self._thread.join)
            self.app.consumer_generation_id = self._thread.generation
            await self._owner.ask("is assigned partitions", lambda: None)
            await self.on_partitions_assigned(set(assigned), self._thread.generation)
            await self.perform_seek()
            self._resume_flow()

    def _stop_flow(self) -> None:
        self.flow_active = False
        self._flows.clear()
        self._stands.set()
        while not self._stream.empty():
            self._stream.get_nowait()

    def _resume_flow(self) -> None:
        self.flow_active = True
        self._stands.clear()
        self._flows.set()

    def _check_passed_over(self, fetch: Fetch) -> None:
        partition, brought = fetch.ownership.partition, {message.offset for message in fetch.messages}
        missing = [offset for offset in range(fetch.begins, fetch.ends) if offset not in brought]
        self._note(f"{self._owner.name} passes over {missing} of {partition}")
        assert not self._group.holds_any(partition, missing), f"records are passed over: {missing} of {partition}"


class SimulatedConsumer(transport.Consumer, _Faust):
    """The real consumer; what it calls in its base class finds the simulated one."""


def _record(message: Message) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(
        _TOPIC, message.partition, message.offset, 0, 0, message.key, message.value, None, 0, 0, message.headers
    )


def _told(offsets: Mapping[TP, int]) -> str:
    return ", ".join(f"{place.partition}/{offset}" for place, offset in offsets.items())
