"""The flush loop: takes messages, runs their plan in threads, moves the watermarks. It never drops a message.

A plan's steps run in order. The next block of events is prepared while the one before is written, also across
flushes. Any failure is handled in one way: wait for what is still running, drop the caches of the partitions concerned,
and run the remaining steps again from what is stored. While ClickHouse or Kafka is away that repeats with a growing
delay; the full buffer holds the consumer back, and no watermark moves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from processors.buffer import Batch, MessageBuffer
from processors.cache import UserCache
from processors.dead_letters import DeadLetter, DeadLetterLimit, SetAsideFailed, TooManyDeadLetters
from processors.erasure import ErasureTooOld
from processors.flush import Flusher, FlushReport, FoldFailed, Prepared
from processors.health import Health
from processors.metrics import ProcessorMetrics
from processors.plan import Erase, Plan, Store, plan
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, SinkUnavailable
from processors.steps import Step, passed

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
_FAILURES = (SinkUnavailable, SetAsideFailed, TooManyDeadLetters, RowsRefused, FoldFailed)


@dataclass(slots=True)
class _Flush:
    """A batch under way. `begun` of the plan's steps are prepared or done; done ones leave the plan."""

    batch: Batch
    started: float
    report: FlushReport
    plan: Plan | None = None
    begun: int = 0
    finished: bool = False

    @property
    def caches(self) -> dict[int, UserCache]:
        return {ownership.partition: ownership.cache for ownership in self.batch.ends}

    def start_over(self) -> None:
        """Forgets what was prepared, and what belongs to partitions that were revoked."""
        self.begun = 0
        revoked = [ownership for ownership in self.batch.ends if ownership.revoked]
        for ownership in revoked:
            del self.batch.ends[ownership]
        if self.plan is not None:
            self.plan.leave_out(ownership.partition for ownership in revoked)
        for ownership in self.batch.ends:
            ownership.cache.clear()


class FlushLoop:
    """Runs until `stop`.

    `erased` is called when erasures were carried out. `set_aside` writes dead letters to Kafka, blocks until they are
    acknowledged and raises `SetAsideFailed` if they are not. `clock` gives monotonic seconds. `executor` needs two
    threads.
    """

    def __init__(
        self,
        settings: ProcessorSettings,
        buffer: MessageBuffer,
        flusher: Flusher,
        set_aside: Callable[[Sequence[DeadLetter]], None],
        health: Health,
        metrics: ProcessorMetrics,
        erased: Callable[[], None],
        clock: Callable[[], float],
        executor: Executor | None = None,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._flusher = flusher
        self._set_aside = set_aside
        self._health = health
        self._metrics = metrics
        self._erased = erased
        self._clock = clock
        self._executor = executor or ThreadPoolExecutor(max_workers=2, thread_name_prefix="flush")
        self._limit = DeadLetterLimit(
            settings.dead_letter_share, settings.dead_letter_window, settings.dead_letter_allowance
        )
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._flushes: list[_Flush] = []
        self._written: Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def in_flight_since(self) -> float | None:
        """When the oldest message that is being flushed came (monotonic seconds); `None` if there is none."""
        return self._flushes[0].batch.arrived if self._flushes else None

    async def run(self) -> None:
        """Flushes until stopped and the buffer is empty, or until stopped and a flush fails."""
        try:
            while not (self._stopping.is_set() and self._buffer.oldest is None and not self._flushes):
                if not self._flushes:
                    self._health.going()
                batch = await self._next()
                if batch is not None:
                    passed(Step.TAKEN)
                    self._flushes.append(_Flush(batch, self._clock(), FlushReport(len(batch.messages))))
                if not await self._advance():
                    return
        finally:
            self._ended.set()

    async def stop(self, grace_seconds: float) -> bool:
        """Flushes what was read and ends the loop; returns whether that was done within the grace."""
        self._stopping.set()
        self._buffer.close()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        self._executor.shutdown(wait=False)
        return True

    async def _next(self) -> Batch | None:
        """The next messages; `None` when the write under way has ended first. An idle loop still beats."""
        take = asyncio.ensure_future(self._buffer.take())
        try:
            while True:
                waiting = {take} if self._writing is None else {take, self._writing}
                done, _ = await asyncio.wait(
                    waiting,
                    timeout=self._settings.heartbeat_seconds / 4,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if take in done:
                    return take.result()
                if done:
                    return None
                if self._writing is None:
                    self._health.going()
        finally:
            take.cancel()

    async def _advance(self) -> bool:
        """Brings every flush to where only its last write may be under way; `False` if told to stop before that.

        After a failure it returns only when everything is written.
        """
        failures = 0
        retry_seconds = _FIRST_RETRY_SECONDS
        while True:
            try:
                if self._writing is not None and (self._writing.done() or self._stopping.is_set()):
                    await self._settle()
                for flush in list(self._flushes):
                    await self._run(flush)
                if failures:
                    await self._settle()
                return True
            except _FAILURES as error:
                failures += 1
                await self._start_over()
                if isinstance(error, RowsRefused | FoldFailed):
                    continue
                if isinstance(error, TooManyDeadLetters):
                    retry_seconds = _LAST_RETRY_SECONDS
                self._report_failure(error, retry_seconds)
            if self._flushes and await self._told_to_stop(retry_seconds):
                return False
            retry_seconds = min(retry_seconds * 2, _LAST_RETRY_SECONDS)

    async def _run(self, flush: _Flush) -> None:
        """Runs the steps that have not begun; the write of the last block goes on when it returns."""
        if flush.plan is None:
            flush.plan = await self._thread(plan, flush.batch.messages)
        while flush.begun < len(flush.plan.steps):
            step = flush.plan.steps[flush.begun]
            if isinstance(step, Erase):
                await self._settle()
                try:
                    await self._thread(self._flusher.erase, step, flush.caches)
                except ErasureTooOld as error:
                    flush.plan.refuse(step, str(error))
                    continue
                flush.plan.steps.remove(step)
                flush.report.erasures += 1
            else:
                prepared = await self._prepare(flush, step)
                await self._settle()
                flush.begun += 1
                self._written = self._executor.submit(self._flusher.write, prepared)
                self._writing = asyncio.create_task(self._write(flush, step, prepared, self._written))
        if not flush.plan.steps:
            await self._settle()
            if not flush.finished:
                await self._finish(flush)

    async def _prepare(self, flush: _Flush, step: Store) -> Prepared:
        written = self._written
        try:
            return await self._thread(
                self._flusher.prepare,
                step,
                flush.caches,
                len(self._buffer.ownerships),
                lambda: None if written is None else written.result(),
            )
        except FoldFailed as error:
            assert flush.plan is not None
            flush.plan.refuse(step, str(error))
            raise

    async def _write(self, flush: _Flush, step: Store, prepared: Prepared, written: Future[None]) -> None:
        assert flush.plan is not None
        try:
            await asyncio.wrap_future(written)
        except RowsRefused as error:
            flush.plan.refuse(step, str(error))
            raise
        flush.report.count(prepared)
        flush.plan.steps.remove(step)
        flush.begun -= 1
        if not flush.plan.steps:
            await self._finish(flush)

    async def _settle(self) -> None:
        """Waits until the block before is written, and raises if it could not be."""
        if self._writing is not None:
            await self._writing
            self._writing = self._written = None

    async def _finish(self, flush: _Flush) -> None:
        """Sets poison aside and moves the watermarks."""
        assert flush.plan is not None
        letters = flush.plan.letters
        self._limit.check(flush.report.messages, len(letters))
        if letters:
            await self._thread(self._set_aside, letters)
        self._limit.note(flush.report.messages, len(letters))
        passed(Step.SET_ASIDE)
        flush.report.dead_letters = letters
        flush.finished = True
        self._flushes.remove(flush)
        for ownership, ends in flush.batch.ends.items():
            ownership.store(ends)
        passed(Step.ACKNOWLEDGED)
        self._report(flush)

    async def _start_over(self) -> None:
        """After a failure: lets the write under way end, then forgets everything that is not stored."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = self._written = None
        for flush in self._flushes:
            flush.start_over()
        self._flushes = [flush for flush in self._flushes if flush.batch.ends]

    def _report(self, flush: _Flush) -> None:
        self._health.going()
        self._metrics.flushed(flush.report, self._clock() - flush.started)
        self._metrics.cached_events.set(sum(owned.cache.weight for owned in self._buffer.ownerships.values()))
        for letter in flush.report.dead_letters:
            message = letter.message
            log.error(
                "dead letter",
                extra={"partition": message.partition, "offset": message.offset, "reason": letter.kind},
            )
        if flush.report.erasures:
            self._erased()

    def _report_failure(self, error: Exception, retry_seconds: float) -> None:
        messages = sum(len(flush.batch.messages) for flush in self._flushes)
        if isinstance(error, TooManyDeadLetters):
            self._health.waiting(str(error))
            log.error("halted", extra={"messages": messages, "reason": str(error)})
            return
        self._metrics.flush_failures.inc()
        self._health.waiting(f"a flush is tried again: {error}")
        log.warning("flush failed", extra={"messages": messages, "retry_seconds": retry_seconds, "reason": str(error)})

    async def _thread(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        return await asyncio.wrap_future(self._executor.submit(work, *arguments, **options))

    async def _told_to_stop(self, within_seconds: float) -> bool:
        try:
            async with asyncio.timeout(within_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
