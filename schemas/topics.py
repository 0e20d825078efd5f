"""The dead-letter message: the original bytes, and in the headers why and from where.

Its key is `partition:offset` of the source, so a message dead-lettered again after a crash is recognised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.ids import are_canonical

LARGEST_MESSAGE = 16 << 20
"""Bytes of the largest record batch that the events topic takes (`max.message.bytes`)."""
LARGEST_DEAD_LETTER = 64 << 20
"""The same of the dead-letter topic: a message that came compressed is written uncompressed, with more headers."""

REASON_HEADER = "reason"
SOURCE_TOPIC_HEADER = "source-topic"
SOURCE_PARTITION_HEADER = "source-partition"
SOURCE_OFFSET_HEADER = "source-offset"
SOURCE_KEY_HEADER = "source-key"
SOURCE_TOPIC_ID_HEADER = "source-topic-id"
REDRIVEN_HEADER = "redriven"
"""Of a note in the dead-letter topic: the offset there of the dead letter that was sent again."""

UNKNOWN_TOPIC = "00000000-0000-0000-0000-000000000000"
"""Stands for the id of a topic that nobody knows: of brokers and messages from before topics had ids."""

_ADDED_HEADERS = {
    REASON_HEADER,
    SOURCE_TOPIC_HEADER,
    SOURCE_TOPIC_ID_HEADER,
    SOURCE_PARTITION_HEADER,
    SOURCE_OFFSET_HEADER,
    SOURCE_KEY_HEADER,
}


def may_be_one_topic(topic_id: str, other: str) -> bool:
    """Whether two ids are of one topic, as far as both are known; commits from before topics had ids say ''."""
    return len({topic_id, other} - {UNKNOWN_TOPIC, ""}) < 2


class Source(NamedTuple):
    """Where a dead letter came from; `topic_id` is Kafka's id of the topic, which a topic made anew does not keep."""

    topic: str
    partition: int
    offset: int
    topic_id: str = UNKNOWN_TOPIC


def dead_letter_key(source: Source) -> bytes:
    """The same for every copy of one dead letter."""
    return f"{source.partition}:{source.offset}".encode()


def dead_letter_headers(
    source: Source, reason: str, key: bytes | None, original: Sequence[tuple[str, bytes]]
) -> list[tuple[str, bytes]]:
    """The original's headers, then the reason (cut at 1000 characters) and the source."""
    return [
        *without_source(original),
        (REASON_HEADER, reason[:1000].encode(errors="backslashreplace")),
        *source_headers(source),
        (SOURCE_KEY_HEADER, key or b""),
    ]


def redriven_note(source: Source, letter_offset: int) -> list[tuple[str, bytes]]:
    """The headers of the note that the dead letter at `letter_offset` of the dead-letter topic was sent again."""
    return [(REDRIVEN_HEADER, str(letter_offset).encode()), *source_headers(source)]


def source_headers(source: Source) -> list[tuple[str, bytes]]:
    """Says where a message first stood: in a dead letter, and in a message that was redriven."""
    return [
        (SOURCE_TOPIC_HEADER, source.topic.encode()),
        (SOURCE_TOPIC_ID_HEADER, source.topic_id.encode()),
        (SOURCE_PARTITION_HEADER, str(source.partition).encode()),
        (SOURCE_OFFSET_HEADER, str(source.offset).encode()),
    ]


def without_source(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers less those that dead-lettering and redriving add."""
    return [(name, value) for name, value in headers if name not in _ADDED_HEADERS]


def source_of(headers: Iterable[tuple[str, bytes]]) -> Source:
    """Where a dead letter or a redriven message first stood; raises `KeyError` or `ValueError` for any other."""
    found = dict(headers)
    topic_id = found.get(SOURCE_TOPIC_ID_HEADER, UNKNOWN_TOPIC.encode()).decode()
    if not are_canonical([topic_id]):
        raise ValueError(f"{topic_id!r} is no topic id")
    return Source(
        found[SOURCE_TOPIC_HEADER].decode(),
        int(found[SOURCE_PARTITION_HEADER]),
        int(found[SOURCE_OFFSET_HEADER]),
        topic_id,
    )
