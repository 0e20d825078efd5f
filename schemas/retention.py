"""The retention in force: how long events are kept, as one topic tells gateways, processors and the audit.

The topic `<events topic>.retention` has one partition, and nothing is ever deleted from it. A record is a JSON object:
`{"retention_days": 90}` is written by `convergio migrate`; the newest one is in force. `{"keep_from": "2026-08-29"}`
is an announcement: everything before that day may be dropped `GRACE_DAYS` later, and no gateway takes it any more. An
announcement cannot be taken back, so the latest day counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, NamedTuple

import msgspec

GRACE_DAYS = 2
"""Days between an announcement, or an event's end of retention, and the closing of the day."""
LONGEST_UNREAD = timedelta(days=1)
"""How long a gateway may rely on what it has read, so that it has read an announcement well before a day is closed."""
LONGEST_RETENTION_DAYS = 365_000
NO_DAY = date(1970, 1, 1)
"""Before every day: nothing was announced, or no day is closed."""


class Announcement(NamedTuple):
    """From when on events are kept, when that was announced (UTC, by the clock of who announced it), and how many days
    were in force then."""

    at: datetime
    keep_from: date
    days: int


class Retention(NamedTuple):
    """The days that events are kept, and every announcement in the order of the topic."""

    days: int
    announcements: tuple[Announcement, ...] = ()

    @property
    def keep_from(self) -> date:
        """The first day that is kept, by all announcements; `NO_DAY` if there is none."""
        return self.announced_by(datetime.max.replace(tzinfo=UTC))

    def announced_by(self, moment: datetime) -> date:
        """The same by the announcements up to a moment."""
        return max((each.keep_from for each in self.announcements if each.at <= moment), default=NO_DAY)


class _Record(msgspec.Struct, omit_defaults=True):
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_RETENTION_DAYS)] | None = None
    keep_from: date | None = None


_decode = msgspec.json.Decoder(_Record).decode


def days_record(days: int) -> bytes:
    """The record that puts a number of days in force."""
    return msgspec.json.encode(_Record(retention_days=days))


def announcement_record(keep_from: date) -> bytes:
    """The record that announces the first day that is kept."""
    return msgspec.json.encode(_Record(keep_from=keep_from))


def retention_of(records: Iterable[tuple[datetime, bytes]]) -> Retention | None:
    """The retention that the records of the topic give, in their order and each with its time.

    `None` if none of them puts a number of days in force. What cannot be read was written by somebody else, and is
    passed over.
    """
    days: int | None = None
    announcements: list[Announcement] = []
    for at, value in records:
        try:
            record = _decode(value)
        except msgspec.DecodeError:
            continue
        days = record.retention_days or days
        if record.keep_from is not None and days is not None:
            announcements.append(Announcement(at, record.keep_from, days))
    return None if days is None else Retention(days, tuple(announcements))


def start_of(day: date) -> datetime:
    """Midnight, UTC, at which a day begins."""
    return datetime.combine(day, time(), UTC)


def first_kept_day(now: datetime, days: int) -> date:
    """The day on which the oldest event lies that is still within retention."""
    return (now - timedelta(days=min(days, (now.date() - NO_DAY).days))).date()


def last_closable_day(now: datetime, retention: Retention) -> date:
    """The newest day that may be closed: out of retention, and announced to be, `GRACE_DAYS` ago."""
    before = now - timedelta(days=GRACE_DAYS)
    return min(first_kept_day(before, retention.days), retention.announced_by(before)) - timedelta(days=1)
