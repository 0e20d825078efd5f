"""Which messages of a chunk the store contradicts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from infra.audit.messages import UNREADABLE, Message, Where, decode_erasure, decode_rows, id_bytes, is_covered, where

Event = tuple[bytes, bytes]
"""User and event id, 16 bytes each."""
Session = tuple[bytes, bytes]
"""User and session id, 16 bytes each."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a message of one partition says should be shown. `source`: where it first stood."""

    offset: int
    source: Where
    readable: bool = True
    rows: int = 0
    """Events in it, those of days that are not kept included."""
    events: frozenset[Event] = frozenset()
    sessions: frozenset[Session] = frozenset()
    erased: bytes | None = None
    """The user whom it asks to erase."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the store shows of a chunk of one partition, and which erasures were carried out."""

    shown: Mapping[Event, int] = field(default_factory=dict)
    """How many rows of the view `events` each event has."""
    oldest_offsets: Mapping[bytes, int] = field(default_factory=dict)
    """The smallest offset in this partition among the rows shown of each erased user."""
    wrong_sessions: Collection[Session] = ()
    """Sessions whose row is not what their events give."""
    erasures: Mapping[bytes, Sequence[Where]] = field(default_factory=dict)
    """By user, the messages that asked for erasures that were carried out."""


@dataclass(slots=True)
class Violations:
    """What the store contradicts of one message."""

    missing: set[Event] = field(default_factory=set)
    doubled: set[Event] = field(default_factory=set)
    wrong_sessions: set[Session] = field(default_factory=set)
    still_shown: set[bytes] = field(default_factory=set)
    """Users of whom something is shown that came before their erasure."""
    unreadable: bool = False
    """It cannot be read, and is no dead letter."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.doubled or self.wrong_sessions or self.still_shown or self.unreadable)


def expect(partition: int, message: Message, topic_id: str, kept_from: datetime) -> Expected:
    """What a message that is no dead letter asks for. Events from before `kept_from` may be shown or not."""
    source = (partition, message.offset) if message.source is None else where(message.source, topic_id)
    try:
        if message.kind == "erasure":
            return Expected(message.offset, source, erased=id_bytes(decode_erasure(message.value).user_id))
        rows = decode_rows(message.value)
        kept = [(id_bytes(row.user_id), row) for row in rows if row.occurred_at >= kept_from]
        return Expected(
            message.offset,
            source,
            rows=len(rows),
            events=frozenset((user, id_bytes(row.event_id)) for user, row in kept),
            sessions=frozenset((user, id_bytes(row.session_id)) for user, row in kept),
        )
    except UNREADABLE:
        return Expected(message.offset, source, readable=False)


def judge(partition: int, chunk: Iterable[Expected], evidence: Evidence) -> dict[int, Violations]:
    """The violations of a chunk of one partition by the offset of the message; messages without any are left out."""
    found: dict[int, Violations] = {}
    for message in chunk:
        violations = Violations(unreadable=not message.readable)
        for event in message.events:
            rows = evidence.shown.get(event, 0)
            if rows > 1:
                violations.doubled.add(event)
            elif rows == 0 and not any(
                is_covered(message.source, partition, erasure) for erasure in evidence.erasures.get(event[0], ())
            ):
                violations.missing.add(event)
        violations.wrong_sessions.update(message.sessions.intersection(evidence.wrong_sessions))
        if message.erased is not None and message.source[0] == partition:
            oldest = evidence.oldest_offsets.get(message.erased)
            if oldest is not None and oldest < message.source[1]:
                violations.still_shown.add(message.erased)
        if violations:
            found[message.offset] = violations
    return found
