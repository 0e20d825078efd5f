"""An event loop that runs only when told to, by a clock that moves only when told to."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any


class PumpedLoop(asyncio.SelectorEventLoop):
    """What is ready runs in `run_ready`, in the caller's thread; timers are due once `advance` was called."""

    if TYPE_CHECKING:
        _ready: deque[asyncio.Handle]
        _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Seconds since it was made."""
        return self._now

    @property
    def ready(self) -> bool:
        """Whether a callback could run."""
        return bool(self._ready)

    def run_ready(self) -> None:
        """Runs callbacks until none is ready."""
        while self._ready:
            self.call_soon(self.stop)
            self.run_forever()

    @property
    def timers(self) -> bool:
        """Whether a timer is set."""
        return any(not handle.cancelled() for handle in self._scheduled)

    def advance(self) -> float:
        """Moves the clock to the next timer, which must be set; returns by how many seconds."""
        due = min(handle.when() for handle in self._scheduled if not handle.cancelled())
        seconds = max(0.0, due - self._now)
        self._now += seconds
        # `run_ready` looks at timers only when there is something to run.
        self.call_soon(lambda: None)
        return seconds

    def end(self) -> None:
        """Abandons every task, and closes."""
        self.set_exception_handler(_ignore)
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.run_ready()
        self.close()


def _ignore(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """An abandoned task has not been awaited."""
