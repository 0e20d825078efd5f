"""One partition's way to Kafka: messages queue here, go out together, and are acknowledged together.

aiokafka's `send` costs more per message than decoding a batch of events does. Here a message costs a place in a
list; aiokafka sees one ready-made record batch. While one is under way the next gathers, so batches grow with the
load by themselves and an idle gateway adds no wait but the beat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from ingest.ending import end

MESSAGE_OVERHEAD_BYTES: Final = 512
"""What a waiting message costs beside its value: key, headers, futures."""

Headers = list[tuple[str, bytes]]


class NotStored(Exception):
    """A message that Kafka did not acknowledge and never will; the cause says why."""


class Message(NamedTuple):
    """A message that waits, `since` by `perf_counter`; `acknowledged` resolves when Kafka has answered."""

    key: bytes
    value: bytes
    headers: Headers
    since: float
    acknowledged: asyncio.Future[None]


class Events(NamedTuple):
    """What a lane reports, each a plain call."""

    release: Callable[[int], None]
    """So many bytes are held no more."""
    stored: Callable[[float], None]
    """A record batch was acknowledged; its longest-waiting message waited so many seconds."""
    failed: Callable[[BaseException], None]
    """A record batch failed for good; the producer must be replaced."""


class Lane:
    """The messages for one partition, in the order they came. At most one record batch is under way.

    Batches leave on a beat of `beat_seconds` that all lanes share, so that those for one broker travel in one
    request.
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, beat_seconds: float, events: Events
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._beat = beat_seconds
        self._events = events
        self._waiting: deque[Message] = deque()
        self._under_way: list[Message] = []
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task = asyncio.create_task(self._run(), name=f"kafka-lane-{partition}")
        self._task.add_done_callback(self._ended)

    def put(self, key: bytes, value: bytes, headers: Headers) -> asyncio.Future[None]:
        """Queues a message whose bytes the caller has taken from the budget; the lane gives them back.

        The future resolves once Kafka has acknowledged it, or fails with NotStored. Cancelling it before the
        message is under way unsends it; afterwards it may still be stored.
        """
        acknowledged: asyncio.Future[None] = self._loop.create_future()
        waiting = self._waiting
        if not waiting:
            self._filled.set()
            self._empty.clear()
        waiting.append(Message(key, value, headers, perf_counter(), acknowledged))
        return acknowledged

    async def drained(self) -> None:
        """Returns when nothing waits and nothing is under way."""
        await self._empty.wait()

    async def end(self) -> None:
        """Stops; what was not acknowledged fails."""
        await end(self._task)
        self._settle([*self._under_way, *self._waiting], ProducerClosed())
        self._waiting.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever ended the lane against our will must not leave its messages waiting for ever."""
        self._empty.set()
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._events.failed(failure)

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._filled.clear()
                self._empty.set()
                await self._filled.wait()
            if self._beat:
                now = self._loop.time()
                await asyncio.sleep(self._beat - now % self._beat)
            batch = self._producer.create_batch()
            taken = self._under_way = self._load(batch)
            if not taken:
                continue
            batch.close()
            try:
                stored = await self._producer.send_batch(batch, self._topic, partition=self._partition)
                await stored
            except (KafkaError, AssertionError) as failure:
                # The assertion is aiokafka's for a partition that has gone from its metadata.
                self._settle(taken, failure)
                self._events.failed(failure)
            else:
                self._events.stored(perf_counter() - taken[0].since)
                self._settle(taken, None)
            self._under_way = []

    def _load(self, batch: object) -> list[Message]:
        """Fills the record batch from the queue, passing over what nobody waits for any more."""
        append = batch.append  # type: ignore[attr-defined]  # aiokafka is untyped
        waiting = self._waiting
        taken: list[Message] = []
        while waiting:
            message = waiting[0]
            if message.acknowledged.done():
                self._events.release(len(message.value) + MESSAGE_OVERHEAD_BYTES)
            elif append(timestamp=None, key=message.key, value=message.value, headers=message.headers) is None:
                break
            else:
                taken.append(message)
            waiting.popleft()
        return taken

    def _settle(self, messages: list[Message], failure: BaseException | None) -> None:
        size = 0
        for message in messages:
            size += len(message.value) + MESSAGE_OVERHEAD_BYTES
            if message.acknowledged.done():
                continue
            if failure is None:
                message.acknowledged.set_result(None)
            else:
                refused = NotStored()
                refused.__cause__ = failure
                message.acknowledged.set_exception(refused)
        self._events.release(size)
