"""Step 1 of a flush: what a Kafka message says, or why it is poison.

Only the fields the fold needs are decoded; the bytes of a row go to ClickHouse as they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from processors.places import Place
from schemas.envelope import KIND_HEADER, VERSION, VERSION_HEADER, decode_erasure
from schemas.events import ACTION_COLUMNS
from schemas.ids import are_canonical
from schemas.topics import UNKNOWN_TOPIC, source_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ROW_END = b"}\n"
_ROW_BORDER = b"}\n{"
# The days of ClickHouse's Date, by which events are partitioned, end in 2149.
_LAST_YEAR = 2100
# Kind and version; only a redriven message has more.
_OWN_HEADERS = 2


class Poison(Exception):
    """A message that can never be processed as it is; the message says why."""


class Message(NamedTuple):
    """One Kafka message as it came."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    topic_id: str = UNKNOWN_TOPIC

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.topic_id, self.partition, self.offset)

    @property
    def source(self) -> Place:
        """Where it first stood: elsewhere, if it is a dead letter that was redriven."""
        if len(self.headers) > _OWN_HEADERS:
            try:
                _, partition, offset, topic_id = source_of(self.headers)
            except (KeyError, ValueError):
                return self.place
            return Place(topic_id, partition, offset)
        return self.place

    @property
    def stored_place(self) -> Place:
        """The place that its events are stored with: the source, so that it can be compared with an erasure's.

        A redrive into another partition keeps its own, by which a redelivery is recognized.
        """
        source = self.source
        return source if source.partition == self.partition else self.place

    @property
    def events(self) -> int:
        """About how many events it carries."""
        return self.value.count(b"\n")


class Row(msgspec.Struct, gc=False):
    """What the fold needs of one event of an envelope."""

    event_id: str
    user_id: str
    session_id: str
    action: str
    occurred_at: datetime
    label: str = ""

    @property
    def at_ms(self) -> int:
        """When it happened, in whole milliseconds since 1970 (cut, as ClickHouse stores it)."""
        return (self.occurred_at - _EPOCH) // _MILLISECOND


@dataclass(slots=True)
class EventBatch:
    """A decoded `events` message: `lines()` are its rows as JSON, in the order of `rows`."""

    message: Message
    rows: list[Row]

    def stored_lines(self, kept: list[int] | None, epoch: int) -> bytes:
        """The rows (all, or those at the indices `kept`) as ClickHouse gets them: with their place in Kafka."""
        stored = self.message.stored_place
        # Named even when it is 0: ClickHouse then refuses a row that comes with one of its own.
        place = b',"kafka_partition":%d,"kafka_offset":%d,"epoch":%d' % (stored.partition, stored.offset, epoch)
        value = self.message.value
        if kept is not None:
            lines = value.split(b"\n")
            value = b"".join([lines[index] + b"\n" for index in kept])
        # A JSON text holds no raw newline, so a brace before one can only end a row.
        return value.replace(_ROW_END, place + _ROW_END)


@dataclass(slots=True, frozen=True)
class ErasureRequest:
    """A decoded `erasure` message."""

    message: Message
    user_id: str


_decode_rows = msgspec.json.Decoder(Row).decode_lines


def decode(message: Message) -> EventBatch | ErasureRequest:
    """What the message asks for; raises `Poison` if it asks for nothing that can be done."""
    found = dict(message.headers)
    if found.get(VERSION_HEADER) != VERSION:
        raise Poison(f"header {VERSION_HEADER!r} is not {VERSION.decode()!r}")
    kind = found.get(KIND_HEADER)
    try:
        if kind == b"events":
            return _events(message)
        if kind == b"erasure":
            user_id = decode_erasure(message.value).user_id
            if not are_canonical([user_id]):
                raise Poison("user_id is not a lower-case UUID")
            return ErasureRequest(message, user_id)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Poison(f"cannot be decoded: {error}") from error
    raise Poison(f"header {KIND_HEADER!r} is neither 'events' nor 'erasure'")


def _events(message: Message) -> EventBatch:
    value = message.value
    if not value.isascii():
        value.decode()  # members that are not decoded here are text as well
    rows = _decode_rows(value)
    if not rows:
        raise Poison("holds no rows")
    if not _stand_one_to_a_line(value, len(rows)):
        raise Poison("is not one JSON object a line")
    if not are_canonical([text for row in rows for text in (row.event_id, row.user_id, row.session_id)]):
        raise Poison("an id is not a lower-case UUID")
    for row in rows:
        if row.action not in ACTION_COLUMNS:
            raise Poison(f"unknown action: {row.action!r}")
        if row.occurred_at.tzinfo is None:
            raise Poison("occurred_at has no offset from UTC")
        if row.occurred_at.year > _LAST_YEAR:
            raise Poison(f"occurred_at is later than {_LAST_YEAR}")
    return EventBatch(message, rows)


def _stand_one_to_a_line(value: bytes, rows: int) -> bool:
    """Whether each of the JSON objects decoded from it has a line of its own.

    Within an object, something stands between a closing brace and an opening one; so a newline right between them
    parts two objects, and when there is no other newline than those and the last, every line is one of them.
    """
    newlines = value.count(b"\n")
    return newlines == rows == value.count(_ROW_BORDER) + 1 and value.endswith(_ROW_END) and value.startswith(b"{")
