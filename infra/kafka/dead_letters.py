"""Dead letters: which there are, and how they get another try.

A dead letter is written again after a crash, so copies share a key and count as one. Redriving sends the
original message once more; the topic of dead letters itself is only ever read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from infra.errors import WrongUse
from infra.kafka.client import partitions_of, producer
from infra.kafka.reading import read, spans
from schemas.envelope import partition_for
from schemas.ids import are_canonical
from schemas.settings import SharedSettings
from schemas.topics import (
    REASON_HEADER,
    SOURCE_KEY_HEADER,
    SOURCE_OFFSET_HEADER,
    SOURCE_PARTITION_HEADER,
    SOURCE_TOPIC_HEADER,
    Source,
    dead_letter_source,
)

_ADDED_HEADERS = {
    REASON_HEADER,
    SOURCE_TOPIC_HEADER,
    SOURCE_PARTITION_HEADER,
    SOURCE_OFFSET_HEADER,
    SOURCE_KEY_HEADER,
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be processed, as it was, and why."""

    source: Source
    reason: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    died_at: datetime

    @property
    def name(self) -> str:
        """`partition:offset` of the source; what people call it by."""
        return f"{self.source.partition}:{self.source.offset}"


def dead_letter(message: ConsumerRecord[bytes, bytes]) -> DeadLetter | None:
    """What a message of the dead-letter topic says; None if it is none of ours."""
    headers = [(name, bytes(value or b"")) for name, value in message.headers]
    try:
        source = dead_letter_source(headers)
    except (KeyError, ValueError):
        return None
    last = dict(headers)
    return DeadLetter(
        source=source,
        reason=last.get(REASON_HEADER, b"").decode(errors="replace"),
        key=last.get(SOURCE_KEY_HEADER) or None,
        value=message.value or b"",
        headers=[(name, value) for name, value in headers if name not in _ADDED_HEADERS],
        died_at=datetime.fromtimestamp(message.timestamp / 1000, UTC),
    )


async def dead_letters(settings: SharedSettings) -> list[DeadLetter]:
    """Every dead letter once, by source partition and offset. Raises `Unreachable`, `WrongUse`."""
    topic = settings.dead_letter_topic
    found: dict[Source, DeadLetter] = {}
    async for _, messages in read(settings, topic, await spans(settings, topic)):
        for message in messages:
            if letter := dead_letter(message):
                found.setdefault(letter.source, letter)
    return [found[source] for source in sorted(found)]


async def redrive(settings: SharedSettings, letters: Iterable[DeadLetter]) -> int:
    """Sends the originals to the events topic again and returns how many Kafka acknowledged.

    Each goes to the partition where its user's messages go now. A redrive can be repeated: events are known by
    their id and counted once. Raises `Unreachable`, `WrongUse`.
    """
    count = 0
    partitions = len(await partitions_of(settings, settings.events_topic))
    async with producer(settings) as client:
        for letter in letters:
            try:
                await client.send_and_wait(
                    settings.events_topic,
                    letter.value,
                    key=letter.key,
                    partition=_partition(letter, partitions),
                    headers=letter.headers,
                )
            except MessageSizeTooLargeError as error:
                raise WrongUse(
                    f"dead letter {letter.name} ({len(letter.value)} bytes) is larger than {settings.events_topic} "
                    "takes; raise that topic's max.message.bytes"
                ) from error
            count += 1
    return count


def _partition(letter: DeadLetter, partitions: int) -> int:
    """The user's partition; where it came from, if its key names no user."""
    key = (letter.key or b"").decode(errors="replace")
    return partition_for(key, partitions) if are_canonical([key]) else letter.source.partition % partitions
