"""What no flush waits for: closing days, and deleting what erasures and late writers left. In a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from processors.clocks import ClocksDisagree, agreed_time, read_clocks
from processors.metrics import ProcessorMetrics
from processors.retention import close_next_day
from processors.settings import ProcessorSettings
from processors.sink import Sink, SinkUnavailable
from processors.sweep import sweep

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
_KEPT = "a closed day takes up disk: ClickHouse does not drop a partition of its size"
_KEPT_REMEDY = "ALTER USER … SETTINGS max_partition_size_to_drop = 0 for the processors' user; see docs/operations.md"


@dataclass(slots=True)
class _Job:
    """`due` is in monotonic seconds."""

    work: Callable[[], None]
    due: float = 0.0


class Housekeeping:
    """Runs until `stop`. Any number of processors may do this at once, and any of them may die in the middle.

    `clock` gives the wall clock (UTC).
    """

    def __init__(
        self, settings: ProcessorSettings, sink: Sink, metrics: ProcessorMetrics, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._kept: set[str] = set()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="housekeeping")
        self._changed = asyncio.Event()
        self._stopping = False
        # Both at once at the start: whoever died before may have left something.
        self._closing = _Job(self._close_days)
        self._sweeping = _Job(self._sweep)

    def erased(self) -> None:
        """An erasure was carried out: there is something to delete, soon and together with others."""
        self._sweeping.due = min(self._sweeping.due, time.monotonic() + self._settings.erasure_sweep_seconds)
        self._changed.set()

    async def run(self) -> None:
        """Does what is due, and waits for the next."""
        while not self._stopping:
            for job in (self._closing, self._sweeping):
                if job.due <= time.monotonic() and not self._stopping:
                    await self._do(job)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._closing.due, self._sweeping.due) - time.monotonic()):
                    await self._changed.wait()

    def stop(self) -> None:
        """Ends `run`. What is under way in ClickHouse goes on there; nobody needs its answer."""
        self._stopping = True
        self._changed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _do(self, job: _Job) -> None:
        job.due = time.monotonic() + self._settings.retention_check_seconds
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, job.work)
        except SinkUnavailable as error:
            job.due = min(job.due, time.monotonic() + _RETRY_SECONDS)
            log.warning("housekeeping failed", extra={"reason": str(error)})

    def _sweep(self) -> None:
        oldest = sweep(self._sink, self._clock(), self._settings.erasure_mark_days)
        self._metrics.oldest_erasure_to_sweep.set(oldest or 0)
        if oldest is not None:
            self._sweeping.due = time.monotonic() + self._settings.erasure_sweep_seconds

    def _close_days(self) -> None:
        clocks = read_clocks(self._sink, self._clock())
        try:
            now = agreed_time(clocks)
        except ClocksDisagree as error:
            self._metrics.clocks_disagree.set(1)
            log.error("the clocks disagree, so no day is closed; put them right", extra={"clocks": str(error)})
            return
        self._metrics.clocks_disagree.set(0)
        if now is None:
            return
        kept: dict[str, str] = {}
        day = close_next_day(self._sink, now, self._settings.retention_days, kept.__setitem__)
        if day is not None:
            log.info("day closed", extra={"day": day, "clocks": str(clocks)})
        for each in sorted(kept.keys() - self._kept):
            log.error(_KEPT, extra={"day": each, "remedy": _KEPT_REMEDY, "reason": kept[each]})
        self._kept = set(kept)
        self._metrics.kept_days.set(len(kept))
