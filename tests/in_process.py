"""The real flush loop in this process, without Kafka: for tests of what a flush stores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from processors.buffer import MessageBuffer
from processors.cache import UserCache
from processors.dead_letters import DeadLetter
from processors.envelopes import Message
from processors.flush import Flusher, FlushReport
from processors.health import Health
from processors.loop import FlushLoop
from processors.metrics import ProcessorMetrics
from processors.ownership import Fetch, Ownership, Ownerships
from processors.settings import ProcessorSettings
from processors.sink import Sink

HEARTBEAT_SECONDS = 60.0


class FlushFailed(Exception):
    """The flush loop tries again, or has halted; the message is what `/readyz` says."""


class _Metrics(ProcessorMetrics):
    def __init__(self, reported: Callable[[FlushReport], None]) -> None:
        super().__init__()
        self._reported = reported

    def flushed(self, report: FlushReport, seconds: float) -> None:
        super().flushed(report, seconds)
        self._reported(report)


class _Health(Health):
    def __init__(self, failed: Callable[[str], None]) -> None:
        super().__init__(time.monotonic, HEARTBEAT_SECONDS)
        self._failed = failed

    def waiting(self, reason: str) -> None:
        super().waiting(reason)
        self._failed(reason)


class Processor:
    """One processor with caches of its own, as a freshly started one has.

    Offsets may have gaps, as in a log that was compacted. Messages that go back to an earlier offset begin a new
    ownership, as after a rebalance.
    """

    def __init__(
        self,
        settings: ProcessorSettings,
        sink: Sink | None = None,
        set_aside: Callable[[Sequence[DeadLetter]], None] | None = None,
    ) -> None:
        # All messages of a flush are there when it begins.
        settings = settings.model_copy(update={"flush_seconds": 0.001})
        self.sink = sink or Sink(settings)
        self.set_aside: list[DeadLetter] = []
        self.ownerships = Ownerships()
        self._settings = settings
        self._set_aside = set_aside or self.set_aside.extend
        self._flusher = Flusher(settings, self.sink)
        self._threads = ThreadPoolExecutor(2)
        self._reports: list[FlushReport] = []

    @property
    def caches(self) -> dict[int, UserCache]:
        return {partition: ownership.cache for partition, ownership in self.ownerships.items()}

    def restart(self) -> None:
        """Forgets what it knows, as a processor that takes its partitions over again."""
        self.ownerships.revoke(list(self.ownerships))

    def flush(self, *messages: Message) -> FlushReport:
        """Stores the messages in one flush and returns its report. Raises `FlushFailed` at the first failure."""
        with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
            return thread.submit(asyncio.run, self._flush(messages)).result()

    async def _flush(self, messages: Sequence[Message]) -> FlushReport:
        ended: asyncio.Future[FlushReport] = asyncio.get_running_loop().create_future()

        def failed(reason: str) -> None:
            if not ended.done():
                ended.set_exception(FlushFailed(reason))

        buffer = MessageBuffer(self._settings, self.ownerships, time.monotonic)
        loop = FlushLoop(
            self._settings,
            buffer,
            self._flusher,
            self._set_aside,
            _Health(failed),
            _Metrics(ended.set_result),
            lambda: None,
            time.monotonic,
            self._threads,
        )
        for message in messages:
            await buffer.put(self._fetch(message))
        running = asyncio.create_task(loop.run())
        running.add_done_callback(lambda task: failed(f"the loop ended: {task!r}"))
        try:
            return await ended
        finally:
            running.cancel()

    def _fetch(self, message: Message) -> Fetch:
        ownership: Ownership | None = self.ownerships.get(message.partition)
        if ownership is None or message.offset < ownership.received:
            ownership = self.ownerships.begin(message.partition, message.offset)
        begins = ownership.received
        return Fetch(ownership, begins, [message], message.offset + 1)
