"""What the time is, by more than one clock: what cannot be undone must not rest on a single one.

A processor's own clock, ClickHouse's, and the gateways', as far as the newest stored event shows. Pure but for
`read_clocks`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from processors.sink import Sink

TOLERANCE = timedelta(hours=1)
"""Clocks that differ by more disagree."""
BEYOND_NEWEST = timedelta(days=1)
"""So much time may be thought to have passed since the newest event: less than the grace of closing days."""


class ClocksDisagree(Exception):
    """Nobody knows what the time is; the message gives the readings."""


class Clocks(NamedTuple):
    """Readings of one moment, UTC.

    `newest_event` is when a gateway received the newest event, if there is one. Events from the future are left out: a
    gateway whose clock was ahead for a while says nothing about the time.
    """

    own: datetime
    clickhouse: datetime
    newest_event: datetime | None

    def __str__(self) -> str:
        newest = "none" if self.newest_event is None else f"{self.newest_event:%Y-%m-%d %H:%M:%S}"
        return (
            f"this processor's clock says {self.own:%Y-%m-%d %H:%M:%S}, ClickHouse's "
            f"{self.clickhouse:%Y-%m-%d %H:%M:%S}, newest event received {newest} (UTC)"
        )


def read_clocks(sink: Sink, own: datetime) -> Clocks:
    """Reads ClickHouse's clock and the newest event beside a processor's own clock. Raises `SinkUnavailable`."""
    ((clickhouse_ms, newest_ms),) = sink.texts("clocks")
    return Clocks(own, _time(int(clickhouse_ms)), _time(int(newest_ms)) if int(newest_ms) else None)


def agreed_time(clocks: Clocks) -> datetime | None:
    """The earliest time that all clocks agree to have passed; `None` where there are no events.

    It is at most a day after the newest event: without events no gateway confirms the time, and all other clocks may be
    those of one machine. Raises `ClocksDisagree`.
    """
    if clocks.newest_event is None:
        return None
    earliest = min(clocks.own, clocks.clickhouse)
    if abs(clocks.own - clocks.clickhouse) > TOLERANCE:
        raise ClocksDisagree(str(clocks))
    return min(earliest, clocks.newest_event + BEYOND_NEWEST)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
