"""Closing days: what leaves retention lives on in the sums since the beginning.

A day is closed once nothing of it can arrive any more: the gateway refuses older events, and `GRACE_DAYS` are left for
those that wait in Kafka and for sessions that began on it to end. Every step can be done again, by any processor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from processors.sink import PartitionTooLarge, Sink
from processors.steps import Step, passed

GRACE_DAYS = 2


def last_closable_day(now: datetime, retention_days: int) -> date:
    """The newest day that lies wholly before retention and the grace after it."""
    return (now - timedelta(days=retention_days + GRACE_DAYS)).date() - timedelta(days=1)


def close_days(
    sink: Sink, now: datetime, retention_days: int, kept: Callable[[str, str], None] = lambda day, reason: None
) -> list[str]:
    """Sums up and drops every day that can be closed; returns the days of events dropped.

    1. the sums are inserted, and from then on the views show them instead of the sessions and events; 2. the
    partitions of events are dropped; 3. the sessions are deleted. A day whose partition ClickHouse protects from being
    dropped is closed all the same, and `kept` is told its name and ClickHouse's reason. Raises `SinkUnavailable`.
    """
    day = last_closable_day(now, retention_days).isoformat()
    sink.command("close_days", day=day)
    passed(Step.DAYS_SUMMED)
    dropped = []
    for (partition,) in sink.texts("closed_partitions", day=day):
        try:
            sink.drop_partition(partition)
        except PartitionTooLarge as error:
            kept(partition, str(error))
            continue
        dropped.append(partition)
        passed(Step.DAY_DROPPED)
    if sink.texts("closed_sessions", day=day) != [["0"]]:
        sink.command("drop_closed_sessions", day=day)
    return dropped
