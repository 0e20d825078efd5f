"""Messages on their way from Kafka to the flush, bounded in bytes, and whose partitions are still ours."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from processors.cache import UserCache
from processors.envelopes import Message
from processors.settings import ProcessorSettings


@dataclass(slots=True, eq=False)
class Ownership:
    """One stretch of time in which a partition is ours, with what we remember of its users.

    Its messages at the offsets from `acknowledged` to `received` (without the latter) are in our hands.
    """

    partition: int
    acknowledged: int
    received: int
    cache: UserCache = field(default_factory=UserCache)
    lost: bool = False


@dataclass(slots=True, frozen=True)
class Delivery:
    """One message with about how many events, how to acknowledge it to Faust, when it came (monotonic seconds), and
    under which ownership."""

    message: Message
    events: int
    acknowledge_to_faust: Callable[[], object]
    arrived: float
    ownership: Ownership

    def acknowledge(self) -> None:
        """Says that the message, and with it every one before it, is stored."""
        self.acknowledge_to_faust()
        self.ownership.acknowledged = self.message.offset + 1


class Inbox:
    """A queue between the consuming agent and the flush loop, both on one event loop."""

    def __init__(self, settings: ProcessorSettings, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._max_bytes = settings.buffer_bytes
        self._flush_events = settings.flush_events
        self._flush_bytes = min(settings.flush_bytes, settings.buffer_bytes)
        self._flush_seconds = settings.flush_seconds
        self._queue: deque[Delivery] = deque()
        self._bytes = 0
        self._events = 0
        self._closed = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.owned: dict[int, Ownership] = {}

    @property
    def oldest(self) -> float | None:
        """When the first waiting message came; `None` if none waits."""
        return self._queue[0].arrived if self._queue else None

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait."""
        return self._bytes

    def holds(self, partition: int, offset: int) -> bool:
        """Whether a partition's next message to be committed waits for us: it came and is not acknowledged, or it
        cannot come because the inbox is full. If it does not, it is Faust that should deliver it or commit it."""
        ownership = self.owned.get(partition)
        if ownership is not None and offset < ownership.received:
            return offset >= ownership.acknowledged
        return not self._room.is_set()

    def disown(self, partitions: Iterable[int]) -> None:
        """Forgets partitions that were given away: their waiting messages are the next owner's business."""
        for partition in partitions:
            ownership = self.owned.pop(partition, None)
            if ownership is not None:
                ownership.lost = True

    async def put(self, message: Message, acknowledge: Callable[[], object]) -> None:
        """Adds a message; waits while the inbox is full. Its partition is ours from here on."""
        ownership = self.owned.get(message.partition)
        if ownership is None:
            ownership = Ownership(message.partition, message.offset, message.offset)
            self.owned[message.partition] = ownership
        events = message.value.count(b"\n")
        delivery = Delivery(message, events, acknowledge, self._clock(), ownership)
        await self._room.wait()
        self._queue.append(delivery)
        ownership.received = message.offset + 1
        self._count(delivery, 1)
        self._signal()

    async def take(self) -> list[Delivery]:
        """The oldest messages: about as many as one flush may hold, after a bounded wait for more to come.

        Messages of partitions given away are left out, so it can be empty; after `close` it does not wait.
        """
        await self._some.wait()
        if self._queue:
            waited = self._clock() - self._queue[0].arrived
            try:
                async with asyncio.timeout(max(0.0, self._flush_seconds - waited)):
                    await self._enough.wait()
            except TimeoutError:
                pass
        taken, events, size = [], 0, 0
        while self._queue and events < self._flush_events and size < self._flush_bytes:
            delivery = self._queue.popleft()
            self._count(delivery, -1)
            if not delivery.ownership.lost:
                taken.append(delivery)
                events += delivery.events
                size += len(delivery.message.value)
        self._signal()
        return taken

    def close(self) -> None:
        """From now on `take` and `put` never wait."""
        self._closed = True
        self._signal()

    def _count(self, delivery: Delivery, sign: int) -> None:
        self._bytes += sign * len(delivery.message.value)
        self._events += sign * delivery.events

    def _signal(self) -> None:
        enough = self._events >= self._flush_events or self._bytes >= self._flush_bytes
        _set(self._some, bool(self._queue) or self._closed)
        _set(self._enough, enough or self._closed)
        _set(self._room, self._bytes < self._max_bytes or self._closed)


def _set(event: asyncio.Event, to: bool) -> None:
    if to:
        event.set()
    else:
        event.clear()
