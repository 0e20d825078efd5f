"""The overview's own numbers: read while somebody looks, and never more often than the share of time they may take."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Final

from exporter.overview import Comparison, Pair, StudyDay, Today, comparison
from exporter.queries import Reader, ReadError, integer
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock, Reading, Refresher
from exporter.stats import time_zone
from schemas.events import FEATURES
from schemas.retention import NO_DAY

TOP_MAESTROS: Final = 5
PATIENCE_SECONDS: Final = 2.0
"""How long a request waits for a newer reading while there is one to show that is not stale."""


class OverviewReader:
    """Keeps the newest reading; all who look share it, and it is at most one query at a time.

    Unlike the metrics it is not read in the background: where nobody looks it costs nothing. It pauses as counting
    since the beginning does (`refresh_seconds`, `lifetime_share`), however many look.
    """

    def __init__(self, settings: ExporterSettings, clock: Clock) -> None:
        self._reader = Reader(settings, settings.stats_timeout_seconds)
        self._timeout = settings.stats_timeout_seconds
        self._zone = time_zone(settings.overview_time_zone)
        self._stale_seconds = settings.stale_seconds
        self._clock = clock
        self._today = Refresher(
            "overview",
            self._read,
            _nothing,
            clock=clock,
            pause=settings.refresh_seconds,
            stale=float("inf"),  # only the share decides about pauses
            share=settings.lifetime_share,
        )

    async def newest(self) -> Reading[Today] | None:
        """The newest reading, begun anew if one is due; None if ClickHouse has not been read yet and cannot be."""
        if self._today.is_due():
            timeout = None if self.is_stale(self._clock()) else PATIENCE_SECONDS
            await asyncio.wait({self._today.begin()}, timeout=timeout)
        return self._today.reading

    @property
    def healthy(self) -> bool:
        """Whether the last reading succeeded."""
        return self._today.healthy

    @property
    def failures(self) -> int:
        """Readings that failed since the start."""
        return self._today.failures

    def is_stale(self, now: float) -> bool:
        """Whether the newest reading is older than its pauses explain, or there is none.

        `now` is in seconds since 1970.
        """
        return self._today.age(now) > self._stale_seconds + self._today.pause()

    async def close(self) -> None:
        """Cancels the reading in progress and closes the connections."""
        await self._today.close()
        await self._reader.close()

    async def _read(self, at: float) -> Today:
        compared = comparison(at, self._zone)
        try:
            async with asyncio.timeout(self._timeout):
                return await read_today(self._reader, compared)
        except TimeoutError as error:
            raise ReadError(f"the overview took longer than {self._timeout:g} s") from error


async def read_today(reader: Reader, compared: Comparison) -> Today:
    """The numbers of a comparison. Raises `ReadError`."""
    moments = {
        "at_ms": compared.at,
        "today_ms": compared.today,
        "yesterday_ms": compared.yesterday,
        "until_ms": compared.until,
    }
    events = await reader.row("overview_events", moments)
    maestros = await reader.rows("overview_maestros", {**moments, "limit": TOP_MAESTROS})
    days_ms = list(compared.week.bounds_ms[:-1])
    rows = await reader.rows("overview_study", {"days_ms": days_ms, "at_ms": compared.at, "until_ms": compared.until})
    upkeep = await reader.row("overview_upkeep")
    days = compared.week.days
    studied = {
        days[integer(row, "day") - 1]: StudyDay(
            integer(row, "sessions"), integer(row, "studied_ms"), integer(row, "studied_until_ms")
        )
        for row in rows
    }
    week = {day: studied.get(day, StudyDay()) for day in days}
    unswept, closed_day = integer(upkeep, "unswept"), date.fromisoformat(str(upkeep["closed_day"]))
    return Today(
        compared=compared,
        users_before={period: integer(events, f"users_{period}") for period in ("1h", "24h")},
        study_ms=Pair(week[days[-1]].study_ms, week[days[-2]].study_ms_until),
        week=week,
        features={
            feature: Pair(integer(events, f"{feature}_today"), integer(events, f"{feature}_yesterday"))
            for feature in FEATURES
        },
        maestros={str(row["maestro"]): Pair(integer(row, "today"), integer(row, "yesterday")) for row in maestros},
        unswept=unswept,
        oldest_unswept=integer(upkeep, "oldest_ms") / 1000 if unswept else None,
        closed_day=None if closed_day == NO_DAY else closed_day,
    )


async def _nothing() -> None:
    """A reading is shown as it is."""
