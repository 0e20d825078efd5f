"""The log, its commits, and which owner holds which partition, as Kafka and its consumer group know them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from processors.envelopes import Message
from tests.faults.owners import Owner, Ownership
from tests.faults.traffic import message
from tests.oracle.log import Entry


class Group:
    """A partition has one holder; who held it before may still have messages of it."""

    def __init__(self, partitions: int, draw: random.Random) -> None:
        self.log: dict[int, list[Entry]] = {partition: [] for partition in range(partitions)}
        self._sent_ms: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
        self._committed = dict.fromkeys(range(partitions), 0)
        self._current: dict[int, Ownership] = {}
        self._held: dict[Owner, list[Ownership]] = {}
        self._draw = draw

    def append(self, partition: int, entry: Entry, now_ms: int) -> int:
        """Adds a message and returns its offset."""
        self.log[partition].append(entry)
        self._sent_ms[partition].append(now_ms)
        return len(self.log[partition]) - 1

    def join(self, owner: Owner) -> None:
        """An owner that holds nothing yet."""
        self._held[owner] = []

    def leave(self, owner: Owner) -> list[int]:
        """An owner has died; returns the partitions that nobody holds now."""
        return [ownership.partition for ownership in self._held.pop(owner) if ownership.readable is None]

    def holder(self, partition: int) -> Owner:
        """Who holds a partition now."""
        return next(owner for owner, held in self._held.items() if self._current[partition] in held)

    def partitions_of(self, owner: Owner) -> list[int]:
        """What an owner holds now."""
        return [ownership.partition for ownership in self._held[owner] if ownership.readable is None]

    def give(self, partition: int, owner: Owner) -> int:
        """Gives a partition to an owner and returns the offset that it begins with.

        Who had it before keeps some of the messages that it may have read ahead.
        """
        lost = self._current.get(partition)
        if lost is not None:
            lost.readable = self._draw.randint(lost.position, max(lost.position, len(self.log[partition])))
        ownership = self._current[partition] = Ownership(partition, self._committed[partition])
        self._held[owner].append(ownership)
        return ownership.position

    def acknowledge(self, ownership: Ownership, offset: int) -> None:
        """Everything before the offset is stored: a commit of who has lost the partition is refused, one of the holder
        may come too late."""
        ownership.position = offset
        if ownership.readable is None and self._draw.random() < 0.8:
            self._committed[ownership.partition] = offset

    def take(self, owner: Owner) -> tuple[Ownership, Sequence[Sequence[Message]]] | None:
        """One or two blocks of messages that an owner flushes next, if there are any."""
        for ownership in list(self._held[owner]):
            partition, log = ownership.partition, self.log[ownership.partition]
            offsets = range(ownership.position, len(log) if ownership.readable is None else ownership.readable)
            if offsets:
                messages = [message(log[at], partition, at, self._sent_ms[partition][at]) for at in offsets]
                first, second = self._draw.randint(1, 4), self._draw.choice([0, self._draw.randint(1, 4)])
                blocks = messages[:first], messages[first : first + second]
                return ownership, [block for block in blocks if block]
            if ownership.readable is not None:
                self._held[owner].remove(ownership)
        return None

    def waiting_since(self) -> int | None:
        """When the oldest message that is not committed was sent; None if all is committed."""
        return min(
            (
                self._sent_ms[partition][committed]
                for partition, committed in self._committed.items()
                if committed < len(self.log[partition])
            ),
            default=None,
        )
