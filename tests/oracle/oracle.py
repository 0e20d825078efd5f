"""Sets, sorting and sums over the accepted lines of a ledger."""

from __future__ import annotations

import calendar
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

GAP_MS = 5 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
PERIODS = {"1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS}
FEATURES = {"flashcards": "flashcard_review", "quizzes": "quiz_complete", "mind_maps": "mind_map_view"}
SHOWN_ACTIONS = ("page_view", "message_sent", "flashcard_review", "quiz_complete", "mind_map_view")

_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")


@dataclass(frozen=True)
class Event:
    """One accepted event; `at_ms` counts milliseconds since 1970."""

    user: str
    event: str
    session: str
    at_ms: int
    category: str
    action: str
    label: str
    value: float


@dataclass(frozen=True)
class Session:
    """All events of one session of one user."""

    user: str
    session: str
    started_ms: int
    ended_ms: int
    study_ms: int
    actions: Counter[str]

    @property
    def events(self) -> int:
        return self.actions.total()


def read_ledger(file: Path) -> list[dict[str, str]]:
    """Every line of a ledger."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def milliseconds(text: str) -> int:
    """`2026-05-04T09:30:00.250Z` as milliseconds since 1970."""
    found = _INSTANT.fullmatch(text)
    assert found, text
    *whole, thousandths = (int(part) for part in found.groups())
    return calendar.timegm((*whole, 0, 0, 0)) * 1000 + thousandths


class Oracle:
    """The truth about the accepted lines of a ledger, without those of `erased` users."""

    def __init__(self, lines: Iterable[dict[str, str]], erased: Iterable[str] = ()) -> None:
        gone = set(erased)
        self.deliveries = 0
        unique: dict[tuple[str, str], Event] = {}
        for line in lines:
            if line["answer"] != "accepted":
                continue
            self.deliveries += 1
            key = (line["user"], line["event"])
            if key in unique or line["user"] in gone:
                continue
            unique[key] = Event(
                user=line["user"],
                event=line["event"],
                session=line["session"],
                at_ms=milliseconds(line["occurred_at"]),
                category=line["category"],
                action=line["action"],
                label=line.get("label", ""),
                value=float(line.get("value", 0)),
            )
        self.events = list(unique.values())
        self.sessions = self._sessions()

    def _sessions(self) -> dict[tuple[str, str], Session]:
        grouped: dict[tuple[str, str], list[Event]] = {}
        for event in self.events:
            grouped.setdefault((event.user, event.session), []).append(event)
        sessions = {}
        for key, events in grouped.items():
            times = sorted(event.at_ms for event in events)
            study_times = sorted(event.at_ms for event in events if event.category not in ("error", "performance"))
            study = 0
            for earlier, later in pairwise(study_times):
                if later - earlier <= GAP_MS:
                    study += later - earlier
            actions = Counter(event.action for event in events)
            sessions[key] = Session(*key, times[0], times[-1], study, actions)
        return sessions

    def event_rows(self) -> list[tuple[object, ...]]:
        """Every event: user, event, session, time, category, action, label, value; sorted."""
        return sorted(
            (
                *(event.user, event.event, event.session, event.at_ms),
                *(event.category, event.action, event.label, event.value),
            )
            for event in self.events
        )

    def session_rows(self) -> list[tuple[object, ...]]:
        """Every session: user, session, start, end, study time, events, and the counts people see; sorted."""
        return sorted(
            (
                *(session.user, session.session, session.started_ms, session.ended_ms, session.study_ms),
                *(session.events, *(session.actions[action] for action in SHOWN_ACTIONS)),
            )
            for session in self.sessions.values()
        )

    def active_users(self, at_ms: int, period_ms: int) -> int:
        """Users with an event in (t - p, t]."""
        return len({event.user for event in self.events if at_ms - period_ms < event.at_ms <= at_ms})

    def started(self, at_ms: int, period_ms: int) -> list[Session]:
        """Sessions that started in (t - p, t]."""
        return [session for session in self.sessions.values() if at_ms - period_ms < session.started_ms <= at_ms]

    def windows(self, at_ms: int) -> dict[tuple[str, str], float]:
        """Every rolling window at a moment, by (metric, period)."""
        found: dict[tuple[str, str], float] = {}
        for period, length in PERIODS.items():
            started = self.started(at_ms, length)
            found["users_active", period] = self.active_users(at_ms, length)
            found["sessions", period] = len(started)
            found["study_minutes", period] = sum(session.study_ms for session in started) / 60_000
        found["sessions", "all"] = len(self.sessions)
        found["study_minutes", "all"] = sum(session.study_ms for session in self.sessions.values()) / 60_000
        return found

    def features(self) -> dict[str, int]:
        """How often each learning feature was used."""
        actions = Counter(event.action for event in self.events)
        return {feature: actions[action] for feature, action in FEATURES.items()}

    def maestros(self) -> dict[str, int]:
        """How often each maestro was selected."""
        return dict(Counter(event.label for event in self.events if event.action == "maestro_selected"))
