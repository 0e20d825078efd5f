"""Kafka messages as the gateway writes them: each a stretch of one user's session, in order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from schemas.envelope import EventRow, encode_events
from schemas.events import CATEGORIES

MAESTROS = ("archimede", "galileo", "ipazia", "maria-montessori")
METADATA: dict[str, str | int | float | bool] = {"path": "/maestri"}
VALUE = 1.5
_ACTIONS = [(category, action) for category, actions in CATEGORIES.items() for action in actions]


class Message(NamedTuple):
    """The value of an `events` message, and the user whose events it holds."""

    user_id: str
    value: bytes

    @property
    def events(self) -> int:
        """How many events it holds."""
        return self.value.count(b"\n")


@dataclass(slots=True)
class OpenSession:
    """A session that goes on: its next event comes after `last_event_at`."""

    user_id: str
    session_id: str
    last_event_at: datetime
    events: int = 0


def random_id(source: random.Random) -> str:
    """A version 4 UUID."""
    return str(UUID(int=source.getrandbits(128), version=4))


class Traffic:
    """Makes messages; the same `seed` and calls give the same ones. All are received at `now`."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.source = random.Random(seed)
        self.now = now

    def begin(self, user_id: str, at: datetime) -> OpenSession:
        """A session without events yet."""
        return OpenSession(user_id, random_id(self.source), at)

    def message(self, session: OpenSession, events: int) -> Message:
        """The session's next events, 1 to 20 s apart."""
        rows = []
        for _ in range(events):
            session.last_event_at += timedelta(seconds=self.source.uniform(1, 20))
            category, action = self.source.choice(_ACTIONS)
            rows.append(
                EventRow(
                    event_id=random_id(self.source),
                    user_id=session.user_id,
                    session_id=session.session_id,
                    category=category,
                    action=action,
                    label=self.source.choice(MAESTROS),
                    value=VALUE,
                    metadata=METADATA,
                    occurred_at=session.last_event_at,
                    received_at=self.now,
                )
            )
        session.events += events
        return Message(session.user_id, encode_events(rows))
