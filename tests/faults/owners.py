"""Processors whose every step a scheduler decides: the real flush loop, buffer and delivery rules in one thread.

The scheduler's thread runs the event loop of each processor (`PumpedLoop`); what the flush loop gives to its threads
stops at every step and statement (`jobs`). All statements are run by the scheduler, on its one connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from copy import deepcopy
from datetime import datetime
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from processors.buffer import MessageBuffer
from processors.dead_letters import DeadLetter
from processors.envelopes import Message
from processors.flush import Flusher
from processors.health import Health
from processors.loop import FlushLoop
from processors.metrics import ProcessorMetrics
from processors.ownership import Fetch, Ownership, Ownerships
from processors.places import Place
from processors.settings import ProcessorSettings
from processors.sink import (
    Ids,
    RowsRefused,
    SessionEvents,
    Sink,
    SinkUnavailable,
    StoredErasure,
    StoredEvent,
    StoredSession,
    StoredUser,
)
from processors.sweep import sweep
from schemas.topics import UNKNOWN_TOPIC
from tests.closing import close_days
from tests.faults.jobs import Kind, Stop, Threads, running_job
from tests.faults.pumped import PumpedLoop
from tests.faults.traffic import REFUSED_LABEL

T = TypeVar("T")

IDLE = "idle"
_THREADS_OF_A_FLUSH_LOOP = 2


class _Ownerships(Ownerships):
    """Remembers also those that have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[Ownership] = []

    def begin(self, partition: int, start: int, topic_id: str = UNKNOWN_TOPIC) -> Ownership:
        ownership = super().begin(partition, start, topic_id)
        self.begun.append(ownership)
        return ownership


class Owner:
    """One processor from start to crash.

    Messages come to it through `deliver`, or through a consumer whose tasks were given to `run`.
    """

    def __init__(
        self, name: str, settings: ProcessorSettings, sink: Sink, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.name = name
        self.loop = PumpedLoop()
        self.ownerships = _Ownerships()
        self.buffer = MessageBuffer(settings, self.ownerships, self.loop.time)
        self.set_aside: list[DeadLetter] = []
        self._settings = settings
        self._clock = clock
        self._sink = ScheduledSink(settings, sink)
        self._flushing = Threads(_THREADS_OF_A_FLUSH_LOOP)
        self._housekeeping = Threads(1)
        self._requests: list[Stop] = []
        self._working: list[asyncio.Future[None] | Future[None]] = []
        self._flush_loop = FlushLoop(
            settings,
            self.buffer,
            Flusher(settings, self._sink),
            self._set_aside,
            Health(self.loop.time, settings.heartbeat_seconds),
            ProcessorMetrics(),
            lambda: None,
            self.loop.time,
            self._flushing,
        )
        self.run(self._flush_loop.run())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts a task on its event loop; an error that ends it is raised by `raise_failure`."""
        self._working.append(self.loop.create_task(work))

    def start(self, work: Callable[[Owner], None]) -> None:
        """Starts housekeeping, in a thread of its own."""
        self._working.append(self._housekeeping.submit(work, self))

    def deliver(self, *messages: Message, start: int | None = None) -> None:
        """Puts messages of one partition into the buffer; ones before which nothing was received begin an ownership."""
        partition, first = messages[0].partition, messages[0].offset
        ownership = self.ownerships.get(partition) or self.ownerships.begin(
            partition, first if start is None else start
        )
        fetch = Fetch(ownership, ownership.received, messages, messages[-1].offset + 1)
        self.run(self.buffer.put(fetch))

    def ask(
        self, name: str, statement: Callable[[], T], kind: Kind = Kind.STEP, ready: Callable[[], bool] = lambda: True
    ) -> asyncio.Future[T]:
        """A request to Kafka from the event loop, for the scheduler to carry out."""
        answered: asyncio.Future[T] = self.loop.create_future()

        def resume(answer: T, error: BaseException | None) -> None:
            self._requests.remove(stop)
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(answer)

        stop = Stop(name, resume, statement, kind, ready)
        self._requests.append(stop)
        return answered

    @property
    def jobs(self) -> list[Stop]:
        """Where its threads wait, as far as they can go on."""
        jobs = [*self._flushing.running, *self._housekeeping.running]
        return [job.stop for job in jobs if job.stop is not None and job.stop.ready()]

    @property
    def stops(self) -> list[Stop]:
        """Everything that can go on: threads, and requests to Kafka."""
        return [*self.jobs, *(stop for stop in self._requests if stop.ready())]

    @property
    def busy(self) -> bool:
        """Whether messages are buffered or flushed, or housekeeping is under way."""
        running = self._flushing.running or self._housekeeping.running
        return bool(running) or self._flush_loop.in_flight_since is not None or self.buffer.oldest is not None

    @property
    def keeps_house(self) -> bool:
        """Whether housekeeping is under way."""
        return bool(self._housekeeping.running)

    def run_until(self, name: str) -> None:
        """Lets it go on, statements being done, until a thread comes to the named stop, or until it is `IDLE`."""
        while True:
            self.loop.run_ready()
            self.raise_failure()
            if self.jobs:
                stop = self.jobs[0]
                if stop.name == name:
                    return
                answer(stop)
            elif self.busy:
                self.loop.advance()
            else:
                assert name == IDLE, f"never came to {name}"
                return

    def raise_failure(self) -> None:
        """Raises what ended some of its work, if anything did."""
        for work in [work for work in self._working if work.done()]:
            self._working.remove(work)
            work.result()

    def end(self) -> None:
        """Lets it die where it is."""
        self._flushing.end()
        self._housekeeping.end()
        self.loop.end()

    def close_days(self) -> None:
        """Closes the days that can be closed, and deletes what is erased; what fails is left for the next time."""
        assert self._clock is not None
        try:
            close_days(self._sink, self._clock(), self._settings.retention_days)
            sweep(self._sink, self._clock(), self._settings.erasure_mark_days)
        except SinkUnavailable:
            return

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        running_job().pause("set_aside", lambda: self.set_aside.extend(letters), Kind.SET_ASIDE)


def answer(stop: Stop) -> None:
    """Does the statement of a stop and lets its work go on."""
    try:
        answer = stop.statement()
    except (RowsRefused, KafkaError) as error:
        stop.resume(None, error)
    else:
        stop.resume(answer, None)


class ScheduledSink(Sink):
    """Stops before each statement; the scheduler runs it, now, later or never."""

    def __init__(self, settings: ProcessorSettings, real: Sink) -> None:
        super().__init__(settings)
        self._real = real

    def stored_sessions(self, sessions: Ids) -> list[StoredSession]:
        wanted = _sorted(sessions)
        return self._read("stored_sessions", lambda: self._real.stored_sessions(wanted))

    def stored_events(self, events: Ids) -> list[StoredEvent]:
        wanted = _sorted(events)
        return self._read("stored_events", lambda: self._real.stored_events(wanted))

    def stored_users(self, user_ids: Iterable[str]) -> list[StoredUser]:
        users = sorted(user_ids)
        return self._read("stored_users", lambda: self._real.stored_users(users))

    def session_events(
        self, sessions: Ids, without: Iterable[str], gap_ms: int, max_maestros: int
    ) -> list[SessionEvents]:
        wanted, left_out = _sorted(sessions), sorted(without)
        return self._read("session_events", lambda: self._real.session_events(wanted, left_out, gap_ms, max_maestros))

    def erasures(self, user_ids: Iterable[str]) -> list[StoredErasure]:
        users = sorted(user_ids)
        return self._read("erasures", lambda: self._real.erasures(users))

    def erasures_at(self, place: Place, user_id: str) -> list[StoredErasure]:
        return self._read("erasures_at", lambda: self._real.erasures_at(place, user_id))

    def insert_events(self, lines: bytes) -> None:
        def insert() -> None:
            if REFUSED_LABEL.encode() in lines:
                raise RowsRefused("the scheduler refuses a row")
            self._real.insert_events(lines)

        self._write("insert_events", insert)

    def insert_sessions(self, rows: Sequence[dict[str, Any]]) -> None:
        kept = deepcopy(rows)
        self._write("insert_sessions", lambda: self._real.insert_sessions(kept))

    def command(self, name: str, **values: str | int) -> None:
        def run() -> None:
            self._real.command(name, **values)
            # What goes on in the background of ClickHouse would not go the same way again.
            while name == "delete_erased" and self._real.texts("deletes_under_way"):
                time.sleep(0.002)

        self._write(name, run)

    def texts(self, name: str, **values: str | int) -> list[list[str]]:
        return self._read(name, lambda: self._real.texts(name, **values))

    def drop_partition(self, partition: str) -> None:
        self._write(f"drop {partition}", lambda: self._real.drop_partition(partition))

    def _read(self, name: str, statement: Callable[[], T]) -> T:
        found: T = running_job().pause(name, statement, Kind.READ)
        return found

    def _write(self, name: str, statement: Callable[[], None]) -> None:
        running_job().pause(name, statement, Kind.WRITE)


StartSleeper = Callable[[], Owner]
"""Starts an owner that a test leads from stop to stop."""


def _sorted(ids: Ids) -> dict[str, list[str]]:
    return {user_id: sorted(ids[user_id]) for user_id in sorted(ids)}
