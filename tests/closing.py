"""Closes every day that can be closed: processors close one at a time. And what lets them: a retention in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from aiokafka import AIOKafkaProducer

from processors.retention import close_next_day
from processors.sink import Sink
from schemas.retention import GRACE_DAYS, announcement_record, days_record, first_kept_day
from schemas.settings import SharedSettings

IN_TIME = timedelta(days=GRACE_DAYS, hours=1)
"""So long after its announcement a day may be closed."""


def last_closable(now: datetime, retention_days: int) -> date:
    """The newest day that may be closed, all announcements having been made in time."""
    return first_kept_day(now - timedelta(days=GRACE_DAYS), retention_days) - timedelta(days=1)


def close_days(
    sink: Sink, now: datetime, retention_days: int, kept: Callable[[str, str], None] = lambda day, reason: None
) -> list[str]:
    """Returns the days that were closed, in order."""
    closed: list[str] = []
    while (day := close_next_day(sink, last_closable(now, retention_days), kept)) is not None:
        closed.append(day)
    return closed


async def write_retention(settings: SharedSettings, announced: Mapping[datetime, date] | None = None) -> None:
    """Writes the retention of the settings to its topic, and announcements as if they had been made in the past."""
    records = [(datetime.fromtimestamp(0, UTC), days_record(settings.retention_days))]
    records += [(at, announcement_record(keep_from)) for at, keep_from in (announced or {}).items()]
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    try:
        for at, value in records:
            milliseconds = round(at.timestamp() * 1000)
            await producer.send_and_wait(settings.retention_topic, value, partition=0, timestamp_ms=milliseconds)
    finally:
        await producer.stop()


async def write_retention_announced_in_time(settings: SharedSettings) -> None:
    """The same, with an announcement that lets processors close days up to `last_closable` now, at any time of day."""
    now = datetime.now(UTC)
    keep_from = last_closable(now, settings.retention_days) + timedelta(days=1)
    await write_retention(settings, {now - IN_TIME: keep_from})
