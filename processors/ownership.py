"""Which offsets of a partition are ours, handed on, and stored: the delivery rules, without Kafka.

An `Ownership` is one stretch of time in which this processor holds a partition. Its offsets only grow:
start <= stored <= received <= handed_on. The next record handed on always has the offset `handed_on`, and nothing but
`stored` is ever committed, so no commit can pass over a record that was not delivered and stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.cache import UserCache
from processors.envelopes import Message
from schemas.topics import UNKNOWN_TOPIC


class DeliveryError(Exception):
    """A bug: a watermark or a position that would pass over records."""


class FetchLost(Exception):
    """A fetch that was handed on has not arrived at the message buffer."""


@dataclass(slots=True, eq=False)
class Ownership:
    """A partition that this processor holds, with the cache of its users.

    `handed_on`, `received` and `stored` are next offsets: everything before them was handed on by the transport, taken
    over by the message buffer, or stored (or dead-lettered). `committed` is what the broker has confirmed. All
    are offsets of the topic that has the id `topic_id`.
    """

    partition: int
    start: int
    topic_id: str = UNKNOWN_TOPIC
    handed_on: int = field(init=False)
    received: int = field(init=False)
    stored: int = field(init=False)
    committed: int | None = None
    revoked: bool = False
    cache: UserCache = field(default_factory=UserCache)

    def __post_init__(self) -> None:
        self.handed_on = self.received = self.stored = self.start

    def admit(self, messages: Sequence[Message], position: int, *, verified: bool = False) -> Admission:
        """Decides what of a poll is handed on; `position` is the consumer's next offset right after it.

        Records that follow `handed_on` without a gap are handed on, earlier ones have been already. If anything else
        was found, the answer asks for a check: a seek to `handed_on` and a fetch from there. Only such a check
        (`verified`), which reads one piece of the log, may show that the log holds no record at some offsets.
        """
        begins = self.handed_on
        if messages and messages[0].offset < begins:
            messages = [message for message in messages if message.offset >= begins]
        if verified:
            self.handed_on = max(begins, position, messages[-1].offset + 1 if messages else 0)
        else:
            messages = _contiguous(messages, begins)
            self.handed_on += len(messages)
        fetch = Fetch(self, begins, messages, self.handed_on) if self.handed_on > begins else None
        return Admission(fetch, check=position != self.handed_on)

    def pass_over(self, log_start: int) -> Fetch:
        """Goes on at the log's start, which has moved beyond `handed_on`; returns a fetch of the missing offsets."""
        if log_start <= self.handed_on:
            raise DeliveryError(f"partition {self.partition}: the log still holds offset {self.handed_on}")
        begins, self.handed_on = self.handed_on, log_start
        return Fetch(self, begins, [], log_start)

    def rewind(self) -> int:
        """Forgets what was handed on and never received; returns the offset to seek to."""
        self.handed_on = self.received
        return self.handed_on

    def receive(self, fetch: Fetch) -> Sequence[Message]:
        """Takes over a fetch; returns its messages, less those received before.

        Raises `FetchLost` if an earlier fetch is missing: then `rewind`, seek there and fetch again.
        """
        if fetch.begins > self.received:
            raise FetchLost(f"partition {self.partition}: received up to {self.received}, next is {fetch.begins}")
        messages = fetch.messages
        if fetch.begins < self.received:
            messages = [message for message in messages if message.offset >= self.received]
        self.received = max(self.received, fetch.ends)
        return messages

    def store(self, ends: int) -> None:
        """Everything before `ends` is stored or dead-lettered. Raises `DeliveryError` if it was never received."""
        if not self.stored <= ends <= self.received:
            raise DeliveryError(
                f"partition {self.partition}: cannot store up to {ends}, stored {self.stored}, received {self.received}"
            )
        self.stored = ends

    @property
    def committable(self) -> int | None:
        """The watermark, if the broker does not have it yet."""
        confirmed = self.start if self.committed is None else self.committed
        return self.stored if self.stored > confirmed and not self.revoked else None


@dataclass(slots=True, frozen=True, eq=False)
class Fetch:
    """Consecutive messages of one partition, for the offsets from `begins` up to `ends` (without it).

    There are fewer messages than offsets where the log itself holds no record.
    """

    ownership: Ownership
    begins: int
    messages: Sequence[Message]
    ends: int

    @property
    def missing(self) -> int:
        """At how many of its offsets the log holds no record."""
        return self.ends - self.begins - len(self.messages)


class Admission(NamedTuple):
    """What to hand on, and whether to check the position."""

    fetch: Fetch | None
    check: bool


class Ownerships(Mapping[int, Ownership]):
    """The partitions that this processor holds now, by number."""

    def __init__(self) -> None:
        self._held: dict[int, Ownership] = {}

    def __getitem__(self, partition: int) -> Ownership:
        return self._held[partition]

    def __iter__(self) -> Iterator[int]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, partition: int, start: int, topic_id: str = UNKNOWN_TOPIC) -> Ownership:
        """Begins a new ownership at the committed offset or the log's start; ends the one before."""
        self.revoke([partition])
        ownership = self._held[partition] = Ownership(partition, start, topic_id)
        return ownership

    def revoke(self, partitions: Iterable[int]) -> None:
        """Ends ownerships: what is buffered of them is dropped, what is stored of them is never committed."""
        for partition in partitions:
            ownership = self._held.pop(partition, None)
            if ownership is not None:
                ownership.revoked = True

    def committable(self) -> dict[int, int]:
        """By partition: the watermark that the broker does not have yet."""
        watermarks = {partition: ownership.committable for partition, ownership in self._held.items()}
        return {partition: offset for partition, offset in watermarks.items() if offset is not None}


def _contiguous(messages: Sequence[Message], begins: int) -> Sequence[Message]:
    """The messages from the first on whose offsets follow each other, if the first one is at `begins`."""
    if not messages or messages[0].offset != begins:
        return []
    if messages[-1].offset == begins + len(messages) - 1:
        return messages
    count = next(number for number, message in enumerate(messages) if message.offset != begins + number)
    return messages[:count]
