"""The newest snapshot, rendered: written by the refreshers, read by scrapes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from exporter.maestros import MaestroLabels
from exporter.metrics import Exposition, Snapshot
from exporter.queries import Reader
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock, Refresher, read_lifetime, read_windows
from schemas.certificates import clickhouse_certificates, expiries
from schemas.metrics import STATS_REFUSALS, StatsRefusal

NO_REFUSALS: Mapping[StatsRefusal, int] = dict.fromkeys(STATS_REFUSALS, 0)


class StaleError(Exception):
    """There are no numbers young enough to show; the message says why."""


class Board:
    """Keeps two readings fresh and the bytes of a scrape ready.

    The windows are read every `refresh_seconds`. Counting since the beginning reads every session, so at large
    sizes it is done less often (`lifetime_share`), but always before its last result is stale; at small ones both
    are read at the same pace.
    """

    def __init__(
        self, settings: ExporterSettings, clock: Clock, stats_refusals: Mapping[StatsRefusal, int] = NO_REFUSALS
    ) -> None:
        self._stats_refusals = stats_refusals
        self._certificates = clickhouse_certificates(settings)
        # The server reads its certificate when it starts; what the file holds later is not in use.
        own = settings.exporter_tls_cert
        self._own_certificate = expiries({} if own is None else {"exporter_tls": own})
        self._clock = clock
        self._windows_reader = Reader(settings, settings.refresh_timeout_seconds)
        self._lifetime_reader = Reader(settings, settings.lifetime_timeout_seconds)
        self._stale_seconds = settings.stale_seconds
        self._labels = MaestroLabels(settings.max_maestros, settings.maestros)
        self._shown: tuple[Exposition, float] | None = None
        self._ended = False
        self._rendering = asyncio.Lock()
        self.windows = Refresher(
            "windows",
            lambda at: read_windows(self._windows_reader, at),
            self._render,
            clock=clock,
            pause=settings.refresh_seconds,
            stale=settings.stale_seconds,
        )
        self.lifetime = Refresher(
            "lifetime",
            lambda _at: read_lifetime(self._lifetime_reader, self._labels),
            self._render,
            clock=clock,
            pause=settings.refresh_seconds,
            stale=settings.stale_seconds,
            share=settings.lifetime_share,
        )

    def exposition(self) -> Exposition:
        """What a scrape shows. Raises `StaleError` before the first refresh and when the last is too old."""
        if self._shown is None:
            raise StaleError("not ready: ClickHouse has not been read yet")
        exposition, read_at = self._shown
        age = self._clock() - read_at
        if age > self._stale_seconds:
            raise StaleError(f"stale: ClickHouse was last read {age:.0f} s ago")
        return exposition

    def is_stale(self, now: float) -> bool:
        """Whether a part was last read longer ago than metrics may be old; `now` is in seconds since 1970."""
        return max(self.windows.age(now), self.lifetime.age(now)) > self._stale_seconds

    def unhealthy_reason(self) -> str | None:
        """Why a restart of the process may help, or None."""
        if self._ended:
            return "the refreshing has ended"
        return self.windows.unhealthy_reason() or self.lifetime.unhealthy_reason()

    async def refresh(self) -> None:
        """Reads both parts once."""
        await asyncio.gather(self.windows.refresh(), self.lifetime.refresh())

    async def run(self) -> None:
        """Keeps both parts fresh until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.windows.run())
                tasks.create_task(self.lifetime.run())
        finally:
            self._ended = True

    async def close(self) -> None:
        """Cancels the readings in progress and closes the connections."""
        for part in (self.windows, self.lifetime):
            await part.close()
        for reader in (self._windows_reader, self._lifetime_reader):
            await reader.close()

    async def _render(self) -> None:
        # One at a time, each of the newest readings: the last to finish is the newest. In a thread, because a few
        # milliseconds of text would hold up a scrape.
        async with self._rendering:
            windows, lifetime = self.windows.reading, self.lifetime.reading
            if windows is None or lifetime is None:
                return
            snapshot = Snapshot(
                windows=windows,
                lifetime=lifetime,
                maestros=self._labels.bounded(lifetime.value.maestros),
                up=self.windows.healthy and self.lifetime.healthy,
                failures=self.windows.failures + self.lifetime.failures,
                stats_refusals=dict(self._stats_refusals),
                certificates={**expiries(self._certificates), **self._own_certificate},
            )
            exposition = await asyncio.to_thread(Exposition.of, snapshot)
            # The age is that of what is shown: newer readings that cannot be rendered must not make it look fresh.
            self._shown = exposition, min(windows.read_at, lifetime.read_at)
