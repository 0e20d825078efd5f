"""Closing days: what leaves retention lives on in the sums since the beginning.

A day is closed once nothing of it can arrive any more (`processors.housekeeping` decides that). One day is closed at a
time, so that a mistake can be seen before it has taken everything. Every step can be done again, by any processor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from processors.sink import PartitionTooLarge, Sink
from processors.steps import Step, passed
from schemas.retention import NO_DAY


def last_closed_day(sink: Sink) -> date:
    """The day up to which days are closed; `schemas.retention.NO_DAY` if none is. Raises `SinkUnavailable`."""
    ((closed,),) = sink.texts("last_closed_day")
    return date.fromisoformat(closed)


def next_open_day(sink: Sink, limit: date) -> date | None:
    """The oldest day up to `limit` with events or sessions that is not closed. Raises `SinkUnavailable`."""
    ((day,),) = sink.texts("next_closable_day", day=limit.isoformat())
    found = date.fromisoformat(day)
    return None if found == NO_DAY else found


def close_next_day(sink: Sink, limit: date, kept: Callable[[str, str], None] = lambda day, reason: None) -> str | None:
    """Sums up and drops the next day up to `limit` with events or sessions; returns it, `None` if there is none.

    1. the sums are inserted, and from then on the views show them instead of the sessions and events; 2. the
    partition of events is dropped; 3. the sessions are deleted. What late writers added to closed days is dropped as
    well. A day whose partition ClickHouse protects from being dropped is closed as well, and `kept` is told its
    name and ClickHouse's reason. Raises `SinkUnavailable`.
    """
    day = next_open_day(sink, limit)
    if day is not None:
        sink.command("close_days", day=day.isoformat())
        passed(Step.DAYS_SUMMED)
    closed = last_closed_day(sink).isoformat()
    for (partition,) in sink.texts("closed_partitions", day=closed):
        try:
            sink.drop_partition(partition)
        except PartitionTooLarge as error:
            kept(partition, str(error))
            continue
        passed(Step.DAY_DROPPED)
    if sink.texts("closed_sessions", day=closed) != [["0"]]:
        sink.command("drop_closed_sessions", day=closed)
    return None if day is None else day.isoformat()
