"""What a processor knows of a user, and what that makes of an event: exact by event id, over everything stored."""

from __future__ import annotations

from enum import Enum

from processors.places import Place, covers
from processors.sessions import Session


class Outcome(Enum):
    """What became of one event of an envelope. Every event has exactly one."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REDELIVERED = "redelivered"
    ERASED = "erased"


class User:
    """What is known of one user: a cache of some of their rows in ClickHouse, never more than that.

    `ids` gives the offset of the message that brought each event, which tells a client's repetition (another message)
    from Kafka's redelivery (the same one). With `complete`, `ids` and `sessions` hold all there is; else the flush
    looks up the ids and sessions that it needs. `epoch` counts the user's erasures, `erasures` are their places.
    `flush` is the number of the last flush that used them.
    """

    __slots__ = ("complete", "epoch", "erasures", "flush", "ids", "sessions", "weight")

    def __init__(self, *, complete: bool, epoch: int = 0) -> None:
        self.complete = complete
        self.epoch = epoch
        self.erasures: list[Place] = []
        self.ids: dict[str, int] = {}
        self.sessions: dict[str, Session] = {}
        self.flush = 0
        self.weight = 0

    def has_erased(self, source: Place, read_from: Place) -> bool:
        """Whether an erasure covers a message; see `places.covers`."""
        return any(covers(erasure, source, read_from) for erasure in self.erasures)

    def admit(self, event_id: str, offset: int) -> Outcome:
        """What an event of the message at `offset` is; remembers its id if it is new. It must not be erased.

        A known id from the same offset is reported as redelivered: its session may not have been written yet, so the
        caller reads the session back from its events and writes it again.
        """
        known = self.ids.get(event_id)
        if known is None:
            self.ids[event_id] = offset
            return Outcome.STORED
        return Outcome.REDELIVERED if known == offset else Outcome.DUPLICATE
