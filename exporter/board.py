"""The newest snapshot, rendered: written by the refreshers, read by scrapes."""

from __future__ import annotations

import asyncio

from exporter.maestros import MaestroLabels
from exporter.metrics import Exposition, Snapshot
from exporter.queries import Reader
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock, Refresher, read_lifetime, read_windows


class StaleError(Exception):
    """There are no numbers young enough to show; the message says why."""


class Board:
    """Keeps two readings fresh and the bytes of a scrape ready.

    The windows are read every `refresh_seconds`. Counting since the beginning reads every session, so at large
    sizes it is done less often (`lifetime_share`), but always before its last result is stale; at small ones both
    are read at the same pace.
    """

    def __init__(self, settings: ExporterSettings, clock: Clock) -> None:
        self._clock = clock
        self._windows_reader = Reader(settings, settings.refresh_timeout_seconds)
        self._lifetime_reader = Reader(settings, settings.lifetime_timeout_seconds)
        self._stale_seconds = settings.stale_seconds
        self._labels = MaestroLabels(settings.max_maestros)
        self._exposition: Exposition | None = None
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
            lambda at: read_lifetime(self._lifetime_reader, at),
            self._render,
            clock=clock,
            pause=settings.refresh_seconds,
            stale=settings.stale_seconds,
            share=settings.lifetime_share,
        )

    def exposition(self) -> Exposition:
        """What a scrape shows. Raises `StaleError` before the first refresh and when the last is too old."""
        if self._exposition is None:
            raise StaleError("not ready: ClickHouse has not been read yet")
        age = max(part.age(self._clock()) for part in (self.windows, self.lifetime))
        if age > self._stale_seconds:
            raise StaleError(f"stale: ClickHouse was last read {age:.0f} s ago")
        return self._exposition

    async def refresh(self) -> None:
        """Reads both parts once."""
        await asyncio.gather(self.windows.refresh(), self.lifetime.refresh())

    async def run(self) -> None:
        """Keeps both parts fresh until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.windows.run())
            tasks.create_task(self.lifetime.run())

    async def close(self) -> None:
        """Gives up the readings under way and closes the connections."""
        for part in (self.windows, self.lifetime):
            await part.close()
        for reader in (self._windows_reader, self._lifetime_reader):
            await reader.close()

    async def _render(self) -> None:
        # One at a time, each of the newest readings: the last to finish is the newest. In a thread, because a few
        # milliseconds of text would hold up a scrape.
        async with self._rendering:
            if self.windows.reading is None or self.lifetime.reading is None:
                return
            snapshot = Snapshot(
                windows=self.windows.reading,
                lifetime=self.lifetime.reading,
                maestros=self._labels.bounded(self.lifetime.reading.value.maestros),
                up=self.windows.healthy and self.lifetime.healthy,
                failures=self.windows.failures + self.lifetime.failures,
            )
            self._exposition = await asyncio.to_thread(Exposition.of, snapshot)
