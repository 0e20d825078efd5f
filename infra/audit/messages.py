"""A message of the events topic, as an audit reads it.

Decoded here and not by the processors' code: an audit that shared their decoding would share their mistakes.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from schemas.envelope import KIND_HEADER
from schemas.topics import Source, may_be_one_topic, source_of

ID_BYTES = 16

Where = tuple[int, int]
"""Partition and offset of a message; of an earlier topic of the same name the partition is negative."""


class Row(msgspec.Struct, gc=False):
    """What an audit needs of one event of a message."""

    user_id: str
    event_id: str
    occurred_at: datetime
    received_at: datetime
    session_id: str = ""


class Erasure(msgspec.Struct):
    """What an audit needs of a request to erase a user."""

    user_id: str


decode_rows = msgspec.json.Decoder(Row).decode_lines
decode_erasure = msgspec.json.Decoder(Erasure).decode
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises for a message that cannot be read; `id_bytes` as well."""


class Message(NamedTuple):
    """`kind` is `events` or `erasure`. `source` is where a redriven message first stood, else `None`."""

    offset: int
    timestamp_ms: int
    kind: str
    value: bytes
    source: Source | None


def read_message(record: ConsumerRecord[bytes, bytes]) -> Message:
    """A record of the events topic."""
    headers = [(name, bytes(value or b"")) for name, value in record.headers]
    kind = (dict(headers).get(KIND_HEADER) or b"events").decode(errors="replace")
    source: Source | None
    try:
        source = source_of(headers)
    except (KeyError, ValueError):
        source = None
    return Message(record.offset, record.timestamp, kind, record.value or b"", source)


def where(source: Source, topic_id: str) -> Where:
    """Partition and offset of a source, relative to the topic with that id."""
    if may_be_one_topic(source.topic_id, topic_id):
        return source.partition, source.offset
    return -1 - source.partition, source.offset


def is_covered(source: Where, partition: int, erasure: Where) -> bool:
    """Whether an erasure came after a message that first stood at `source` and was read from `partition`.

    In one log the offsets decide. A source in another log is older than every erasure in the log it is read from.
    """
    if source[0] == erasure[0]:
        return source[1] <= erasure[1]
    return erasure[0] == partition != source[0]


def id_bytes(text: str) -> bytes:
    """The 16 bytes of a UUID. Raises `ValueError` if it is none."""
    found = bytes.fromhex(text.replace("-", ""))
    if len(found) != ID_BYTES:
        raise ValueError(f"{text!r} is no UUID")
    return found
