"""What the workers of one gateway know of each other; made before they are forked.

A gateway without workers is a fleet of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ingest.process_metrics import WorkerProcesses
from ingest.tally import Tally

TELL_SECONDS: Final = 0.5
"""How often a worker tells the others how it is."""

_STATE, _READY, _BEATS = range(3)
_STARTING, _LISTENING, _CLOSED = 0.0, 1.0, 2.0


class Fleet:
    """The workers of one gateway, as each of them knows the others."""

    def __init__(self, size: int = 1) -> None:
        self.size: Final = size
        self._tallies: list[Tally] = []
        self.connections: Final = self.tally(1)
        """Open connections."""
        self.held_bytes: Final = self.tally(1)
        """Bytes held for requests."""
        self._states = self.tally(3)
        self.processes: Final = WorkerProcesses(size) if size > 1 else None
        self.lifeline: int | None = None
        """A file descriptor that ends when the parent of the workers does; None without workers."""

    def tally(self, width: int) -> Tally:
        """Numbers that each worker counts for itself; for what is made before the workers are."""
        made = Tally(width, self.size)
        self._tallies.append(made)
        return made

    def become(self, worker: int) -> None:
        """Makes this process that worker: its rows are written by this process from now on, and by no other."""
        for tally in self._tallies:
            tally.own = tally.row(worker)

    def forget(self, worker: int) -> None:
        """A worker has ended: what it held is held no more."""
        for tally in (self.connections, self.held_bytes, self._states):
            tally.row(worker)[:] = memoryview(bytes(8 * len(tally.own))).cast("d")

    def listening(self) -> None:
        """This worker takes requests from now on."""
        self._states.own[_STATE] = _LISTENING

    def closed(self) -> None:
        """This worker takes no more connections."""
        self._states.own[_STATE] = _CLOSED

    def tell(self, ready: bool) -> None:
        """This worker lives, and is ready or not."""
        self._states.own[_READY] = ready
        self._states.own[_BEATS] += 1

    async def keep_telling(self, ready: Callable[[], bool]) -> None:
        """Tells the others about this worker, again and again; returns at once if there are none."""
        while self.size > 1:
            self.tell(ready())
            await asyncio.sleep(TELL_SECONDS)

    def has_listened(self, worker: int) -> bool:
        """Whether a worker has taken requests since it was started."""
        return self._states.row(worker)[_STATE] != _STARTING

    def beats(self, worker: int) -> float:
        """Grows as long as a worker lives."""
        return self._states.row(worker)[_BEATS]

    @property
    def ready(self) -> bool:
        """Whether every worker that takes requests is ready, by its own last word. A fleet of one says nothing."""
        states, readiness = self._states.column(_STATE), self._states.column(_READY)
        return self.size == 1 or all(
            state != _LISTENING or ready for state, ready in zip(states, readiness, strict=True)
        )
