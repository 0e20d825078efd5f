"""What becomes of a statement or a request in an interleaving, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiokafka.errors import KafkaError

from processors.dead_letters import SetAsideFailed
from processors.sink import SinkUnavailable
from tests.faults.jobs import Kind


class Fate(StrEnum):
    """What becomes of a statement or a request."""

    DONE = "done"
    FAILED = "failed"
    UNHEARD = "done with the answer lost"
    DELAYED = "reported as failed and done later"


FATES = {
    Kind.STEP: [1, 0, 0, 0],
    Kind.READ: [90, 10, 0, 0],
    Kind.WRITE: [85, 5, 5, 5],
    Kind.SET_ASIDE: [85, 10, 5, 0],
    Kind.FETCH: [95, 5, 0, 0],
    Kind.COMMIT: [75, 15, 10, 0],
}
"""How often each fate befalls a kind."""
REQUESTS = {Kind.FETCH, Kind.COMMIT}
FAILURES: dict[Kind, type[Exception]] = {
    Kind.READ: SinkUnavailable,
    Kind.WRITE: SinkUnavailable,
    Kind.SET_ASIDE: SetAsideFailed,
    Kind.FETCH: KafkaError,
    Kind.COMMIT: KafkaError,
}


@dataclass
class Delayed:
    """A statement whose caller was told that it failed."""

    name: str
    run: Callable[[], Any]


@dataclass
class Faults:
    """What was done to the processors, by kind."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
