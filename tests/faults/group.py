"""The log, its commits, and which owner holds which partition, as Kafka and its consumer group know them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from processors.envelopes import Message
from tests.faults.owners import Owner
from tests.faults.traffic import Record
from tests.oracle.log import Entry


class Group:
    """A partition has one holder; who held it before goes on until it hears of that.

    Each change begins a new generation, in which every member begins its partitions anew at the committed offsets.
    """

    def __init__(self, partitions: int, draw: random.Random) -> None:
        self.log: dict[int, list[Entry]] = {partition: [] for partition in range(partitions)}
        self.generation = 0
        self.committed: dict[int, int] = {}
        self._records: dict[int, list[Message | None]] = {partition: [] for partition in range(partitions)}
        self._sent_ms: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
        self._starts = dict.fromkeys(range(partitions), 0)
        self._holders: dict[int, Owner] = {}
        self._members: list[Owner] = []
        self._draw = draw

    # The log.

    def start_at(self, partition: int, offset: int, now_ms: int) -> None:
        """Lets an empty log begin at an offset."""
        for _ in range(offset):
            self.append(partition, Record(None, [], ""), now_ms)
        self._starts[partition] = offset

    def append(self, partition: int, record: Record, now_ms: int) -> None:
        """Adds what stands at the next offset."""
        self.log[partition].append(record.entry)
        self._records[partition].append(record.message)
        self._sent_ms[partition].append(now_ms)

    def start(self, partition: int) -> int:
        """The log's first offset."""
        return self._starts[partition]

    def end(self, partition: int) -> int:
        """The offset that the next message will have."""
        return len(self._records[partition])

    def read(self, partition: int, position: int, most: int) -> tuple[list[Message], int]:
        """At most so many messages from an offset on, and the offset to go on from.

        That is beyond offsets without a record in between, and perhaps beyond those that follow the last message.
        """
        records, messages = self._records[partition], list[Message]()
        while position < len(records):
            record = records[position]
            if record is not None:
                if len(messages) == most:
                    break
                messages.append(record)
            elif len(messages) == most and self._draw.random() < 0.5:
                break
            position += 1
        return messages, position

    def holds_any(self, partition: int, offsets: Iterable[int]) -> bool:
        """Whether the log holds a record at any of some offsets."""
        return any(self._records[partition][offset] is not None for offset in offsets)

    # The group.

    def join(self, owner: Owner) -> None:
        """A member that holds nothing yet."""
        self._members.append(owner)

    def leave(self, owner: Owner) -> list[int]:
        """A member has died; returns the partitions that nobody holds now."""
        self._members.remove(owner)
        return self.partitions_of(owner)

    def holder(self, partition: int) -> Owner:
        """Who holds a partition now."""
        return self._holders[partition]

    def partitions_of(self, owner: Owner) -> list[int]:
        """What a member holds now."""
        return [partition for partition in self.log if self._holders.get(partition) is owner]

    def give(self, partition: int, owner: Owner) -> None:
        """Gives a partition to a member."""
        self._holders[partition] = owner
        self.generation += 1

    def start_of(self, partition: int) -> int:
        """Where an ownership begins: at the committed offset, else at the log's start."""
        return self.committed.get(partition, self._starts[partition])

    def commit(self, owner: Owner, generation: int, offsets: Mapping[int, int]) -> bool:
        """Takes watermarks, unless the member has lost its partitions since that generation."""
        if generation != self.generation or owner not in self._members:
            return False
        self.committed.update(offsets)
        return True

    @property
    def all_committed(self) -> bool:
        """Whether nothing is left to do."""
        return all(self.start_of(partition) == self.end(partition) for partition in self.log)

    def waiting_since(self) -> int | None:
        """When the oldest message was sent that is not committed or that some member may still work on, if any."""
        offsets = [(partition, self.start_of(partition)) for partition in self.log]
        for member in self._members:
            # What was dropped from a buffer stays unstored for good.
            member.ownerships.begun = [each for each in member.ownerships.begun if member.busy or not each.revoked]
            offsets += [(each.partition, each.stored) for each in member.ownerships.begun]
        return min(
            (self._sent_ms[partition][offset] for partition, offset in offsets if offset < self.end(partition)),
            default=None,
        )
