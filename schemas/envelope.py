"""What travels through Kafka: one message is one accepted batch, as NDJSON rows in ClickHouse's column names.

A row is readable by kcat, Kafka Connect and ClickHouse's own Kafka engine. Beside events, the same topic
carries erasures, so that both keep their order within a user's partition.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from zlib import crc32

import msgspec

KIND_HEADER = "kind"
VERSION_HEADER = "v"
VERSION = b"1"

Kind = Literal["events", "erasure"]


class EventRow(msgspec.Struct, omit_defaults=True, gc=False, kw_only=True):
    """One accepted event. `occurred_at` is the corrected client time, `received_at` the gateway's; both UTC.

    ClickHouse keeps milliseconds of both (finer digits are cut off, not rounded).
    """

    event_id: str
    user_id: str
    session_id: str
    category: str
    action: str
    occurred_at: datetime
    received_at: datetime
    label: str = ""
    value: float = 0.0
    metadata: dict[str, str | int | float | bool] = {}


class Erasure(msgspec.Struct, kw_only=True):
    """A user's wish to be forgotten: everything of theirs before this message in its partition goes."""

    user_id: str
    requested_at: datetime


_encoder = msgspec.json.Encoder()
_decode_erasure = msgspec.json.Decoder(Erasure).decode


def encode_events(rows: Iterable[EventRow]) -> bytes:
    """The value of an `events` message: a JSON row a line, each ended by a newline."""
    return _encoder.encode_lines(rows)


def encode_erasure(erasure: Erasure) -> bytes:
    """The value of an `erasure` message: one JSON object."""
    return _encoder.encode(erasure)


def decode_erasure(value: bytes) -> Erasure:
    """The inverse of `encode_erasure`; raises `msgspec.MsgspecError` for anything else."""
    return _decode_erasure(value)


def headers(kind: Kind) -> list[tuple[str, bytes]]:
    """The headers every message carries: what it is and the version of its format."""
    return [(KIND_HEADER, kind.encode()), (VERSION_HEADER, VERSION)]


def message_key(user_id: str) -> bytes:
    """The key of a message: its user's id as lower-case text."""
    return user_id.encode()


def partition_for(user_id: str, partitions: int) -> int:
    """The partition that holds all of a user's messages.

    CRC-32 of the key, as librdkafka's `consistent` partitioner does, so other producers can agree.
    """
    return crc32(user_id.encode()) % partitions
