"""Many waits with one and the same time limit, watched by a single timer.

A timer per request would cost the hot route more than decoding its body does; with equal limits the waits
end in the order they began, so a queue and one timer for its head are enough.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Deadline:
    """One wait of one task. When its time is over, the task is cancelled and `expired` is true."""

    __slots__ = ("at", "expired", "task")

    def __init__(self, at: float, task: asyncio.Task[object]) -> None:
        self.at = at
        self.task: asyncio.Task[object] | None = task
        self.expired = False

    def close(self) -> None:
        """The wait is over; calling it twice is fine."""
        self.task = None

    def claims(self) -> bool:
        """Whether the cancellation just caught is this deadline's; if so the task counts as not cancelled."""
        if not self.expired:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True


class Deadlines:
    """Gives out deadlines `seconds` from now, on the running event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: deque[Deadline] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> Deadline:
        """A deadline for the current task; the caller closes it, whatever happens."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "a deadline belongs to a task"
        deadline = Deadline(loop.time() + self._seconds, task)
        waiting = self._open
        while waiting and waiting[0].task is None:
            waiting.popleft()
        waiting.append(deadline)
        if self._timer is None:
            self._timer = loop.call_at(deadline.at, self._expire)
        return deadline

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiting = self._open
        self._timer = None
        while waiting:
            head = waiting[0]
            if head.task is not None:
                if head.at > now:
                    self._timer = loop.call_at(head.at, self._expire)
                    return
                head.expired = True
                head.task.cancel()
                head.task = None
            waiting.popleft()
