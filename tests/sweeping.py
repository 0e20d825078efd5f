"""Sweeps until no row of an erased user is left: deletes run in the background of ClickHouse."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from processors.sink import Sink
from processors.sweep import sweep

_MARK_DAYS = 45
_SECONDS = 30.0


def swept(sink: Sink, now: datetime | None = None, mark_days: int = _MARK_DAYS) -> None:
    """Returns when every erasure is swept; raises `TimeoutError` if that takes too long."""
    deadline = time.monotonic() + _SECONDS
    while sweep(sink, now or datetime.now(UTC), mark_days) is not None or sink.texts("left_of_erased"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"rows of erased users are left after {_SECONDS:.0f} s")
        time.sleep(0.02)
