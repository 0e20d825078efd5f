"""Messages on their way from Kafka to the flush, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from processors.envelopes import Message
from processors.ownership import Fetch, Ownership, Ownerships
from processors.settings import ProcessorSettings


@dataclass(slots=True)
class Batch:
    """What one flush takes: messages in the order of their offsets, and up to where each ownership is done with them.

    `arrived` is when the oldest message came, in monotonic seconds.
    """

    arrived: float
    messages: list[Message] = field(default_factory=list)
    ends: dict[Ownership, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    """A received fetch, less what was taken of it; `taken` messages are gone."""

    fetch: Fetch
    messages: list[Message]
    arrived: float
    taken: int = 0

    @property
    def ends(self) -> int:
        """The next offset after what was taken."""
        return self.fetch.ends if self.taken == len(self.messages) else self.messages[self.taken].offset


class MessageBuffer:
    """A queue between the consuming agent and the flush loop, both on one event loop."""

    def __init__(self, settings: ProcessorSettings, ownerships: Ownerships, clock: Callable[[], float]) -> None:
        self.ownerships = ownerships
        self._clock = clock
        self._max_bytes = settings.buffer_bytes
        self._flush_events = settings.flush_events
        self._flush_bytes = min(settings.flush_bytes, settings.buffer_bytes)
        self._flush_seconds = settings.flush_seconds
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._events = 0
        self._closed = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def oldest(self) -> float | None:
        """When the first waiting message came (monotonic seconds); `None` if none waits."""
        return self._queue[0].arrived if self._queue else None

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that wait."""
        return self._bytes

    def holds(self, partition: int, offset: int) -> bool:
        """Whether the message at an offset waits for the flush, or cannot come because the buffer is full.

        If not, it is the consumer that should deliver or commit it.
        """
        ownership = self.ownerships.get(partition)
        if ownership is not None and offset < ownership.received:
            return offset >= ownership.stored
        return not self._room.is_set()

    async def put(self, fetch: Fetch) -> None:
        """Adds a fetch, once there is room; drops one of a revoked partition.

        Raises `FetchLost` if an earlier fetch of its partition has not arrived.
        """
        await self._room.wait()
        if fetch.ownership.revoked:
            return
        received = fetch.ownership.received
        messages = list(fetch.ownership.receive(fetch))
        if fetch.ownership.received == received:  # a second copy: its end is behind us
            return
        self._queue.append(_Waiting(fetch, messages, self._clock()))
        for message in messages:
            self._count(message, 1)
        self._signal()

    async def take(self) -> Batch | None:
        """The oldest messages: about as many as one flush may hold, after a bounded wait for more to come.

        Messages of revoked partitions are left out; `None` if nothing else was there. After `close` it does not wait.
        """
        await self._some.wait()
        if self._queue:
            waited = self._clock() - self._queue[0].arrived
            try:
                async with asyncio.timeout(max(0.0, self._flush_seconds - waited)):
                    await self._enough.wait()
            except TimeoutError:
                pass
        batch = self._take() if self._queue else None
        self._signal()
        return batch

    def close(self) -> None:
        """From now on `take` and `put` never wait."""
        self._closed = True
        self._signal()

    def _take(self) -> Batch | None:
        batch = Batch(self._queue[0].arrived)
        events = size = 0
        while self._queue and events < self._flush_events and size < self._flush_bytes:
            waiting = self._queue[0]
            first = waiting.taken
            while waiting.taken < len(waiting.messages) and events < self._flush_events and size < self._flush_bytes:
                message = waiting.messages[waiting.taken]
                waiting.taken += 1
                self._count(message, -1)
                if not waiting.fetch.ownership.revoked:
                    events += message.events
                    size += len(message.value)
            if not waiting.fetch.ownership.revoked:
                batch.messages += waiting.messages[first : waiting.taken]
                batch.ends[waiting.fetch.ownership] = waiting.ends
            if waiting.taken == len(waiting.messages):
                self._queue.popleft()
        return batch if batch.ends else None

    def _count(self, message: Message, sign: int) -> None:
        self._bytes += sign * len(message.value)
        self._events += sign * message.events

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
