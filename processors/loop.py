"""The flush loop: takes messages, flushes them in threads, acknowledges them. It never drops one.

One flush is written while the next is prepared. When ClickHouse or Kafka does not take a flush, all that was prepared
is forgotten and the same messages are flushed again, slower and slower, while the full inbox holds the consumer back;
nothing is acknowledged meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from processors.cache import UserCache
from processors.dead_letters import SetAsideFailed, TooManyDeadLetters
from processors.envelopes import Message
from processors.flush import Flusher, FlushReport, NeedsCare, Prepared
from processors.health import Health
from processors.inbox import Delivery, Inbox
from processors.metrics import ProcessorMetrics
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, SinkUnavailable
from processors.steps import Step, passed

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0


class FlushLoop:
    """Runs until `stop`. At any time at most one flush is prepared and at most one is written, in their order.

    `erased` is called when erasures were carried out.
    """

    def __init__(
        self,
        settings: ProcessorSettings,
        inbox: Inbox,
        flusher: Flusher,
        health: Health,
        metrics: ProcessorMetrics,
        erased: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._flusher = flusher
        self._health = health
        self._metrics = metrics
        self._erased = erased
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="flush")
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._caches = asyncio.Lock()
        self._forgotten = 0
        self._writing: asyncio.Task[bool] | None = None
        self.in_flight_since: float | None = None

    async def run(self) -> None:
        """Flushes until stopped and the inbox is empty, or until stopped and a flush fails."""
        try:
            while not (self._stopping.is_set() and self._inbox.oldest is None):
                self._health.going()
                deliveries = await self._take()
                passed(Step.TAKEN)
                if deliveries and not await self._flush(deliveries):
                    return
            await self._written()
        finally:
            self._finished.set()

    async def stop(self, grace_seconds: float) -> bool:
        """Flushes what was read and ends the loop; says whether that was done within the grace."""
        self._stopping.set()
        self._inbox.close()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._finished.wait()
        except TimeoutError:
            return False
        self._threads.shutdown(wait=False)
        return True

    async def _take(self) -> list[Delivery]:
        """The next messages; an idle loop still beats."""
        beat_seconds = self._settings.heartbeat_seconds / 4
        while True:
            take = asyncio.ensure_future(self._inbox.take())
            done, _ = await asyncio.wait({take}, timeout=beat_seconds)
            if done:
                return take.result()
            take.cancel()
            if self._writing is None or self._writing.done():
                self._health.going()

    async def _flush(self, deliveries: list[Delivery]) -> bool:
        """Prepares a flush and begins to write it; `False` if told to stop before that could be done."""
        started = time.monotonic()
        if self._cached_events() > self._settings.cache_events:
            # Only what is stored may be forgotten.
            if not await self._written():
                return False
            self._shrink()
        forgotten, prepared = await self._prepare(deliveries)
        if not await self._written():
            return False
        if prepared is None or forgotten != self._forgotten:
            return await self._flush_carefully(deliveries, started)
        self.in_flight_since = deliveries[0].arrived
        self._writing = asyncio.create_task(self._write(prepared, deliveries, started))
        return True

    async def _prepare(self, deliveries: list[Delivery]) -> tuple[int, Prepared | None]:
        """The prepared flush (`None` if it must be done with care), and how often all was forgotten before it."""
        async with self._caches:
            try:
                return self._forgotten, await self._in_thread(self._flusher.prepare, deliveries)
            except (NeedsCare, SinkUnavailable):
                return self._forgotten, None

    async def _written(self) -> bool:
        """Waits until the flush before is stored; `False` if told to stop before it was."""
        return self._writing is None or await self._writing

    async def _write(self, prepared: Prepared, deliveries: list[Delivery], started: float) -> bool:
        loop = asyncio.get_running_loop()
        try:
            report = await loop.run_in_executor(self._threads, self._flusher.write, prepared)
        except (SinkUnavailable, RowsRefused, SetAsideFailed, TooManyDeadLetters):
            return await self._flush_carefully(deliveries, started)
        self._acknowledge(deliveries, report, started)
        return True

    async def _flush_carefully(self, deliveries: list[Delivery], started: float) -> bool:
        """Flushes from what is stored, as often as it takes; `False` if told to stop before that was done."""
        self.in_flight_since = deliveries[0].arrived
        retry_seconds = _FIRST_RETRY_SECONDS
        async with self._caches:
            while True:
                deliveries = [delivery for delivery in deliveries if not delivery.ownership.lost]
                if not deliveries:
                    self.in_flight_since = None
                    return True
                self._health.beat()
                self._forget()
                try:
                    report = await self._in_thread(self._flusher.flush, deliveries)
                except (SinkUnavailable, SetAsideFailed) as error:
                    self._metrics.flush_failures.inc()
                    self._health.waiting(f"a flush is tried again: {error}")
                    log.warning(
                        "flush failed",
                        extra={"messages": len(deliveries), "retry_seconds": retry_seconds, "reason": str(error)},
                    )
                except TooManyDeadLetters as error:
                    retry_seconds = _LAST_RETRY_SECONDS
                    self._health.waiting(str(error))
                    log.error("halted", extra={"messages": len(deliveries), "reason": str(error)})
                else:
                    self._acknowledge(deliveries, report, started)
                    self._health.going()
                    return True
                if await self._told_to_stop(retry_seconds):
                    return False
                retry_seconds = min(retry_seconds * 2, _LAST_RETRY_SECONDS)

    def _acknowledge(self, deliveries: list[Delivery], report: FlushReport, started: float) -> None:
        for delivery in deliveries:
            delivery.acknowledge()
        passed(Step.ACKNOWLEDGED)
        self._metrics.flushed(report, time.monotonic() - started)
        self._metrics.cached_events.set(self._cached_events())
        for letter in report.dead_letters:
            message = letter.message
            log.error(
                "dead letter",
                extra={"partition": message.partition, "offset": message.offset, "reason": letter.kind},
            )
        if report.erasures:
            self._erased()
        self.in_flight_since = None

    async def _in_thread(
        self, work: Callable[[list[Message], dict[int, UserCache]], T], deliveries: list[Delivery]
    ) -> T:
        caches = {delivery.message.partition: delivery.ownership.cache for delivery in deliveries}
        messages = [delivery.message for delivery in deliveries]
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, messages, caches)

    def _forget(self) -> None:
        """Empties every cache: what is remembered may not be stored. Whatever was prepared is void."""
        self._forgotten += 1
        for ownership in self._inbox.owned.values():
            ownership.cache.clear()

    async def _told_to_stop(self, within_seconds: float) -> bool:
        try:
            async with asyncio.timeout(within_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _cached_events(self) -> int:
        return sum(ownership.cache.events for ownership in self._inbox.owned.values())

    def _shrink(self) -> None:
        owned = self._inbox.owned.values()
        for ownership in owned:
            ownership.cache.shrink(self._settings.cache_events // len(owned))
