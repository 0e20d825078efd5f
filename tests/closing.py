"""Closes every day that can be closed: processors close one at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from processors.retention import close_next_day
from processors.sink import Sink


def close_days(
    sink: Sink, now: datetime, retention_days: int, kept: Callable[[str, str], None] = lambda day, reason: None
) -> list[str]:
    """Returns the days that were closed, in order."""
    closed: list[str] = []
    while (day := close_next_day(sink, now, retention_days, kept)) is not None:
        closed.append(day)
    return closed
