"""ClickHouse as the processors see it: rows in, what a flush needs out. It knows SQL and errors, and holds no rules."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.summary import QuerySummary

from processors.connection import NEEDS, connect
from processors.places import Place
from processors.sql import sql
from schemas.clickhouse import tls_refusal, unmet
from schemas.logs import without_ids
from schemas.settings import SharedSettings
from schemas.topics import UNKNOWN_TOPIC

# Codes of ClickHouse that blame the rows, not the server: sending them again cannot help.
_ROW_ERRORS = {
    6,  # CANNOT_PARSE_TEXT
    25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
    26,  # CANNOT_PARSE_QUOTED_STRING
    27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33,  # CANNOT_READ_ALL_DATA
    38,  # CANNOT_PARSE_DATE
    41,  # CANNOT_PARSE_DATETIME
    53,  # TYPE_MISMATCH
    69,  # ARGUMENT_OUT_OF_BOUND
    72,  # CANNOT_PARSE_NUMBER
    117,  # INCORRECT_DATA
    130,  # CANNOT_READ_ARRAY_FROM_TEXT
    306,  # TOO_DEEP_RECURSION
    321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    376,  # CANNOT_PARSE_UUID
    407,  # DECIMAL_OVERFLOW, which a time of many digits gives
    467,  # CANNOT_PARSE_BOOL
}

# The answer comes when all is done, or has failed. With its headers of progress ClickHouse says 200 before that.
_AT_THE_END = {"wait_end_of_query": 1, "send_progress_in_http_headers": 0}
# TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT
_TOO_LARGE_TO_DROP = 359
_QUOTED_STATEMENT = re.compile(r" in scope .*(?=\. \()", re.DOTALL | re.IGNORECASE)
_USERS_PER_QUERY = 2000
_IDS_PER_QUERY = 20_000
_NO_ID = "00000000-0000-0000-0000-000000000000"

Row = TypeVar("Row")
Ids = Mapping[str, Collection[str]]
"""Ids of events or sessions by user."""


class SinkUnavailable(Exception):
    """ClickHouse did not do what was asked, or nobody knows whether it did. Try again later."""


class PartitionTooLarge(Exception):
    """ClickHouse does not drop a partition of that size for this user; the message is its own."""


class RowsRefused(Exception):
    """ClickHouse cannot read the rows. Trying again is of no use."""


class StoredSession(NamedTuple):
    """One row of `sessions_data`; times are milliseconds since 1970, `counts` in the order of `ACTION_COLUMNS`.

    `last_study_ms` is 0 if there is no study event, or if the row was written when every event counted as one.
    """

    user_id: str
    session_id: str
    epoch: int
    started_ms: int
    last_ms: int
    last_study_ms: int
    study_ms: int
    events: int
    counts: list[int]
    maestros: dict[str, int]


class SessionEvents(NamedTuple):
    """The stored events of one session, summed up.

    Times are milliseconds since 1970. `spans` are the earliest and the latest study event of each span of one session
    gap, in any order; `maestros` and `selections` belong together, `other_selections` are those of further maestros.
    """

    user_id: str
    session_id: str
    epoch: int
    started_ms: int
    last_ms: int
    events: int
    counts: list[int]
    maestros: list[str]
    selections: list[int]
    other_selections: int
    spans: list[tuple[int, int]]


class StoredEvent(NamedTuple):
    """One row of `events_data`, as far as dedup needs it."""

    user_id: str
    event_id: str
    epoch: int
    partition: int
    offset: int


class StoredUser(NamedTuple):
    """A user who has rows in `events_data`, and the newest epoch among them."""

    user_id: str
    epoch: int


class StoredErasure(NamedTuple):
    """One row of `erasures_data`."""

    user_id: str
    topic_id: str
    partition: int
    offset: int
    epoch: int

    @property
    def place(self) -> Place:
        """Where the message stands that asked for it."""
        return Place(self.topic_id, self.partition, self.offset)


class _Answer(msgspec.Struct, Generic[Row]):
    """A whole answer. HTTP cannot tell one that was cut off in its head from an empty one; JSON can."""

    data: list[Row]


_decode_sessions = msgspec.json.Decoder(_Answer[StoredSession]).decode
_decode_session_events = msgspec.json.Decoder(_Answer[SessionEvents]).decode
_decode_events = msgspec.json.Decoder(_Answer[StoredEvent]).decode
_decode_users = msgspec.json.Decoder(_Answer[StoredUser]).decode
_decode_erasures = msgspec.json.Decoder(_Answer[StoredErasure]).decode
_decode_texts = msgspec.json.Decoder(_Answer[list[str]]).decode
_encoder = msgspec.json.Encoder()


class Sink:
    """Connects when first used in a thread, and again after any error. Every method blocks.

    Every method raises `SinkUnavailable`; the inserts also `RowsRefused`. `beat` is called after each attempt: a
    flush may take many of them.
    """

    def __init__(self, settings: SharedSettings, beat: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._beat = beat
        self._of_this_thread = threading.local()
        # Its items are slugs, which need no escaping.
        self._known = f"CAST({list(settings.maestros)}, 'Array(String)')"

    def close(self) -> None:
        """Ends this thread's connection."""
        client: Client | None = getattr(self._of_this_thread, "client", None)
        self._of_this_thread.client = None
        if client is not None:
            client.close()

    def stored_sessions(self, sessions: Ids) -> list[StoredSession]:
        """The rows of some sessions, by user and session id; rows of others may be among them."""
        return [
            row
            for part in _parts(sessions)
            for row in self._rows(
                _decode_sessions, "stored_sessions", users=_quoted(part), sessions=_quoted(_second(part))
            )
        ]

    def stored_events(self, events: Ids) -> list[StoredEvent]:
        """Those of some events that are stored, by offset; an event may stand there twice, and others among them."""
        return [
            row
            for part in _parts(events)
            for row in self._rows(_decode_events, "stored_events", users=_quoted(part), events=_quoted(_second(part)))
        ]

    def stored_users(self, user_ids: Iterable[str]) -> list[StoredUser]:
        """Those of some users who have any row in `events_data`."""
        return [
            row
            for users in _chunks(sorted(user_ids))
            for row in self._rows(_decode_users, "stored_users", users=_quoted(users))
        ]

    def session_events(
        self, sessions: Ids, without: Iterable[str], gap_ms: int, max_maestros: int
    ) -> list[SessionEvents]:
        """Some sessions as their stored events say, less the event ids `without`; others may be among them."""
        left_out = _quoted(without) or f"'{_NO_ID}'"
        return [
            row
            for part in _parts(sessions)
            for row in self._rows(
                _decode_session_events,
                "session_events",
                users=_quoted(part),
                sessions=_quoted(_second(part)),
                without=left_out,
                gap=gap_ms,
                max_maestros=max_maestros,
            )
        ]

    def erasures(self, user_ids: Iterable[str]) -> list[StoredErasure]:
        """Every erasure that was carried out for the users."""
        return [
            erasure
            for users in _chunks(sorted(user_ids))
            for erasure in self._rows(_decode_erasures, "erasures", users=_quoted(users))
        ]

    def erasures_at(self, place: Place, user_id: str) -> list[StoredErasure]:
        """The erasure that the message at a place asked for, if it was carried out; its user may be forgotten."""
        return self._rows(
            _decode_erasures,
            "erasures_at",
            topic=place.topic_id,
            partition=place.partition,
            offset=place.offset,
            user=user_id,
            unknown_topic=UNKNOWN_TOPIC,
        )

    def insert_events(self, lines: bytes) -> None:
        """Stores events: JSON rows of `events_data`, one a line, as one block."""
        self._insert("events_data", lines)

    def insert_sessions(self, rows: Sequence[dict[str, Any]]) -> None:
        """Stores sessions: the absolute values of `sessions_data`, as one block."""
        self._insert("sessions_data", _encoder.encode_lines(rows))

    def command(self, name: str, **values: str | int) -> None:
        """Runs the statement `sql/NAME.sql`. Values must be numbers or ids checked before."""
        self._command(self._text(name, {"known": self._known, **values}))

    def texts(self, name: str, **values: str | int) -> list[list[str]]:
        """The rows that the query `sql/NAME.sql` answers with; its columns are strings."""
        return self._rows(_decode_texts, name, **values)

    def drop_partition(self, partition: str) -> None:
        """Drops one day of events. Raises `PartitionTooLarge` for a size the server protects from being dropped."""
        try:
            self._command(f"ALTER TABLE events_data DROP PARTITION '{partition}'")
        except SinkUnavailable as error:
            if getattr(error.__cause__, "code", None) == _TOO_LARGE_TO_DROP:
                raise PartitionTooLarge(str(error)) from error
            raise

    def _rows(self, decode: Callable[[bytes], _Answer[Row]], name: str, **values: str | int) -> list[Row]:
        text = self._text(name, values)
        try:
            return decode(self._connected().raw_query(text, settings=_AT_THE_END, fmt="JSONCompact")).data
        except (ClickHouseError, OSError, msgspec.MsgspecError) as error:
            self.close()
            raise _unavailable(error) from error
        finally:
            self._beat()

    def _text(self, name: str, values: Mapping[str, str | int]) -> str:
        text = sql(name)
        for placeholder, value in values.items():
            text = text.replace(f"{{{placeholder}}}", str(value))
        return text

    def _command(self, text: str) -> None:
        try:
            self._connected().command(text, settings=_AT_THE_END)
        except (ClickHouseError, OSError) as error:
            self.close()
            raise _unavailable(error) from error
        finally:
            self._beat()

    def _insert(self, table: str, lines: bytes) -> None:
        try:
            summary = self._connected().raw_insert(table, insert_block=lines, fmt="JSONEachRow", settings=_AT_THE_END)
            _require_written(summary, lines.count(b"\n"))
        except ClickHouseError as error:
            self.close()
            if getattr(error, "code", None) in _ROW_ERRORS:
                raise RowsRefused(f"refused by ClickHouse: {error}") from error
            raise _unavailable(error) from error
        except OSError as error:
            self.close()
            raise _unavailable(error) from error
        finally:
            self._beat()

    def _connected(self) -> Client:
        client: Client | None = getattr(self._of_this_thread, "client", None)
        if client is None:
            client = self._of_this_thread.client = connect(self._settings)
            lacks = unmet(client.server_version, client.server_settings, NEEDS)
            if lacks is not None:
                self.close()
                raise SinkUnavailable(f"ClickHouse cannot be used: {lacks}")
            self._beat()
        return client


def _unavailable(error: Exception) -> SinkUnavailable:
    """The error without what it quotes of the statement: `/readyz` shows it."""
    why = tls_refusal(error)
    said = _QUOTED_STATEMENT.sub("", without_ids(str(error)))
    return SinkUnavailable(said if why is None else f"ClickHouse {why}")


def _require_written(summary: QuerySummary, rows: int) -> None:
    """Raises `SinkUnavailable` unless the answer says that so many rows were written, or more (a view's count, too)."""
    written = summary.summary.get("written_rows")
    if written is None or int(written) < rows:
        raise SinkUnavailable(f"ClickHouse's answer breaks off, or {written} rows of {rows} were written")


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + _USERS_PER_QUERY] for start in range(0, len(ids), _USERS_PER_QUERY))


def _parts(ids: Ids) -> Iterable[Ids]:
    """Parts with a bounded number of users and of ids, so that no statement grows without bound."""
    part: dict[str, Collection[str]] = {}
    size = 0
    for user_id in sorted(ids):
        part[user_id] = ids[user_id]
        size += len(ids[user_id])
        if len(part) == _USERS_PER_QUERY or size >= _IDS_PER_QUERY:
            yield part
            part, size = {}, 0
    if part:
        yield part


def _second(ids: Ids) -> Iterable[str]:
    return itertools.chain.from_iterable(ids.values())


def _quoted(ids: Iterable[str]) -> str:
    return ",".join([f"'{each}'" for each in ids])
