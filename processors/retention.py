"""Closing days: what leaves retention lives on in the sums since the beginning.

A day is closed once nothing of it can arrive any more: the gateway refuses older events, and `GRACE_DAYS` are left for
those that wait in Kafka and for sessions that began on it to end. One day is closed at a time, so that a mistake can be
seen before it has taken everything. Every step can be done again, by any processor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from processors.sink import PartitionTooLarge, Sink
from processors.steps import Step, passed

GRACE_DAYS = 2
NO_DAY = "1970-01-01"


def last_closable_day(now: datetime, retention_days: int) -> date:
    """The newest day that lies wholly before retention and the grace after it."""
    return (now - timedelta(days=retention_days + GRACE_DAYS)).date() - timedelta(days=1)


def close_next_day(
    sink: Sink, now: datetime, retention_days: int, kept: Callable[[str, str], None] = lambda day, reason: None
) -> str | None:
    """Sums up and drops the next day with events or sessions that can be closed; returns it, `None` if there is none.

    1. the sums are inserted, and from then on the views show them instead of the sessions and events; 2. the
    partition of events is dropped; 3. the sessions are deleted. What late writers added to closed days is dropped as
    well. A day whose partition ClickHouse protects from being dropped is closed as well, and `kept` is told its
    name and ClickHouse's reason. Raises `SinkUnavailable`.
    """
    limit = last_closable_day(now, retention_days).isoformat()
    ((day,),) = sink.texts("next_closable_day", day=limit)
    if day != NO_DAY:
        sink.command("close_days", day=day)
        passed(Step.DAYS_SUMMED)
    ((closed,),) = sink.texts("last_closed_day")
    for (partition,) in sink.texts("closed_partitions", day=closed):
        try:
            sink.drop_partition(partition)
        except PartitionTooLarge as error:
            kept(partition, str(error))
            continue
        passed(Step.DAY_DROPPED)
    if sink.texts("closed_sessions", day=closed) != [["0"]]:
        sink.command("drop_closed_sessions", day=closed)
    return None if day == NO_DAY else day
