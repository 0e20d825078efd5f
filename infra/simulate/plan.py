"""What to simulate, and what the simulated clients send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from schemas.events import MAX_EVENTS_PER_BATCH, RejectCode

Expected = Literal["accepted"] | RejectCode
"""What the gateway should say to an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One simulation. The same plan always yields the same users, sessions and event ids.

    Shares are between 0 and 1 and hold on average. Raises `ValueError` for a plan that makes no sense.
    """

    seed: int
    users: int = 200
    """How many students there are; a few of them study much more than most."""
    rate: float | None = None
    """Events a second of live traffic; None: as fast as they are answered."""
    events: int | None = None
    """Unique good events after which it ends; None: never."""
    history_days: int = 0
    """Sessions on that many past days come first, as clients deliver them that were offline."""
    duplicate_share: float = 0.0
    """Share of batches and events that are sent twice."""
    late_share: float = 0.0
    """Share of batches that arrive long after newer ones."""
    bad_share: float = 0.0
    """Share of events that the gateway has to refuse, one by one."""
    batch_events: int = 50
    """The most events a client puts into one batch."""
    retention_days: int = 90
    """What the gateway is set to: older events are refused."""

    def __post_init__(self) -> None:
        shares = (self.duplicate_share, self.late_share, self.bad_share)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError("a share must be at least 0 and below 1")
        if self.users < 1:
            raise ValueError("there must be at least one user")
        if not 0 <= self.history_days < self.retention_days:
            raise ValueError(f"days of history must be fewer than the retention of {self.retention_days} days")
        if not 1 <= self.batch_events <= MAX_EVENTS_PER_BATCH // 2:
            raise ValueError(f"a batch holds 1 to {MAX_EVENTS_PER_BATCH // 2} events before some are repeated")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("the rate must be above 0")

    @property
    def history_sessions(self) -> int:
        """Sessions of the past: a student studies every third day on average."""
        return self.users * self.history_days // 3


class SentEvent(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """An event as a client writes it; wide enough to be wrong as well. `timestamp` has milliseconds, UTC."""

    eventId: str  # noqa: N815 - the wire's own spelling
    category: str
    action: str
    timestamp: str
    sessionId: str = ""  # noqa: N815
    label: str = ""
    value: float | None = None
    metadata: dict[str, str | int | float | bool] | None = None
    email: str = ""
    """Not part of the contract: an event that carries it has to be refused."""


@dataclass(slots=True)
class ClientBatch:
    """What one client sends at once."""

    user_id: str
    events: list[SentEvent]
    due: float = 0.0
    """Seconds after the start before which it is not sent."""
    broken: dict[int, Expected] = field(default_factory=dict)
    """Places of the events that have to be refused, and with which code."""
    repeats: int = 0
    """How many of its events were in an earlier batch or earlier in this one."""

    def expected(self, index: int) -> Expected:
        """What the gateway should say to the event at that place."""
        return self.broken.get(index, "accepted")
