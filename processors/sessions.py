"""A session as a pure function of the set of its events.

Order of arrival, batching and repetition cannot change a row made here: times are kept sorted, study time is
kept equal to the sum of the gaps between neighbours that are not longer than the session gap.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events import ACTION_COLUMNS, MAESTRO_SELECTED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Session:
    """The fold of one session. Times are milliseconds since 1970."""

    __slots__ = ("counts", "maestros", "study_ms", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.study_ms = 0
        self.counts: dict[str, int] = {}
        self.maestros: dict[str, int] = {}

    def add(self, at_ms: int, action: str, label: str, gap_ms: int) -> None:
        """Adds an event that is not in the set yet; gaps up to `gap_ms` count as study time."""
        times = self.times
        if not times:
            times.append(at_ms)
        elif at_ms >= times[-1]:
            gap = at_ms - times[-1]
            if gap <= gap_ms:
                self.study_ms += gap
            times.append(at_ms)
        else:
            self._insert(at_ms, gap_ms)
        column = ACTION_COLUMNS[action]
        self.counts[column] = self.counts.get(column, 0) + 1
        if action == MAESTRO_SELECTED:
            self.maestros[label] = self.maestros.get(label, 0) + 1

    def _insert(self, at_ms: int, gap_ms: int) -> None:
        """A late event: the gap it falls into becomes two."""
        times = self.times
        place = bisect_left(times, at_ms)
        after = times[place] - at_ms
        if after <= gap_ms:
            self.study_ms += after
        if place:
            before = at_ms - times[place - 1]
            if before <= gap_ms:
                self.study_ms += before
            if before + after <= gap_ms:
                self.study_ms -= before + after
        times.insert(place, at_ms)

    def row(self, user_id: str, session_id: str, epoch: int) -> dict[str, Any]:
        """The absolute values of `sessions_data`; counters that are 0 are left out. Later events do not change it."""
        return {
            "user_id": user_id,
            "session_id": session_id,
            "epoch": epoch,
            "started_at": _EPOCH + timedelta(milliseconds=self.times[0]),
            "last_event_at": _EPOCH + timedelta(milliseconds=self.times[-1]),
            "study_ms": self.study_ms,
            "events": len(self.times),
            "maestros": dict(self.maestros),
            **self.counts,
        }
