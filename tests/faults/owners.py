"""Processors as threads that stop at every step and every statement until a scheduler lets them go on.

Exactly one thread runs at any time, so a schedule is repeated by making the same choices again. All statements are
run by the scheduler, on its one connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from processors import steps
from processors.cache import UserCache
from processors.envelopes import Message
from processors.erasure import sweep
from processors.flush import Flusher, NeedsCare, Prepared
from processors.retention import close_days
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, Sink, SinkUnavailable, StoredErasure, StoredEvent
from processors.steps import Step

T = TypeVar("T")

IDLE = "idle"


class Crashed(BaseException):
    """The process died here."""


@dataclass
class Stop:
    """Where an owner waits: at a named step, or before a statement that it wants done."""

    name: str
    statement: Callable[[], Any] | None = None
    """None at a step of the work."""
    writes: bool = False


@dataclass(eq=False)
class Ownership:
    """A stretch of time in which an owner holds a partition. Offsets are indices of the partition's log."""

    partition: int
    position: int
    cache: UserCache = field(default_factory=UserCache)
    readable: int | None = None
    """Set when the partition is given away: the end of what the owner had already read by then."""


Acknowledge = Callable[[Ownership, int], None]
"""Everything before the offset is stored."""
Work = Callable[["Owner"], None]


class Owner:
    """One processor from start to crash; idle until it is resumed with work."""

    def __init__(
        self,
        name: str,
        settings: ProcessorSettings,
        sink: Sink,
        clock: Callable[[], datetime],
        acknowledge: Acknowledge,
    ) -> None:
        self.name = name
        self.stop: Stop | None = None
        """Where it waits; None once it has ended."""
        self.failure: BaseException | None = None
        self._settings = settings
        self._sink = ScheduledSink(settings, sink, self._ask)
        self._flusher = Flusher(settings, self._sink, lambda letters: None)
        self._clock = clock
        self._acknowledge = acknowledge
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"owner-{name}", daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def resume(self, answer: Any = None, error: BaseException | None = None) -> None:
        """Lets it go on to its next stop: with the answer to its statement, or an error raised where it stands."""
        self._answer, self._error = answer, error
        self._go.release()
        self._stopped.acquire()
        if self.stop is None:
            self._thread.join()

    def run_until(self, name: str) -> None:
        """Lets it go on, statements being done, to the named stop, or to where it is idle."""
        while self.stop is not None and self.stop.name not in (name, IDLE):
            statement = self.stop.statement
            self.resume(None if statement is None else statement())
        if self.failure is not None:
            raise self.failure
        assert self.stop is not None and self.stop.name == name, f"never came to {name}"

    def end(self) -> None:
        """Lets it die where it is."""
        while self.stop is not None:
            self.resume(error=Crashed())

    def _pause(self, stop: Stop) -> Any:
        self.stop = stop
        self._stopped.release()
        self._go.acquire()
        if self._error is not None:
            raise self._error
        return self._answer

    def _ask(self, name: str, statement: Callable[[], T], writes: bool) -> T:
        answer: T = self._pause(Stop(name, statement, writes))
        return answer

    def _run(self) -> None:
        _running.owner = self
        try:
            while True:
                work: Work = self._pause(Stop(IDLE))
                work(self)
        except Crashed:
            pass
        except BaseException as error:  # noqa: BLE001 - shown by the scheduler
            self.failure = error
        self.stop = None
        self._stopped.release()

    def at(self, step: Step) -> None:
        """The hook: the work has come to a step."""
        self._pause(Stop(step.value))

    def close_days(self) -> None:
        """Closes the days that can be closed, and deletes what is erased; what fails is left for the next time."""
        try:
            close_days(self._sink, self._clock(), self._settings.retention_days)
            sweep(self._sink)
        except SinkUnavailable:
            return

    def flush(self, ownership: Ownership, blocks: Sequence[Sequence[Message]]) -> None:
        """Flushes blocks of messages as the flush loop does: each is prepared before the one before it is written."""
        caches = {ownership.partition: ownership.cache}
        prepared: list[Prepared | None] = []
        for block in blocks:
            try:
                prepared.append(self._flusher.prepare(block, caches))
            except (NeedsCare, SinkUnavailable):
                prepared.append(None)
                break
        careful = False
        for block, ready in zip(blocks, prepared, strict=False):
            if ready is not None and not careful:
                try:
                    self._flusher.write(ready)
                except (SinkUnavailable, RowsRefused):
                    careful = True
            else:
                careful = True
            if careful:
                self._flush_carefully(block, caches)
            self._acknowledge(ownership, block[-1].offset + 1)

    def _flush_carefully(self, block: Sequence[Message], caches: dict[int, UserCache]) -> None:
        while True:
            for cache in caches.values():
                cache.clear()
            try:
                self._flusher.flush(block, caches)
            except SinkUnavailable:
                continue
            return


class ScheduledSink(Sink):
    """Asks before each statement; the scheduler runs it, now, later or never."""

    def __init__(
        self, settings: ProcessorSettings, real: Sink, ask: Callable[[str, Callable[[], Any], bool], Any]
    ) -> None:
        super().__init__(settings)
        self._real = real
        self._ask = ask

    def stored_events(self, user_ids: Iterable[str]) -> list[StoredEvent]:
        users = sorted(user_ids)
        found: list[StoredEvent] = self._ask("stored_events", lambda: self._real.stored_events(users), False)
        return found

    def erasures(self, user_ids: Iterable[str]) -> list[StoredErasure]:
        users = sorted(user_ids)
        found: list[StoredErasure] = self._ask("erasures", lambda: self._real.erasures(users), False)
        return found

    def insert_events(self, lines: bytes) -> None:
        self._ask("insert_events", lambda: self._real.insert_events(lines), True)

    def insert_sessions(self, rows: Sequence[dict[str, Any]]) -> None:
        kept = deepcopy(rows)
        self._ask("insert_sessions", lambda: self._real.insert_sessions(kept), True)

    def command(self, name: str, **values: str | int) -> None:
        self._ask(name, lambda: self._real.command(name, **values), True)

    def texts(self, name: str, **values: str | int) -> list[list[str]]:
        found: list[list[str]] = self._ask(name, lambda: self._real.texts(name, **values), False)
        return found

    def drop_partition(self, partition: str) -> None:
        self._ask(f"drop {partition}", lambda: self._real.drop_partition(partition), True)


StartSleeper = Callable[[], Owner]
"""Starts an owner that a test leads from stop to stop."""


class _Running(threading.local):
    owner: Owner | None = None


_running = _Running()


def stop_owners_at_steps() -> None:
    """Sets the hook of `processors.steps`; steps in other threads than an owner's pass."""

    def at(step: Step) -> None:
        if _running.owner is not None:
            _running.owner.at(step)

    steps.hook = at


def no_stops() -> None:
    """Takes the hook away."""
    steps.hook = steps.nobody
