"""The fold of a block of envelopes, without I/O: which lines are new, and which sessions must be written.

It has two halves. `admit` decides about each event by its id and finds the sessions that must be read back from their
events; `finish` takes the new events into their sessions. Both need the users to be cached, with what is stored of the
block's ids and sessions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from processors.cache import UserCache
from processors.dedup import Outcome, User
from processors.envelopes import EventBatch, Row
from processors.sessions import NEVER, Session, Spans
from schemas.events import STUDY_ACTIONS


class SessionKey(NamedTuple):
    """A session of a user, by the partition of their messages."""

    partition: int
    user_id: str
    session_id: str


@dataclass(slots=True)
class _Touched:
    """What a block brings to one session: new events in order of arrival, and whether it was redelivered an old one."""

    events: list[tuple[int, str, str]] = field(default_factory=list)
    redelivered: bool = False


@dataclass(slots=True)
class Folded:
    """What a block of envelopes comes to: event lines to insert, session rows to write, the count of each outcome."""

    lines: list[bytes] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)


class Fold:
    """One block, in the order of its offsets.

    A function of the messages and of what is stored, never of a clock: two owners of a partition, or one before and
    after a crash, must come to the same rows.
    """

    def __init__(self, batches: Sequence[EventBatch], caches: Mapping[int, UserCache], gap_ms: int) -> None:
        self._batches = batches
        self._caches = caches
        self._gap_ms = gap_ms
        self._touched: dict[SessionKey, _Touched] = {}
        self._new: defaultdict[str, list[str]] = defaultdict(list)
        self._folded = Folded()

    def admit(self) -> list[SessionKey]:
        """Decides about each event; returns the sessions to give to `restore` before `finish`.

        Those are the ones that a study event arrives late for, as far as their spans are not known; those whose row
        does not tell their latest study event; and those of redelivered events: the crash that caused the redelivery
        may have come between the event and its session.
        """
        for batch in self._batches:
            self._admit_batch(batch)
        return [key for key, touched in self._touched.items() if self._needs_events(key, touched)]

    def new_ids(self, user_id: str) -> list[str]:
        """The ids of the user's events that are new in this block."""
        return self._new.get(user_id, [])

    def restore(self, key: SessionKey, stored: Session) -> None:
        """Takes a session as it was read back from its stored events, without the new ones of this block.

        A row that knows more events than are stored counts those of dropped days as well: its sums stand.
        """
        user = self._user(key)
        # Another owner may have stored events that this cache has not seen.
        user.complete = False
        known = user.sessions.get(key.session_id)
        if known is None or known.events <= stored.events:
            user.sessions[key.session_id] = stored
        else:
            known.spans = stored.spans
            known.last_study_ms = max(stored.last_study_ms or NEVER, known.last_study_ms or NEVER)

    def finish(self, flush: int) -> Folded:
        """Takes the new events into their sessions, as flush number `flush`; every session touched is written."""
        for key, touched in self._touched.items():
            user = self._user(key)
            session = user.sessions.get(key.session_id)
            if session is None:
                session = user.sessions[key.session_id] = Session(Spans(self._gap_ms))
            for at_ms, action, label in touched.events:
                session.add(at_ms, action, label, self._gap_ms)
            if session.events:
                self._folded.sessions.append(session.row(key.user_id, key.session_id, user.epoch))
        for partition, user_id in {(key.partition, key.user_id) for key in self._touched}:
            self._caches[partition].used(user_id, flush)
        return self._folded

    def _user(self, key: SessionKey) -> User:
        return self._caches[key.partition][key.user_id]

    def _needs_events(self, key: SessionKey, touched: _Touched) -> bool:
        if touched.redelivered:
            return True
        session = self._user(key).sessions.get(key.session_id)
        if session is None or session.spans is not None:
            return False
        latest = session.last_study_ms
        if latest is None:
            return True
        for at_ms, action, _ in touched.events:
            if action in STUDY_ACTIONS:
                if at_ms < latest:
                    return True
                latest = at_ms
        return False

    def _admit_batch(self, batch: EventBatch) -> None:
        message = batch.message
        partition, source, offset = message.partition, message.source, message.stored_place.offset
        cache = self._caches[partition]
        rows, outcomes = batch.rows, self._folded.outcomes
        stored: defaultdict[int, list[int]] = defaultdict(list)
        user_id = session_id = ""
        for index, row in enumerate(rows):
            if row.user_id != user_id:
                user_id, session_id = row.user_id, ""
                user, new = cache[user_id], self._new[user_id]
                indices = stored[user.epoch]
                erased = bool(user.erasures) and user.has_erased(source, message.place)
            if erased:
                outcomes[Outcome.ERASED] += 1
                continue
            outcome = user.admit(row.event_id, offset)
            if outcome is Outcome.REDELIVERED and _repeats(rows, index, indices):
                outcome = Outcome.DUPLICATE
            if outcome is Outcome.DUPLICATE:
                outcomes[outcome] += 1
                continue
            if row.session_id != session_id:
                session_id = row.session_id
                touched = self._touched.setdefault(SessionKey(partition, user_id, session_id), _Touched())
            if outcome is Outcome.STORED:
                indices.append(index)
                new.append(row.event_id)
                touched.events.append((row.at_ms, row.action, row.label))
            else:
                outcomes[outcome] += 1
                touched.redelivered = True
        for epoch, indices in stored.items():
            if indices:
                outcomes[Outcome.STORED] += len(indices)
                self._folded.lines.append(batch.stored_lines(None if len(indices) == len(rows) else indices, epoch))


def _repeats(rows: Sequence[Row], index: int, stored: Iterable[int]) -> bool:
    """Whether the row has the id of an earlier one of its own message, stored just now."""
    row = rows[index]
    return any(rows[place].event_id == row.event_id and rows[place].user_id == row.user_id for place in stored)
