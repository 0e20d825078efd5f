"""Dead letters: which there are, and how they get another try.

A dead letter is written again after a crash, so copies share a source and count as one. Redriving sends the original
message once more, together with its source, and then notes that in the dead-letter topic, so that it is done once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    REDRIVEN_HEADER,
    SOURCE_KEY_HEADER,
    UNKNOWN_TOPIC,
    Source,
    dead_letter_key,
    redriven_note,
    source_headers,
    source_of,
    without_source,
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be processed, as it was, and why.

    `place` is its partition and offset in the dead-letter topic. One that was redriven and has died again is not
    `redriven`.
    """

    source: Source
    reason: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    died_at: datetime
    place: tuple[int, int]
    redriven: bool = False

    @property
    def name(self) -> str:
        """`partition:offset` of the source; what people call it by."""
        return f"{self.source.partition}:{self.source.offset}"

    @property
    def user_id(self) -> str | None:
        """Whose message it was, by its key."""
        key = (self.key or b"").decode(errors="replace")
        return key if are_canonical([key]) else None


class Letters:
    """Which messages are dead letters, out of the records of the dead-letter topic in the order of the log.

    `by_source` holds the newest letter of each, as its partition and offset in the dead-letter topic.
    """

    def __init__(self, at_most: int | None = None) -> None:
        """`at_most`: how many are remembered; the oldest are forgotten first."""
        self.by_source: dict[Source, tuple[int, int]] = {}
        self._redriven: dict[Source, int] = {}
        self._at_most = at_most

    def take(self, message: ConsumerRecord[bytes, bytes]) -> Source | None:
        """Takes in a record; returns its source if it is a dead letter, and `None` if it is a note or none of ours."""
        headers = [(name, bytes(value or b"")) for name, value in message.headers]
        try:
            source = source_of(headers)
            noted = dict(headers).get(REDRIVEN_HEADER)
            if noted is not None:
                self._redriven[source] = max(self._redriven.get(source, -1), int(noted))
                return None
        except (KeyError, ValueError):
            return None
        self.by_source.pop(source, None)
        self.by_source[source] = (message.partition, message.offset)
        if self._at_most is not None and len(self.by_source) > self._at_most:
            oldest = next(iter(self.by_source))
            del self.by_source[oldest]
            self._redriven.pop(oldest, None)
        return source

    def is_redriven(self, source: Source) -> bool:
        """Whether the newest letter of a source was sent again."""
        return self.by_source[source][1] <= self._redriven.get(source, -1)

    def is_dead(self, place: Source, source: Source | None) -> bool:
        """Whether the message at a place, redriven from `source` if there is one, was not processed."""
        return any(known in self.by_source for known in _as_noted(place)) or (
            source is not None
            and any(known in self.by_source and not self.is_redriven(known) for known in _as_noted(source))
        )


async def dead_letters(settings: SharedSettings) -> list[DeadLetter]:
    """Every dead letter once, by source partition and offset. Raises `Unreachable`, `WrongUse`."""
    topic = settings.dead_letter_topic
    letters = Letters()
    found: dict[Source, DeadLetter] = {}
    async for _, messages in read(settings, topic, await spans(settings, topic)):
        for message in messages:
            source = letters.take(message)
            if source is not None:
                found[source] = _dead_letter(message, source)
    return [replace(found[source], redriven=letters.is_redriven(source)) for source in sorted(found)]


def _as_noted(source: Source) -> tuple[Source, Source]:
    """As its dead letter may name it: letters from before topics had ids do not know them."""
    return source, source._replace(topic_id=UNKNOWN_TOPIC)


def _dead_letter(message: ConsumerRecord[bytes, bytes], source: Source) -> DeadLetter:
    headers = [(name, bytes(value or b"")) for name, value in message.headers]
    last = dict(headers)
    return DeadLetter(
        source=source,
        reason=last.get(REASON_HEADER, b"").decode(errors="replace"),
        key=last.get(SOURCE_KEY_HEADER) or None,
        value=message.value or b"",
        headers=without_source(headers),
        died_at=datetime.fromtimestamp(message.timestamp / 1000, UTC),
        place=(message.partition, message.offset),
    )


async def redrive(settings: SharedSettings, letters: Iterable[DeadLetter]) -> int:
    """Sends the originals to the events topic again and returns how many Kafka acknowledged.

    Each goes to the partition where its user's messages go now, with its source: what an erasure covers stays erased.
    If this is interrupted, the last one may be sent once more later: events are known by their id and counted once.
    Raises `Unreachable`, `WrongUse`.
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
                    headers=[*letter.headers, *source_headers(letter.source)],
                )
                partition, offset = letter.place
                await client.send_and_wait(
                    settings.dead_letter_topic,
                    b"",
                    key=dead_letter_key(letter.source),
                    partition=partition,
                    headers=redriven_note(letter.source, offset),
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
    user_id = letter.user_id
    return letter.source.partition % partitions if user_id is None else partition_for(user_id, partitions)
