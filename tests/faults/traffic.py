"""Entries of a log as a seed makes them: few users and sessions, and every way in which events come again or late."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from processors.envelopes import Message
from schemas.envelope import Erasure, EventRow, encode_erasure, encode_events, headers, message_key
from tests.oracle.log import DAY_MS, GAP_MS, Entry, LoggedErasure, LoggedEvent

REFUSED_LABEL = "refused"
"""ClickHouse is made to refuse a block with an event of this label."""
_CATEGORIES = {
    "page_view": "navigation",
    "quiz_complete": "education",
    "maestro_selected": "maestro",
    "api_error": "error",
}
_START = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000


def moment(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a time."""
    return _START + timedelta(milliseconds=at_ms)


def message(entry: Entry, partition: int, offset: int, now_ms: int) -> Message:
    """The Kafka message of an entry."""
    if isinstance(entry, LoggedErasure):
        value = encode_erasure(Erasure(user_id=entry.user, requested_at=moment(now_ms)))
        return Message(partition, offset, message_key(entry.user), value, headers("erasure"))
    rows = [
        EventRow(
            event_id=event.event,
            user_id=event.user,
            session_id=event.session,
            category=_CATEGORIES[event.action],
            action=event.action,
            label=event.label,
            occurred_at=moment(event.at_ms),
            received_at=moment(now_ms),
        )
        for event in entry
    ]
    return Message(partition, offset, message_key(rows[0].user_id), encode_events(rows), headers("events"))


class Record(NamedTuple):
    """One offset of a log: the message (None: the log holds no record), what it counts for, and itself for people."""

    message: Message | None
    entry: Entry
    told: str


class Traffic:
    """Draws entries. A session lasts at most `session_ms`; what comes again is not near the end of retention."""

    def __init__(self, draw: random.Random, partitions: int, retention_days: int, session_ms: int = DAY_MS) -> None:
        self._draw = draw
        self._retention_ms = retention_days * DAY_MS
        self._session_ms = session_ms
        self._users = {partition: [self._id() for _ in range(2)] for partition in range(partitions)}
        self._sent: dict[str, list[LoggedEvent]] = {}
        self._sessions: dict[str, list[tuple[str, int]]] = {}

    def entry(self, partition: int, now_ms: int) -> Entry:
        """The next entry of a partition."""
        user = self._draw.choice(self._users[partition])
        if self._sent.get(user) and self._draw.random() < 0.1:
            return LoggedErasure(user)
        return [self._event(user, now_ms) for _ in range(self._draw.randint(1, 3))]

    def record(self, partition: int, offset: int, now_ms: int) -> Record:
        """What stands at an offset: mostly an entry; now and then nothing, or a message to be dead-lettered."""
        kind = self._draw.choices(["entry", "none", "poison", "refused"], [85, 7, 4, 4])[0]
        if kind == "none":
            return Record(None, [], "no record")
        if kind == "poison":
            return Record(Message(partition, offset, None, b"poison", headers("events")), [], "poison")
        if kind == "refused":
            user = self._draw.choice(self._users[partition])
            session = self._draw.choice(self._sessions.get(user) or [(self._id(), now_ms)])[0]
            refused = [LoggedEvent(user, self._id(), session, now_ms, "maestro_selected", REFUSED_LABEL)]
            return Record(message(refused, partition, offset, now_ms), [], f"refused, {self.told(refused)}")
        entry = self.entry(partition, now_ms)
        return Record(message(entry, partition, offset, now_ms), entry, self.told(entry))

    def told(self, entry: Entry) -> str:
        """An entry for people: the first eight digits of its ids."""
        if isinstance(entry, LoggedErasure):
            return f"erase {entry.user[:8]}"
        return f"{entry[0].user[:8]}: " + ", ".join(
            f"{event.event[:8]} in {event.session[:8]} at {moment(event.at_ms):%m-%d %H:%M:%S}" for event in entry
        )

    def _event(self, user: str, now_ms: int) -> LoggedEvent:
        draw, sent = self._draw, self._sent.setdefault(user, [])
        again = [event for event in sent if event.at_ms > now_ms - self._retention_ms // 2]
        session, begun = self._session(user, now_ms)
        oldest = max(now_ms - self._retention_ms, begun)
        newest = min(now_ms, begun + self._session_ms)
        near = draw.choice([event.at_ms for event in sent if event.session == session][-3:] or [oldest])
        at_ms = draw.choice([draw.randint(oldest, newest), newest, oldest + draw.randint(0, 2 * GAP_MS)])
        # Study time tells only of neighbours within a gap's length.
        at_ms = draw.choice([at_ms, near + draw.randint(-GAP_MS, GAP_MS)])
        at_ms = max(oldest, min(newest, at_ms))
        if again and draw.random() < 0.25:
            old = draw.choice(again)
            if draw.random() < 0.5:
                return old
            return LoggedEvent(user, old.event, session, at_ms)
        action = draw.choice(["page_view", "api_error", "quiz_complete", "maestro_selected"])
        label = draw.choice(["archimede", "ipazia"]) if action == "maestro_selected" else ""
        event = LoggedEvent(user, self._id(), session, at_ms, action, label)
        sent.append(event)
        return event

    def _session(self, user: str, now_ms: int) -> tuple[str, int]:
        """A session that can still get events, with the earliest time of its events."""
        sessions = self._sessions.setdefault(user, [])
        open_ones = [each for each in sessions if each[1] + self._session_ms > now_ms - self._retention_ms]
        if open_ones and self._draw.random() < 0.8:
            return self._draw.choice(open_ones)
        age = self._draw.choice([0, 1, self._draw.random()]) * self._retention_ms
        session = (self._id(), now_ms - round(age))
        sessions.append(session)
        return session

    def _id(self) -> str:
        return str(UUID(int=self._draw.getrandbits(128), version=4))
