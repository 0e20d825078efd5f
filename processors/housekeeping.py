"""What no flush waits for: closing days, deleting what erasures and late writers left, and counting parts.

In a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ParamSpec, TypeVar

from aiokafka.errors import KafkaError

from processors.clocks import Clocks, ClocksDisagree, agreed_time, read_clocks
from processors.metrics import ProcessorMetrics
from processors.offsets import OffsetReader
from processors.retention import close_next_day, last_closed_day, next_open_day
from processors.retention_topic import RetentionTopic
from processors.settings import ProcessorSettings
from processors.sink import Sink, SinkUnavailable
from processors.sweep import sweep
from schemas.retention import first_kept_day, last_closable_day, start_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_RETRY_SECONDS = 5.0
_CATCH_UP_SECONDS = 10.0
_POLL_SECONDS = 0.5
_PARTS_SECONDS = 60.0
_KEPT = "a closed day takes up disk: ClickHouse does not drop a partition of its size"
_KEPT_REMEDY = "ALTER USER … SETTINGS max_partition_size_to_drop = 0 for the processors' user; see docs/operations.md"


class _Stopped(Exception):
    """`stop` was called, so nothing new is begun."""


@dataclass(slots=True)
class _Job:
    """`every` is in seconds, `due` in monotonic seconds."""

    work: Callable[[], Awaitable[None]]
    every: float
    due: float = 0.0


class Housekeeping:
    """Runs until `stop`. Any number of processors may do this at once, and any of them may die in the middle.

    `clock` gives the wall clock (UTC). A day is closed only if

    - it is out of retention, and was announced to be, by all clocks `GRACE_DAYS` ago (`schemas.retention`,
      `processors.clocks`). Gateways read the announcement at least once a day, or accept nothing;
    - every message that was in Kafka when this was found is committed, in every partition. So whatever was accepted for
      the day is stored and shown before the day is summed up.
    """

    def __init__(
        self, settings: ProcessorSettings, sink: Sink, metrics: ProcessorMetrics, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._sink = sink
        self._retention = RetentionTopic(settings)
        self._offsets = OffsetReader(settings)
        self._metrics = metrics
        self._clock = clock
        self._kept: set[str] = set()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="housekeeping")
        self._changed = asyncio.Event()
        self._stopping = False
        # All at once at the start: whoever died before may have left something.
        self._closing = _Job(self._close_days, settings.retention_check_seconds)
        self._sweeping = _Job(self._sweep, settings.retention_check_seconds)
        self._counting = _Job(self._count_parts, _PARTS_SECONDS)
        self._jobs = (self._closing, self._sweeping, self._counting)

    def erased(self) -> None:
        """An erasure was carried out: there is something to delete, soon and together with others."""
        self._sweeping.due = min(self._sweeping.due, time.monotonic() + self._settings.erasure_sweep_seconds)
        self._changed.set()

    async def run(self) -> None:
        """Does what is due, and waits for the next."""
        while not self._stopping:
            for job in self._jobs:
                if job.due <= time.monotonic() and not self._stopping:
                    await self._do(job)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(job.due for job in self._jobs) - time.monotonic()):
                    await self._changed.wait()

    def stop(self) -> None:
        """Ends `run`. What is under way in ClickHouse goes on there; nobody needs its answer."""
        self._stopping = True
        self._changed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _do(self, job: _Job) -> None:
        job.due = time.monotonic() + job.every
        try:
            await job.work()
        except (SinkUnavailable, KafkaError, OSError, TimeoutError) as error:
            job.due = min(job.due, time.monotonic() + _RETRY_SECONDS)
            log.warning("housekeeping failed", extra={"reason": str(error) or type(error).__name__})
        except _Stopped:
            log.debug("housekeeping stopped")

    async def _sweep(self) -> None:
        oldest = await self._in_thread(sweep, self._sink, self._clock(), self._settings.erasure_mark_days)
        self._metrics.oldest_erasure_to_sweep.set(oldest or 0)
        if oldest is not None:
            self._sweeping.due = time.monotonic() + self._settings.erasure_sweep_seconds

    async def _count_parts(self) -> None:
        self._metrics.show_parts(dict(await self._in_thread(self._sink.texts, "most_parts")))

    async def _close_days(self) -> None:
        clocks = await self._in_thread(read_clocks, self._sink, self._clock())
        try:
            now = agreed_time(clocks)
        except ClocksDisagree as error:
            self._metrics.clocks_disagree.set(1)
            log.error("the clocks disagree, so no day is closed; put them right", extra={"clocks": str(error)})
            return
        self._metrics.clocks_disagree.set(0)
        if now is None:
            return
        closed, closable = await self._days(now)
        may_close = await self._next_open_day(closed, closable) is not None and await self._caught_up()
        await self._close_next_day(closable if may_close else closed, clocks)
        left = await self._next_open_day(closed, closable)
        self._metrics.oldest_day_to_close.set(0 if left is None else start_of(left).timestamp())

    async def _next_open_day(self, closed: date, closable: date) -> date | None:
        return await self._in_thread(next_open_day, self._sink, closable) if closable > closed else None

    async def _days(self, now: datetime) -> tuple[date, date]:
        """The last closed day, and the newest one that may be closed. Announces which days may be closed later."""
        closed = await self._in_thread(last_closed_day, self._sink)
        retention = await self._retention.read()
        if retention is None:
            log.error("no retention is in force, so no day is closed; run `convergio migrate`")
            return closed, closed
        keep_from = max(first_kept_day(now, retention.days), closed + timedelta(days=1))
        if keep_from > retention.keep_from:
            await self._retention.announce(keep_from)
            log.info("events are kept from", extra={"day": keep_from.isoformat(), "days": retention.days})
        return closed, last_closable_day(now, retention)

    async def _caught_up(self) -> bool:
        """Whether all that is in Kafka now is committed, which is waited for, for a while."""
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                found = await self._offsets.read_all()
                progress = found
                while any(seen.committed < found[partition].end for partition, seen in progress.items()):
                    await asyncio.sleep(_POLL_SECONDS)
                    progress = await self._offsets.read_all()
        except TimeoutError:
            log.warning("days are closed later: not everything in Kafka is processed yet")
            return False
        finally:
            await self._offsets.close()
        return True

    async def _close_next_day(self, limit: date, clocks: Clocks) -> None:
        kept: dict[str, str] = {}
        day = await self._in_thread(close_next_day, self._sink, limit, kept.__setitem__)
        if day is not None:
            log.info("day closed", extra={"day": day, "clocks": str(clocks)})
        for each in sorted(kept.keys() - self._kept):
            log.error(_KEPT, extra={"day": each, "remedy": _KEPT_REMEDY, "reason": kept[each]})
        self._kept = set(kept)
        self._metrics.kept_days.set(len(kept))

    async def _in_thread(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        if self._stopping:
            raise _Stopped
        try:
            return await asyncio.wrap_future(self._thread.submit(work, *arguments, **options))
        except asyncio.CancelledError:
            if self._stopping:
                raise _Stopped from None
            raise
