"""A session as a pure function of the set of its events, in a state that does not grow with their number.

Order of arrival, batching and repetition cannot change a row made here. Study time is the sum of the gaps between
neighbouring events of the learner's own doing (*study events*: those of `STUDY_ACTIONS`) that are not longer than
the session gap. Within a span of one gap's length all gaps count, so the earliest and the latest study event of each
span are enough to keep that sum exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events import ACTION_COLUMNS, MAESTRO_SELECTED, STUDY_ACTIONS
from schemas.metrics import OTHER_MAESTROS

MAX_MAESTROS = 200
"""Maestros that a session counts by name; the selections of all further ones are counted as `other`."""

NEVER = -(1 << 63)
"""Before any time: the latest study event of a session that has none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Spans:
    """The times of a session's study events in milliseconds, as the earliest and latest of each span of `gap_ms`.

    There are at most as many spans as fit into the retention, however many events there are.
    """

    __slots__ = ("_firsts", "_gap_ms", "_lasts")

    def __init__(self, gap_ms: int, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._gap_ms = gap_ms
        ordered = sorted(spans)
        self._firsts = [first for first, _ in ordered]
        self._lasts = [last for _, last in ordered]

    def __len__(self) -> int:
        return len(self._firsts)

    @property
    def latest(self) -> int:
        """The latest time; `NEVER` if there is none."""
        return self._lasts[-1] if self._lasts else NEVER

    def study_ms(self) -> int:
        """The sum of the gaps that count."""
        within = sum(self._lasts) - sum(self._firsts)
        between = zip(self._lasts, self._firsts[1:], strict=False)
        return within + sum(self._counted(earlier, later) for earlier, later in between)

    def append(self, at_ms: int) -> None:
        """Adds a time that is not before any other; its gap is counted by the caller."""
        if self._lasts and self._lasts[-1] // self._gap_ms == at_ms // self._gap_ms:
            self._lasts[-1] = at_ms
        else:
            self._firsts.append(at_ms)
            self._lasts.append(at_ms)

    def insert(self, at_ms: int) -> int:
        """Adds a time anywhere; returns by how many milliseconds the study time grows."""
        firsts, lasts, gap_ms = self._firsts, self._lasts, self._gap_ms
        number = at_ms // gap_ms
        index = bisect_right(firsts, at_ms)
        if index and firsts[index - 1] // gap_ms == number:
            index -= 1
        elif index == len(firsts) or firsts[index] // gap_ms != number:
            before, after = self._neighbours(index, index)
            firsts.insert(index, at_ms)
            lasts.insert(index, at_ms)
            joined = 0 if before is None or after is None else self._counted(before, after)
            return self._study(before, at_ms, at_ms, after) - joined
        before, after = self._neighbours(index, index + 1)
        counted = self._study(before, firsts[index], lasts[index], after)
        firsts[index] = min(firsts[index], at_ms)
        lasts[index] = max(lasts[index], at_ms)
        return self._study(before, firsts[index], lasts[index], after) - counted

    def _neighbours(self, index: int, following: int) -> tuple[int | None, int | None]:
        before = self._lasts[index - 1] if index else None
        return before, self._firsts[following] if following < len(self._firsts) else None

    def _study(self, before: int | None, first: int, last: int, after: int | None) -> int:
        left = 0 if before is None else self._counted(before, first)
        right = 0 if after is None else self._counted(last, after)
        return left + last - first + right

    def _counted(self, earlier: int, later: int) -> int:
        gap = later - earlier
        return gap if gap <= self._gap_ms else 0


class Session:
    """The fold of one session. Times are milliseconds since 1970.

    `spans` is `None` for a session that was read back as its row: it can take in study events that are not before its
    latest one, at `last_study_ms`; for an earlier one it must be read back from its events. So must a session whose row
    does not tell `last_study_ms` (`None`), because it was written when every event counted as study.
    `maestros` counts selections by name. Beyond `MAX_MAESTROS` names the first ones by alphabet keep their counts, so
    that the result does not depend on the order of arrival.
    """

    __slots__ = ("counts", "events", "last_ms", "last_study_ms", "maestros", "spans", "started_ms", "study_ms")

    def __init__(self, spans: Spans | None) -> None:
        self.spans = spans
        self.started_ms = 0
        self.last_ms = 0
        self.last_study_ms: int | None = NEVER
        self.study_ms = 0
        self.events = 0
        self.counts: dict[str, int] = {}
        self.maestros: dict[str, int] = {}

    def add(self, at_ms: int, action: str, label: str, gap_ms: int) -> None:
        """Adds an event that is not in the set yet; gaps up to `gap_ms` count as study time."""
        if action in STUDY_ACTIONS:
            self._study(at_ms, gap_ms)
        if not self.events:
            self.started_ms = self.last_ms = at_ms
        elif at_ms > self.last_ms:
            self.last_ms = at_ms
        elif at_ms < self.started_ms:
            self.started_ms = at_ms
        self.events += 1
        column = ACTION_COLUMNS[action]
        self.counts[column] = self.counts.get(column, 0) + 1
        if action == MAESTRO_SELECTED:
            self._count_maestro(label)

    def _study(self, at_ms: int, gap_ms: int) -> None:
        latest, spans = self.last_study_ms, self.spans
        if latest is not None and at_ms >= latest:
            gap = at_ms - latest
            if gap <= gap_ms:
                self.study_ms += gap
            self.last_study_ms = at_ms
            if spans is not None:
                spans.append(at_ms)
        elif spans is not None:
            self.study_ms += spans.insert(at_ms)
        else:
            raise ValueError("an earlier event needs the session's spans")

    def _count_maestro(self, label: str) -> None:
        maestros = self.maestros
        if label in maestros or label == OTHER_MAESTROS or len(maestros.keys() - {OTHER_MAESTROS}) < MAX_MAESTROS:
            maestros[label] = maestros.get(label, 0) + 1
            return
        moved, last = 1, max(maestros.keys() - {OTHER_MAESTROS})
        if label < last:
            moved = maestros.pop(last)
            maestros[label] = 1
        maestros[OTHER_MAESTROS] = maestros.get(OTHER_MAESTROS, 0) + moved

    def row(self, user_id: str, session_id: str, epoch: int) -> dict[str, Any]:
        """The absolute values of `sessions_data`; counters that are 0 are left out. Later events do not change it."""
        return {
            "user_id": user_id,
            "session_id": session_id,
            "epoch": epoch,
            "started_at": _EPOCH + timedelta(milliseconds=self.started_ms),
            "last_event_at": _EPOCH + timedelta(milliseconds=self.last_ms),
            "last_study_at": _EPOCH + timedelta(milliseconds=max(self.last_study_ms or 0, 0)),
            "study_ms": self.study_ms,
            "events": self.events,
            "maestros": dict(self.maestros),
            **self.counts,
        }
