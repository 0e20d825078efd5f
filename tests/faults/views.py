"""Everything people can read, at one moment and in one question."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.oracle.log import Sums

_MOMENT = """
SELECT
    (SELECT groupArray((toString(user_id), toString(event_id), toString(session_id),
        toUnixTimestamp64Milli(occurred_at), toString(action), toString(label), kafka_partition, kafka_offset))
        FROM events),
    (SELECT groupArray((toString(user_id), toString(session_id),
        toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(last_event_at), study_ms, events, page_views,
        arraySort(arrayZip(mapKeys(maestros), mapValues(maestros))))) FROM sessions),
    (SELECT groupArray((toString(user_id), kafka_partition, kafka_offset)) FROM erasures_data FINAL),
    (SELECT tuple(sessions, study_ms, events, page_views, quizzes, maestro_selections, api_errors,
        mapKeys(maestros), mapValues(maestros)) FROM lifetime)
SETTINGS max_threads = 1
"""
_REST = """
SELECT
    (SELECT groupArray((toString(user_id), toUnixTimestamp64Milli(first_seen), toUnixTimestamp64Milli(last_seen)))
        FROM users),
    (SELECT groupArray((toString(user_id), toString(session_id), study_ms, events)) FROM sessions
        WHERE last_event_at > now() - INTERVAL 7 DAY),
    (SELECT groupArray((toString(user_id), toString(session_id), study_ms, events)) FROM recent_sessions
        WHERE last_event_at > now() - INTERVAL 7 DAY)
"""
# Rows that the views hide because their user was erased.
_LEFT_OF_ERASED = " + ".join(
    f"(SELECT count() FROM {table} WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data))"
    for table in ("events_data", "sessions_data", "recent_sessions_data")
)


@dataclass(frozen=True)
class Shown:
    """The rows of the views, sorted."""

    events: list[tuple[Any, ...]]
    sessions: list[tuple[Any, ...]]
    erasures: list[tuple[str, int, int]]
    sums: Sums


@dataclass(frozen=True)
class AlsoShown:
    """The views that follow from the others: users, and the sessions of the last week in two ways."""

    users: list[tuple[Any, ...]]
    last_week: list[tuple[Any, ...]]
    recent: list[tuple[Any, ...]]


def read(client: Client) -> Shown:
    """What the views show now."""
    events, sessions, erasures, sums = client.query(_MOMENT).result_rows[0]
    count, study_ms, counted, page_views, quizzes, selections, errors, maestros, times = sums
    actions = {
        "page_view": page_views,
        "quiz_complete": quizzes,
        "maestro_selected": selections,
        "api_error": errors,
    }
    return Shown(
        events=sorted(events),
        sessions=sorted((*session[:-1], [tuple(pair) for pair in session[-1]]) for session in sessions),
        erasures=sorted(erasures),
        sums=Sums(count, study_ms, counted, Counter(actions), Counter(dict(zip(maestros, times, strict=True)))),
    )


def read_also(client: Client) -> AlsoShown:
    """What the other views show now."""
    users, last_week, recent = client.query(_REST).result_rows[0]
    return AlsoShown(sorted(users), sorted(last_week), sorted(recent))


def left_of_erased_users(client: Client) -> int:
    """Physical rows of users from before their erasure."""
    return int(client.query(f"SELECT {_LEFT_OF_ERASED}").result_rows[0][0])


def empty_every_table(client: Client) -> None:
    """For the next schedule."""
    for table in ("events_data", "sessions_data", "recent_sessions_data", "totals_data", "erasures_data"):
        client.command(f"TRUNCATE TABLE {table}")
