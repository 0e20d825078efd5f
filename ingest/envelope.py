"""Builds the Kafka messages of a batch: corrects the clock, makes rows, splits them by size. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ingest.validate import Submission
from schemas.envelope import EventRow, encode_events
from schemas.events import AnyEvent, Rejection

MAX_MESSAGE_BYTES: Final = 900_000
"""Largest value of a message.

A broker takes record batches of up to 1 048 588 bytes (`max.message.bytes`). The producer fills batches up
to `MAX_BATCH_BYTES` and puts a larger message into a batch of its own; a message adds at most 200 bytes to its
value (key 36, headers, varints, 61 of the batch). One row is at most about 32 KB (16 pairs of 64 + 256
characters and a label of 128, each up to 6 bytes when escaped), so splitting between rows always gets there.
"""

MAX_BATCH_BYTES: Final = 1_000_000
"""What the producer gathers into one record batch; below the broker's limit, above any of our messages."""

CATEGORY_OF: Final[dict[type, str]] = {kind: str(kind.__struct_config__.tag) for kind in AnyEvent.__args__}

_ZERO = timedelta(0)


class Timing(NamedTuple):
    """The rules for client clocks, and for what is too old: longer ago than `retention`, or before `keep_from`."""

    skew_tolerance: timedelta
    retention: timedelta
    keep_from: datetime


class Rows(NamedTuple):
    """A batch with its times corrected: what is stored, and what was too old for that."""

    rows: list[EventRow]
    too_old: list[Rejection]


def build_rows(submission: Submission, user_id: str, received_at: datetime, timing: Timing) -> Rows:
    """One row per acceptable event.

    An event's age is counted on the client's clock (up to `sentAt`) when that clock is off by more than the
    tolerance, else up to `received_at`; it happened that long before `received_at`. A negative age (the future)
    counts as none. Working with ages keeps every value within what a datetime can hold.

    No row lies before `timing.keep_from`, also if this machine's clock is far behind: its day may be closed.
    """
    sent_at = submission.sent_at
    reference = received_at if abs(received_at - sent_at) <= timing.skew_tolerance else sent_at
    longest = min(timing.retention, received_at - timing.keep_from)
    category_of = CATEGORY_OF
    rows: list[EventRow] = []
    too_old: list[Rejection] = []
    for place, event in zip(submission.places, submission.events, strict=True):
        age = reference - event.timestamp
        if age < _ZERO:
            age = _ZERO
        if age > longest:
            too_old.append(
                Rejection(
                    index=place,
                    eventId=event.eventId,
                    code="too_old",
                    message=f"{_too_old(age, timing)} - at `$.timestamp`",
                )
            )
            continue
        rows.append(
            EventRow(
                event_id=event.eventId,
                user_id=user_id,
                session_id=event.sessionId,
                category=category_of[type(event)],
                action=event.action,
                occurred_at=received_at - age,
                received_at=received_at,
                label=event.label or "",
                value=event.value or 0.0,
                metadata=event.metadata or {},
            )
        )
    return Rows(rows, too_old)


def _too_old(age: timedelta, timing: Timing) -> str:
    if age > timing.retention:
        return f"Older than {timing.retention.days} days"
    return f"Before {timing.keep_from:%Y-%m-%d}, from when on events are kept"


def encode_messages(rows: list[EventRow], limit: int = MAX_MESSAGE_BYTES) -> list[bytes]:
    """The rows as values of as few messages as fit `limit` bytes each: one, but for very large batches."""
    value = encode_events(rows)
    if len(value) <= limit:
        return [value]
    values: list[bytes] = []
    start = 0
    while len(value) - start > limit:
        # JSON text holds no raw newline, so each one ends a row.
        end = value.rindex(b"\n", start, start + limit) + 1
        values.append(value[start:end])
        start = end
    values.append(value[start:])
    return values
