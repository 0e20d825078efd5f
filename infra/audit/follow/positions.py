"""How far an audit is, kept in Kafka as the commits of a consumer group of its own.

The metadata of a commit names the messages before the offset that were found wrong, so that a restart neither forgets
them nor checks everything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka.structs import OffsetAndMetadata

from infra.audit.follow.verdict import Violations

MOST_WRONG = 256
"""Messages of one partition that may be found wrong and not put right; with more the audit waits there.

As many fit into the metadata of a commit (`offset.metadata.max.bytes`, 4096 by default).
"""


@dataclass(slots=True)
class Position:
    """Of one partition: the next offset to check, and what is wrong before it, by the offset of the message."""

    offset: int
    wrong: dict[int, Violations] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether too much is wrong to go on."""
        return len(self.wrong) >= MOST_WRONG

    def found(self, violations: Mapping[int, Violations], next_offset: int) -> None:
        """Takes in what is wrong with the messages from `offset` on, and moves on as far as there is room for it."""
        for offset in sorted(violations):
            if self.is_full:
                next_offset = offset
                break
            self.wrong[offset] = violations[offset]
        self.offset = next_offset

    def commit(self, topic_id: str) -> OffsetAndMetadata:
        """As it is committed."""
        distances = sorted(self.offset - offset for offset in self.wrong)
        return OffsetAndMetadata(self.offset, " ".join([topic_id, *map(str, distances)]))


def position_of(commit: OffsetAndMetadata | None, topic_id: str) -> Position:
    """The position that was committed; what is wrong before it has to be checked again.

    The start of the log if nothing was committed, or of another topic that had the same name.
    """
    if commit is None:
        return Position(0)
    committed_for, *distances = commit.metadata.split(" ")
    if committed_for != topic_id:
        return Position(0)
    return Position(commit.offset, {commit.offset - int(distance): Violations() for distance in distances})
