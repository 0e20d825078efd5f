"""What the metrics are made of: values read from ClickHouse in the background, immutable once read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.maestros import MaestroLabels
from exporter.queries import Reader, ReadError, integer, maestro_counts
from schemas.events import ACTION_COLUMNS

Clock = Callable[[], float]
"""Seconds since 1970. One clock serves as the moment t of the windows, for ages and for durations."""

T = TypeVar("T")

FRESH_SHARE = 3 / 4
"""Share of `stale_seconds` within which the next reading arrives, if it takes as long as the last one."""

SILENT_FACTOR = 3
"""How many times `stale_seconds` may pass without the end of a reading. Two queries, each shorter than it, and the
pause between readings fit in."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Windows:
    """The rolling windows at one moment, by period, and how fresh the events are (seconds since 1970, or 0)."""

    users: Mapping[str, int]
    sessions: Mapping[str, int]
    study_ms: Mapping[str, int]
    newest_event: float
    newest_received: float


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Everything counted since the beginning; `actions` by action, `maestros` by maestro and bounded."""

    sessions: int
    study_ms: int
    actions: Mapping[str, int]
    maestros: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value, when its reading began (seconds since 1970) and how many seconds it took."""

    value: T
    read_at: float
    seconds: float


async def read_windows(reader: Reader, at: float) -> Windows:
    """The windows that end at `at`, in seconds since 1970. Raises `ReadError`."""
    row = await reader.row("windows", {"at_ms": int(at * 1000)})
    newest = await reader.row("freshness")
    return Windows(
        users={period: integer(row, f"users_{period}") for period in ("1h", "24h", "7d")},
        sessions={period: integer(row, f"sessions_{period}") for period in ("1h", "24h", "7d")},
        study_ms={period: integer(row, f"study_ms_{period}") for period in ("1h", "24h", "7d")},
        newest_event=integer(newest, "occurred_ms") / 1000,
        newest_received=integer(newest, "received_ms") / 1000,
    )


async def read_lifetime(reader: Reader, labels: MaestroLabels) -> Lifetime:
    """The sums since the beginning, as of now; no more maestros than `labels` has places. Raises `ReadError`."""
    row = await reader.row("lifetime")
    maestros = await reader.row(
        "lifetime_maestros", {"admitted": labels.admitted, "full": labels.full, "limit": labels.limit}
    )
    return Lifetime(
        sessions=integer(row, "sessions"),
        study_ms=integer(row, "study_ms"),
        actions={action: integer(row, column) for action, column in ACTION_COLUMNS.items()},
        maestros=maestro_counts(maestros),
    )


class Refresher(Generic[T]):
    """Reads one value again and again, one reading at a time; keeps the last good one through failures of any kind.

    It pauses `pause` seconds between readings, and longer if readings are so slow that they would take more than
    `share` of the time; never so long that a value would come near the age of `stale` seconds. `changed` is awaited
    after every attempt, good or failed.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[float], Awaitable[T]],
        changed: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        pause: float,
        stale: float,
        share: float = 1.0,
    ) -> None:
        self.name = name
        self.reading: Reading[T] | None = None
        self.failures = 0
        self.healthy = False
        self._read = read
        self._changed = changed
        self._clock = clock
        self._pause = pause
        self._share = share
        self._stale = stale
        self._seconds_before = 0.0
        self._running: asyncio.Task[None] | None = None
        self._ended_at = clock()
        self._attempts = (0.0, 0.0)
        self._fault: str | None = None
        self._closing = False

    def begin(self) -> asyncio.Task[None]:
        """Begins a reading unless one is in progress, and returns it. Failures are counted, not raised."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._attempt())
        return self._running

    async def refresh(self) -> None:
        """Reads once; joins the reading in progress if there is one. Failures are counted, not raised."""
        # Unlike awaiting the task, this raises only the cancellation of the caller.
        await asyncio.wait({self.begin()})

    def is_due(self) -> bool:
        """Whether a reading that is begun on demand may begin. True until the first attempt ends.

        After that once the pause is over, in which failed attempts count like good ones: those that time out take most.
        At once if the clock was set back.
        """
        if self.reading is None and not self.failures:
            return True
        usual, since = min(self._attempts), self._clock() - self._ended_at
        return since < 0 or since >= max(self.pause(), usual / self._share - usual)

    async def run(self) -> None:
        """Refreshes until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self.pause())

    def pause(self) -> float:
        """How many seconds to wait from now until the next reading."""
        if self.reading is None:
            return self._pause
        # One slow answer tells of the network; two in a row tell of the table.
        usual = min(self.reading.seconds, self._seconds_before)
        earned = usual / self._share - usual
        allowed = FRESH_SHARE * self._stale - self.reading.seconds - self.age(self._clock())
        return max(self._pause, min(earned, allowed))

    def age(self, now: float) -> float:
        """Seconds since the reading of the value began; infinite before the first."""
        return float("inf") if self.reading is None else now - self.reading.read_at

    def unhealthy_reason(self) -> str | None:
        """Why a restart of the process may help, or None. It does not help while ClickHouse is away."""
        if self._fault is not None:
            return f"the last reading of the {self.name} failed with {self._fault}"
        silent = self._clock() - self._ended_at
        if silent > SILENT_FACTOR * self._stale:
            return f"{self.name}: no reading has ended for {silent:.0f} s"
        return None

    async def close(self) -> None:
        """Cancels the reading in progress."""
        self._closing = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _attempt(self) -> None:
        began = self._clock()
        read_fault = await self._caught(self._read_once())
        show_fault = await self._caught(self._changed())
        self._fault = read_fault or show_fault
        self._ended_at = self._clock()
        self._attempts = self._attempts[1], self._ended_at - began

    async def _read_once(self) -> None:
        began = self._clock()
        try:
            value = await self._read(began)
        except ReadError as error:
            if self.healthy or not self.failures:
                log.warning("refresh failed", extra={"part": self.name, "reason": str(error)})
            self._failed()
            return
        if self.failures and not self.healthy:
            log.info("refresh works again", extra={"part": self.name})
        self._seconds_before = self.reading.seconds if self.reading else 0.0
        self.reading = Reading(value, began, self._clock() - began)
        self.healthy = True

    async def _caught(self, step: Awaitable[None]) -> str | None:
        """Awaits one step of an attempt; returns the kind of an unexpected failure."""
        try:
            await step
        except (Exception, asyncio.CancelledError) as error:
            if self._closing:
                raise
            log.exception("refresh failed unexpectedly", extra={"part": self.name})
            self._failed()
            return type(error).__name__
        return None

    def _failed(self) -> None:
        self.failures += 1
        self.healthy = False
