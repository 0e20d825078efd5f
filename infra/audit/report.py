"""The result of an audit, and whether it may be called good."""

from __future__ import annotations

from dataclasses import dataclass, field

SAMPLES = 20
"""How many examples of each kind of mistake are kept."""


@dataclass(slots=True)
class Finding:
    """How often something was seen, and the first few places."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < SAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Partition:
    """A partition of the events topic: oldest offset held, end, and up to where the processors are done."""

    first: int
    end: int
    committed: int


@dataclass(slots=True)
class Report:
    """Counts of events unless said otherwise. unique = stored + erased + expired + missing."""

    partitions: dict[int, Partition] = field(default_factory=dict)
    messages: int = 0
    """Messages in Kafka."""
    empty_offsets: int = 0
    """Offsets at which Kafka holds no message, as transactions and compaction leave them."""
    sent: int = 0
    """Acknowledged by the gateway and still in Kafka, repeats included."""
    unique: int = 0
    stored: int = 0
    duplicates: int = 0
    """Sent again and not counted again."""
    dead_letters: int = 0
    """Messages that were set aside; `convergio dlq` shows them."""
    dead_letter_events: int = 0
    """Events in them that could be read."""
    erasures: int = 0
    """Requests to erase a user."""
    erased: int = 0
    expired: int = 0
    """Of days that are not kept any more, and no longer stored."""
    beyond_kafka: int = 0
    """Stored, but Kafka no longer holds the message that brought them."""
    since: int = 0
    """Stored from messages that came after the audit began."""
    copies: int = 0
    """Physical rows too many, which no view shows and a merge removes."""
    sessions: int = 0
    """Sessions shown."""

    missing: Finding = field(default_factory=Finding)
    stored_twice: Finding = field(default_factory=Finding)
    erased_but_shown: Finding = field(default_factory=Finding)
    unexplained: Finding = field(default_factory=Finding)
    """Shown, but never sent."""
    undecodable: Finding = field(default_factory=Finding)
    """Messages that cannot be read and are no dead letters."""
    sessions_differ: Finding = field(default_factory=Finding)
    """Sessions that a recomputation from `events` contradicts."""
    too_old: Finding = field(default_factory=Finding)
    """Accepted for a day that was announced not to be kept, and not shown."""
    closed_early: Finding = field(default_factory=Finding)
    """The last closed day, if it should still be open."""
    not_deleted: Finding = field(default_factory=Finding)
    """Users whose hidden rows are not deleted long after their erasure."""

    @property
    def mistakes(self) -> dict[str, Finding]:
        """Every kind of mistake, found or not."""
        return {
            "missing": self.missing,
            "stored twice": self.stored_twice,
            "erased but shown": self.erased_but_shown,
            "shown but never sent": self.unexplained,
            "unreadable messages": self.undecodable,
            "sessions that differ": self.sessions_differ,
            "erased but not deleted": self.not_deleted,
            "accepted too old to be kept": self.too_old,
            "days closed too early": self.closed_early,
        }

    @property
    def good(self) -> bool:
        """Nothing missing, nothing twice, nothing that cannot be explained."""
        return not any(finding.count for finding in self.mistakes.values())

    @property
    def complete(self) -> bool:
        """Whether Kafka still holds everything since the beginning."""
        return all(partition.first == 0 for partition in self.partitions.values())
