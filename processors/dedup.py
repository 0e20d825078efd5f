"""Which events of a user are new: exact, by event id, over everything stored."""

from __future__ import annotations

from enum import Enum

from processors.envelopes import Row
from processors.sessions import Session


class Outcome(Enum):
    """What became of one event of an envelope. Every event has exactly one."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REDELIVERED = "redelivered"
    ERASED = "erased"


class User:
    """What is known of one user: a cache of their rows in ClickHouse, never more than that.

    `ids` gives the offset of the message that brought each event, which tells a client's repetition (another
    message) from Kafka's redelivery (the same one). `epoch` counts the user's erasures; nothing at or before the
    offset `erased_through` is theirs any more.
    """

    __slots__ = ("epoch", "erased_through", "ids", "sessions")

    def __init__(self, epoch: int = 0, erased_through: int = -1) -> None:
        self.epoch = epoch
        self.erased_through = erased_through
        self.ids: dict[str, int] = {}
        self.sessions: dict[str, Session] = {}

    def add(self, row: Row, offset: int, gap_ms: int) -> Outcome:
        """Takes an event in if its id is new.

        A known id from the same offset is reported as redelivered: its session may not have been written yet,
        so the caller writes it again.
        """
        if offset <= self.erased_through:
            return Outcome.ERASED
        known = self.ids.get(row.event_id)
        if known is not None:
            return Outcome.REDELIVERED if known == offset else Outcome.DUPLICATE
        self.remember(row.event_id, row.session_id, row.at_ms, row.action, row.label, offset, gap_ms)
        return Outcome.STORED

    def remember(
        self, event_id: str, session_id: str, at_ms: int, action: str, label: str, offset: int, gap_ms: int
    ) -> None:
        """Takes in an event whose id is new."""
        self.ids[event_id] = offset
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = Session()
        session.add(at_ms, action, label, gap_ms)
