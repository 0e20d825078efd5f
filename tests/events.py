"""Envelopes for tests, and what their events must come to by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from processors.envelopes import Message
from schemas.envelope import Erasure, EventRow, encode_erasure, encode_events, headers, message_key

NOW = datetime.now(UTC).replace(microsecond=0)
GAP = timedelta(minutes=5)
NOT_STUDY = {"client_error", "api_error", "page_load", "interaction_time"}


def uuid(number: int) -> str:
    """The same id for the same number."""
    return str(UUID(int=number, version=4))


@dataclass(frozen=True)
class Sent:
    """One event as a test thinks of it; `minutes_ago` counts from `NOW`."""

    user: str
    event: str
    session: str
    minutes_ago: float
    action: str = "page_view"
    category: str = "navigation"
    label: str = ""

    @property
    def at(self) -> datetime:
        moment = NOW - timedelta(minutes=self.minutes_ago)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def sent(
    user: str | None = None,
    event: str | None = None,
    session: str | None = None,
    minutes_ago: float = 1.0,
    action: str = "page_view",
    category: str = "navigation",
    label: str = "",
) -> Sent:
    """An event; whatever is left out is new."""
    return Sent(
        user or str(uuid4()), event or str(uuid4()), session or str(uuid4()), minutes_ago, action, category, label
    )


def message(events: Iterable[Sent], offset: int, partition: int = 0) -> Message:
    """The Kafka message that the gateway makes of one user's batch."""
    rows = [
        EventRow(
            event_id=event.event,
            user_id=event.user,
            session_id=event.session,
            category=event.category,
            action=event.action,
            label=event.label,
            occurred_at=event.at,
            received_at=NOW,
        )
        for event in events
    ]
    return Message(partition, offset, message_key(rows[0].user_id), encode_events(rows), headers("events"))


def erasure(user: str, offset: int, partition: int = 0) -> Message:
    """The Kafka message that asks for a user to be forgotten."""
    value = encode_erasure(Erasure(user_id=user, requested_at=NOW))
    return Message(partition, offset, message_key(user), value, headers("erasure"))


@dataclass(frozen=True)
class ExpectedSession:
    started_at: datetime
    last_event_at: datetime
    study_ms: int
    events: int


def expected_sessions(events: Sequence[Sent]) -> dict[tuple[str, str], ExpectedSession]:
    """By (user, session): the fold by brute force over the first copy of each event."""
    first: dict[tuple[str, str], Sent] = {}
    for event in events:
        first.setdefault((event.user, event.event), event)
    by_session: dict[tuple[str, str], list[Sent]] = {}
    for event in first.values():
        by_session.setdefault((event.user, event.session), []).append(event)
    result = {}
    for key, own in by_session.items():
        times = sorted(event.at for event in own)
        study_times = sorted(event.at for event in own if event.action not in NOT_STUDY)
        gaps = [later - earlier for earlier, later in itertools.pairwise(study_times)]
        study = sum((gap for gap in gaps if gap <= GAP), timedelta())
        result[key] = ExpectedSession(times[0], times[-1], study // timedelta(milliseconds=1), len(times))
    return result
