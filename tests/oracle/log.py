"""The truth about a log of Kafka messages: what must be shown once all of it is processed.

Entries are in the order of their partition. The first copy of an event id counts until its user is erased; after that
the id may come again. Study time is the sum of the gaps of at most five minutes, errors and performance left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP_MS = 5 * 60 * 1000
DAY_MS = 24 * 60 * 60 * 1000
NOT_STUDY = {"client_error", "api_error", "page_load", "interaction_time"}


@dataclass(frozen=True)
class LoggedEvent:
    """One event of a batch; `at_ms` counts milliseconds since 1970."""

    user: str
    event: str
    session: str
    at_ms: int
    action: str = "page_view"
    label: str = ""


@dataclass(frozen=True)
class LoggedErasure:
    """A user's wish to be forgotten."""

    user: str


Entry = Sequence[LoggedEvent] | LoggedErasure
Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Sums:
    """What `all` says."""

    sessions: int = 0
    study_ms: int = 0
    events: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    maestros: Counter[str] = field(default_factory=Counter)


class LogOracle:
    """Sets, sorting and sums over the entries of every partition."""

    def __init__(self, log: Mapping[int, Iterable[Entry]]) -> None:
        self.sums = Sums()
        self._log = {partition: list(entries) for partition, entries in log.items()}
        self._live: dict[str, dict[str, tuple[LoggedEvent, Place]]] = {}
        for partition, entries in self._log.items():
            for offset, entry in enumerate(entries):
                if isinstance(entry, LoggedErasure):
                    self._erase(entry.user)
                else:
                    for event in entry:
                        self._live.setdefault(event.user, {}).setdefault(event.event, (event, (partition, offset)))
        for user in self._live:
            self._count(user)

    def _erase(self, user: str) -> None:
        self._count(user)
        self._live[user] = {}

    def _count(self, user: str) -> None:
        for events in _by_session(event for event, _ in self._live.get(user, {}).values()).values():
            self.sums.sessions += 1
            self.sums.study_ms += _study_ms(events)
            self.sums.events += len(events)
            self.sums.actions.update(event.action for event in events)
            self.sums.maestros.update(event.label for event in events if event.action == "maestro_selected")

    def everyone_since(self, places: Mapping[str, Place]) -> set[str]:
        """The users with an event anywhere, or after a place of their own."""
        return {
            event.user
            for partition, entries in self._log.items()
            for offset, entry in enumerate(entries)
            if not isinstance(entry, LoggedErasure)
            for event in entry
            if event.user not in places or (partition, offset) > places[event.user]
        }

    def events(self, after_day: int) -> list[tuple[object, ...]]:
        """(user, event, session, at, action, label, partition, offset) of every event after a day, sorted.

        Days are counted from 1970.
        """
        return sorted(
            (event.user, event.event, event.session, event.at_ms, event.action, event.label, *place)
            for events in self._live.values()
            for event, place in events.values()
            if event.at_ms // DAY_MS > after_day
        )

    def sessions(self, after_day: int) -> list[tuple[object, ...]]:
        """(user, session, start, end, study, events, page views, maestros) of every one that ended after a day."""
        found: list[tuple[object, ...]] = []
        for user, live in self._live.items():
            for session, events in _by_session(event for event, _ in live.values()).items():
                times = sorted(event.at_ms for event in events)
                if times[-1] // DAY_MS <= after_day:
                    continue
                actions = Counter(event.action for event in events)
                maestros = Counter(event.label for event in events if event.action == "maestro_selected")
                found.append(
                    (
                        *(user, session, times[0], times[-1], _study_ms(events), len(events)),
                        *(actions["page_view"], sorted(maestros.items())),
                    )
                )
        return sorted(found)

    def users(self, after_day: int) -> list[tuple[str, int, int]]:
        """(user, first seen, last seen) by their sessions that ended after a day."""
        seen: dict[str, tuple[int, int]] = {}
        for user, _, start, end, *_ in self.sessions(after_day):
            assert isinstance(user, str) and isinstance(start, int) and isinstance(end, int)
            first, last = seen.get(user, (start, end))
            seen[user] = min(first, start), max(last, end)
        return sorted((user, first, last) for user, (first, last) in seen.items())


def _by_session(events: Iterable[LoggedEvent]) -> dict[str, list[LoggedEvent]]:
    found: dict[str, list[LoggedEvent]] = {}
    for event in events:
        found.setdefault(event.session, []).append(event)
    return found


def _study_ms(events: Iterable[LoggedEvent]) -> int:
    times = sorted(event.at_ms for event in events if event.action not in NOT_STUDY)
    return sum(later - earlier for earlier, later in pairwise(times) if later - earlier <= GAP_MS)
