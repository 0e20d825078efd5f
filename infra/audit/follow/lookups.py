"""What ClickHouse shows of a chunk: by the ids in it, so that a query is bounded by the chunk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from clickhouse_connect.driver.client import Client

from infra.audit.follow.verdict import Event, Session
from infra.audit.messages import id_bytes
from infra.audit.stored import session_differences
from schemas.topics import Source

LARGEST_SESSION = 200_000
"""Events of the largest session that is compared: each comparison reads all of them."""

_IDS_PER_QUERY = 20_000

_SHOWN = """
SELECT UUIDStringToNum(toString(user_id)), UUIDStringToNum(toString(event_id)), count()
FROM events WHERE user_id IN ({users}) AND event_id IN ({others})
GROUP BY user_id, event_id
"""

_OLDEST = """
SELECT UUIDStringToNum(toString(user_id)), min(kafka_offset)
FROM events WHERE user_id IN ({users}) AND kafka_partition = {partition}
GROUP BY user_id
"""

_ERASURES = """
SELECT toString(user_id), toString(topic_id), kafka_partition, kafka_offset
FROM erasures_data FINAL WHERE user_id IN ({users})
"""

_THESE_SESSIONS = """
user_id IN ({users}) AND session_id IN ({others}) AND (user_id, session_id) NOT IN
(
    SELECT user_id, session_id FROM sessions
    WHERE user_id IN ({users}) AND session_id IN ({others}) AND events > {largest}
)
"""

Key = TypeVar("Key", bytes, tuple[bytes, bytes])


class Lookups:
    """Queries over one connection; `beat` is called after each. Every method blocks and raises the driver's errors."""

    def __init__(self, client: Client, beat: Callable[[], None]) -> None:
        self._client = client
        self._beat = beat

    def shown(self, events: Collection[Event]) -> dict[Event, int]:
        """How many rows of the view `events` each event has; those without any are left out."""
        return {
            (user, event): rows for part in _parts(events) for user, event, rows in self._rows(_SHOWN, _pairs(part))
        }

    def oldest_offsets(self, users: Collection[bytes], partition: int) -> dict[bytes, int]:
        """The smallest offset in a partition among the rows shown of each user; users without any are left out."""
        return {
            user: offset
            for part in _parts(users)
            for user, offset in self._rows(_OLDEST, {"users": _quoted(part), "partition": str(partition)})
        }

    def erasures(self, users: Collection[bytes], topic: str) -> dict[bytes, list[Source]]:
        """The messages that asked for the erasures carried out for each user."""
        found: dict[bytes, list[Source]] = {}
        for part in _parts(users):
            for user, topic_id, partition, offset in self._rows(_ERASURES, {"users": _quoted(part)}):
                found.setdefault(id_bytes(user), []).append(Source(topic, partition, offset, topic_id))
        return found

    def wrong_sessions(self, sessions: Collection[Session], gap_ms: int) -> set[Session]:
        """Those of some sessions whose row is not what their events give."""
        found: set[Session] = set()
        for part in _parts(sessions):
            these = _filled(_THESE_SESSIONS, {**_pairs(part), "largest": str(LARGEST_SESSION)})
            differences = session_differences(self._client, gap_ms, these)
            found |= {(id_bytes(each.user_id), id_bytes(each.session_id)) for each in differences}
            self._beat()
        return found & set(sessions)

    def _rows(self, text: str, values: Mapping[str, str]) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self._client.query(_filled(text, values)).result_rows
        self._beat()
        return rows


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _pairs(ids: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    users, others = zip(*ids, strict=True)
    return {"users": _quoted(set(users)), "others": _quoted(set(others))}


def _quoted(ids: Iterable[bytes]) -> str:
    return ",".join(f"'{UUID(bytes=each)}'" for each in ids)


def _parts(ids: Collection[Key]) -> Iterator[list[Key]]:
    """Sorted, so that a user's ids are in one part."""
    ordered = sorted(ids)
    return (ordered[start : start + _IDS_PER_QUERY] for start in range(0, len(ordered), _IDS_PER_QUERY))
