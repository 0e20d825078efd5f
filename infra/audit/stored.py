"""What ClickHouse shows: every stored id, and the sessions beside an independent recomputation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from io import BufferedIOBase
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import cast

from clickhouse_connect.driver.client import Client

StoredEvent = tuple[bytes, bytes, int, int]
"""User, event, Kafka partition and offset of one row of the view `events`."""

_ROW = Struct("<16s16sHQ")

# FixedString in network order, so that the ids compare with those read from text.
_EVENTS = """
SELECT UUIDStringToNum(toString(user_id)), UUIDStringToNum(toString(event_id)), kafka_partition, kafka_offset
FROM events ORDER BY user_id, event_id
"""

_COPIES = """
SELECT count() - uniqExact(user_id, event_id, epoch) FROM events_data
WHERE (user_id, epoch) NOT IN (SELECT user_id, epoch FROM erasures_data)
"""

_ERASURES = """
SELECT DISTINCT toString(user_id), toString(topic_id), kafka_partition, kafka_offset FROM erasures_data FINAL
"""

_UNSWEPT = """
SELECT toString(user_id), count() FROM events_data
WHERE (user_id, epoch) IN
(
    SELECT user_id, epoch FROM erasures_data FINAL
    WHERE state = 'marked' AND erased_at < now() - toIntervalSecond({seconds:UInt32})
)
GROUP BY user_id
ORDER BY user_id
"""

# From the events alone, by another way than the processors': sorted times, their differences, the short ones.
# A session that reaches into a closed day has lost events to retention and cannot be recomputed any more.
_SESSIONS = """
SELECT
    toString(user_id), toString(session_id),
    groupUniqArrayIf(facts, NOT recomputed), groupUniqArrayIf(facts, recomputed)
FROM
(
    SELECT user_id, session_id, false AS recomputed,
        (
            toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(last_event_at),
            toInt64(study_ms), toInt64(events)
        ) AS facts
    FROM sessions
    WHERE {these} AND toDate(started_at) > (SELECT max(closed_day) FROM totals_data)
    UNION ALL
    SELECT user_id, session_id, true,
        (
            times[1], times[-1],
            toInt64(arraySum(arrayFilter(gap -> gap <= {gap_ms:Int64}, arrayDifference(study_times)))),
            toInt64(length(times))
        )
    FROM
    (
        SELECT
            user_id, session_id, arraySort(groupArray(toUnixTimestamp64Milli(occurred_at))) AS times,
            arraySort(groupArrayIf(
                toUnixTimestamp64Milli(occurred_at), category NOT IN ('error', 'performance')
            )) AS study_times
        FROM events
        WHERE {these}
        GROUP BY user_id, session_id
        HAVING (user_id, session_id) NOT IN
        (
            SELECT user_id, session_id FROM sessions
            WHERE toDate(started_at) <= (SELECT max(closed_day) FROM totals_data)
        )
    )
)
GROUP BY user_id, session_id
HAVING count() != 2 OR uniqExact(facts) != 1
ORDER BY user_id, session_id
"""


@dataclass(frozen=True, slots=True)
class SessionDifference:
    """A session whose row is not what its events say: (started, ended, study, events) in ms and a count."""

    user_id: str
    session_id: str
    stored: list[tuple[int, ...]]
    recomputed: list[tuple[int, ...]]


def events_by_user(client: Client) -> Iterator[tuple[bytes, list[StoredEvent]]]:
    """Every event shown, grouped by user. Holds one user's at a time."""
    return ((user, list(rows)) for user, rows in groupby(_events(client), key=itemgetter(0)))


def physical_copies(client: Client) -> int:
    """Rows beyond the first of the same event that the views hide and a merge will remove."""
    return int(client.query(_COPIES).result_rows[0][0])


def erasures(client: Client) -> list[tuple[str, str, int, int]]:
    """(user, topic id, partition, offset) of every erasure that was carried out."""
    rows = client.query(_ERASURES).result_rows
    return [(str(user), str(topic), int(partition), int(offset)) for user, topic, partition, offset in rows]


def unswept(client: Client, longer_than: timedelta) -> dict[str, int]:
    """Hidden rows that still stand, by user, of erasures carried out so long ago."""
    rows = client.query(_UNSWEPT, parameters={"seconds": round(longer_than.total_seconds())}).result_rows
    return {str(user): int(count) for user, count in rows}


def last_closed_day(client: Client) -> date:
    """The day up to which days are closed; 1970-01-01 if none is."""
    return cast("date", client.query("SELECT max(closed_day) FROM totals_data").result_rows[0][0])


def session_count(client: Client) -> int:
    """Sessions shown."""
    return int(client.query("SELECT count() FROM sessions").result_rows[0][0])


def session_differences(client: Client, gap_ms: int, these: str = "true") -> list[SessionDifference]:
    """Every session that differs from a recomputation out of `events`, or that only one of both knows.

    `these`: an SQL condition on `user_id` and `session_id`.
    """
    rows = client.query(_SESSIONS.replace("{these}", these), parameters={"gap_ms": gap_ms}).result_rows
    return [
        SessionDifference(str(user), str(session), list(stored), list(recomputed))
        for user, session, stored, recomputed in rows
    ]


def _events(client: Client) -> Iterator[StoredEvent]:
    with closing(cast("BufferedIOBase", client.raw_stream(_EVENTS, fmt="RowBinary"))) as stream:
        rest = b""
        while chunk := stream.read(1 << 20):
            rest += chunk
            whole = len(rest) - len(rest) % _ROW.size
            yield from _ROW.iter_unpack(rest[:whole])
            rest = rest[whole:]
