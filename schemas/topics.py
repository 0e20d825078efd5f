"""The dead-letter message: the original bytes, and in the headers why and from where.

Its key is `partition:offset` of the source, so a message dead-lettered again after a crash is recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LARGEST_MESSAGE = 16 << 20
"""Bytes of the largest record batch that the events topic takes (`max.message.bytes`)."""
LARGEST_DEAD_LETTER = 64 << 20
"""The same of the dead-letter topic: a message that came compressed is written uncompressed, with more headers."""

REASON_HEADER = "reason"
SOURCE_TOPIC_HEADER = "source-topic"
SOURCE_PARTITION_HEADER = "source-partition"
SOURCE_OFFSET_HEADER = "source-offset"
SOURCE_KEY_HEADER = "source-key"


class Source(NamedTuple):
    """Where a dead letter came from."""

    topic: str
    partition: int
    offset: int


def dead_letter_key(source: Source) -> bytes:
    """The same for every copy of one dead letter."""
    return f"{source.partition}:{source.offset}".encode()


def dead_letter_headers(
    source: Source, reason: str, key: bytes | None, original: Sequence[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    """The original's headers, then the reason (cut at 1000 characters) and the source."""
    return [
        *original,
        (REASON_HEADER, reason[:1000].encode(errors="backslashreplace")),
        (SOURCE_TOPIC_HEADER, source.topic.encode()),
        (SOURCE_PARTITION_HEADER, str(source.partition).encode()),
        (SOURCE_OFFSET_HEADER, str(source.offset).encode()),
        (SOURCE_KEY_HEADER, key or b""),
    ]


def dead_letter_source(headers: list[tuple[str, bytes]]) -> Source:
    """Where a dead letter came from; raises `KeyError` or `ValueError` for a message that is none."""
    found = dict(headers)
    return Source(
        found[SOURCE_TOPIC_HEADER].decode(),
        int(found[SOURCE_PARTITION_HEADER]),
        int(found[SOURCE_OFFSET_HEADER]),
    )
