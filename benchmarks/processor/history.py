"""Stored histories: as many events for every user, with their sessions, made inside ClickHouse.

A history has a database of its own. A run gets another database with the same rows, which costs no more than links to
the history's files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client

from benchmarks.processor.traffic import MAESTROS, METADATA, VALUE, OpenSession
from schemas.envelope import partition_for
from schemas.events import ACTION_COLUMNS, CATEGORIES

DAYS = 78
"""Days over which sessions begin, before the two of the newest; all within the default retention."""
SESSION_EVENTS = 50
PER_MESSAGE = 10
_NUMBERS_PER_INSERT = 1_000_000


@dataclass(frozen=True, slots=True)
class History:
    """`events` events for every user, up to `until`."""

    events: int
    until: datetime

    @property
    def session_events(self) -> int:
        """Events of a session; every user has two sessions or more, if there are two events."""
        return min(SESSION_EVENTS, -(-self.events // 2))

    @property
    def sessions(self) -> int:
        """Sessions of a user; the oldest may be shorter than the others."""
        return -(-self.events // self.session_events)

    @property
    def next_offset(self) -> int:
        """What lies before it, in every partition, are the messages that brought the history."""
        return self.sessions * self._session_messages

    @property
    def _session_messages(self) -> int:
        return -(-self.session_events // PER_MESSAGE)

    def fill(self, client: Client, users: Sequence[str], partitions: int, gap_ms: int) -> None:
        """Writes the history into an empty database that has been migrated, and merges its parts as time would."""
        client.command("CREATE TABLE history_users (user UInt32, user_id UUID, kafka_partition UInt16) ENGINE = Memory")
        client.insert(
            "history_users",
            [[place, user_id, partition_for(user_id, partitions)] for place, user_id in enumerate(users)],
        )
        numbers = self.sessions * self.session_events * len(users)
        for first in range(0, numbers, _NUMBERS_PER_INSERT):
            parameters = {
                "first": first,
                "rows": min(_NUMBERS_PER_INSERT, numbers - first),
                "users": len(users),
                "history": self.events,
                "sessions": self.sessions,
                "session_events": self.session_events,
                "session_messages": self._session_messages,
                "per_message": PER_MESSAGE,
                "days": DAYS,
                "until": int(self.until.timestamp() * 1000),
                "value": VALUE,
                "metadata": json.dumps(METADATA, separators=(",", ":")),
            }
            client.command(_sql("history_events"), parameters, settings={"max_partitions_per_insert_block": 0})
        client.command(_sql("history_sessions"), {"gap_ms": gap_ms})
        client.command("DROP TABLE history_users")
        for table in tables(client, client.database or ""):
            client.command(f"OPTIMIZE TABLE {table} FINAL")


def tables(client: Client, database: str) -> list[str]:
    """The tables that hold rows, but for the record of migrations."""
    rows = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'"
        " AND name != 'schema_migrations' ORDER BY name",
        {"database": database},
    ).result_rows
    return [str(name) for (name,) in rows]


def copy_rows(client: Client, source: str, target: str) -> None:
    """Adds the rows of one database to another of the same version."""
    for table in tables(client, source):
        client.command(f"ALTER TABLE `{target}`.{table} ATTACH PARTITION ALL FROM `{source}`.{table}")


def newest_sessions(client: Client) -> list[OpenSession]:
    """Every user's newest session, in the order of the users' ids."""
    rows = client.query(
        "SELECT toString(user_id) AS id, toString(argMax(session_id, last_event_at)),"
        " toUnixTimestamp64Milli(max(last_event_at)), argMax(events, last_event_at)"
        " FROM sessions GROUP BY user_id ORDER BY id"
    ).result_rows
    return [
        OpenSession(str(user_id), str(session_id), datetime.fromtimestamp(int(last_ms) / 1000, UTC), int(events))
        for user_id, session_id, last_ms, events in rows
    ]


def differing_sessions(client: Client, user_id: str, gap_ms: int) -> int:
    """How many of a user's sessions do not agree with the user's events."""
    return int(client.query(_sql("session_differences"), {"user": user_id, "gap_ms": gap_ms}).result_rows[0][0])


def _sql(name: str) -> str:
    """The text of `name.sql`, with the columns, actions and maestros that it leaves open."""
    text = Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
    actions = [(category, action) for category, of_category in CATEGORIES.items() for action in of_category]
    lists = {
        "{counters}": ", ".join(ACTION_COLUMNS.values()),
        "{counts}": ", ".join(f"toUInt32(countIf(action = '{action}'))" for action in ACTION_COLUMNS),
        "{actions}": str(actions),
        "{maestros}": str(list(MAESTROS)),
    }
    for placeholder, items in lists.items():
        text = text.replace(placeholder, items)
    return text
