"""Threads that stop at every step and every statement until a scheduler lets them go on.

Exactly one thread runs at any time: `resume` returns when the job has come to its next stop or has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ParamSpec, TypeVar

from processors import steps
from processors.steps import Step

P = ParamSpec("P")
T = TypeVar("T")


class Crashed(BaseException):
    """The process died here."""


class Kind(Enum):
    """What is waited for at a stop, which says how it may fail."""

    STEP = auto()
    """Nothing: a step of the work, or a wait that has ended."""
    READ = auto()
    """A statement to ClickHouse that changes nothing."""
    WRITE = auto()
    """A statement to ClickHouse that changes something."""
    SET_ASIDE = auto()
    """Dead letters that go to Kafka."""
    FETCH = auto()
    """A request of the consumer to Kafka."""
    COMMIT = auto()


def _always() -> bool:
    return True


@dataclass(eq=False)
class Stop:
    """Where some work waits. `statement` is to be done before it goes on; `resume` takes its answer, or an error."""

    name: str
    resume: Callable[[Any, BaseException | None], None]
    statement: Callable[[], Any] = lambda: None
    kind: Kind = Kind.STEP
    ready: Callable[[], bool] = _always
    """Whether it may go on already."""


class Job:
    """Some work in a thread of its own. The thread starts with the first `resume`."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self.stop: Stop | None = Stop(f"{name} begins", self.resume)
        """Where it waits; None once it has ended."""
        self._work = work
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def resume(self, answer: Any = None, error: BaseException | None = None) -> None:
        """Lets it go on to its next stop: with the answer to its statement, or an error raised where it stands."""
        self._answer, self._error = answer, error
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"job-{self.name}", daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._stopped.acquire()
        if self.stop is None:
            self._thread.join()

    def end(self) -> None:
        """Lets it die where it is."""
        while self.stop is not None:
            self.resume(error=Crashed())

    def pause(
        self,
        name: str,
        statement: Callable[[], Any] = lambda: None,
        kind: Kind = Kind.STEP,
        ready: Callable[[], bool] = _always,
    ) -> Any:
        """Stops the thread of the job, which is the caller's; returns the answer to the statement."""
        self.stop = Stop(name, self.resume, statement, kind, ready)
        self._stopped.release()
        self._go.acquire()
        if self._error is not None:
            raise self._error
        return self._answer

    def _run(self) -> None:
        _this_thread.job = self
        try:
            if self._error is None:
                self._work()
        except Crashed:
            pass
        finally:
            self.stop = None
            self._stopped.release()


class _Written(Future[T]):
    """A future whose wait for the result is a stop."""

    def result(self, timeout: float | None = None) -> T:
        """The result, once the scheduler has let the work come to its end."""
        if not self.done():
            running_job().pause("waits for the block before", ready=self.done)
        return super().result(timeout)


class Threads(Executor):
    """An executor of so many threads, whose jobs run only while the scheduler waits for them."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._jobs: list[Job] = []

    @property
    def running(self) -> list[Job]:
        """The jobs that have a thread, in the order in which they came."""
        self._jobs = [job for job in self._jobs if job.stop is not None]
        return self._jobs[: self._threads]

    def submit(self, work: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Adds a job."""
        future: Future[T] = _Written()

        def run() -> None:
            try:
                result = work(*arguments, **options)
            except Crashed:
                raise
            except BaseException as error:  # noqa: BLE001 - for whoever waits for the result
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.append(Job(getattr(work, "__name__", "work"), run))
        return future

    def end(self) -> None:
        """Lets every job die where it is."""
        for job in self._jobs:
            job.end()


class _ThisThread(threading.local):
    job: Job | None = None


_this_thread = _ThisThread()


def running_job() -> Job:
    """The job of the caller's thread."""
    assert _this_thread.job is not None, "not in the thread of a job"
    return _this_thread.job


def stop_jobs_at_steps() -> None:
    """Sets the hook of `processors.steps`. Steps in other threads than a job's pass: those on an event loop lie
    between its callbacks, and nothing outside sees them apart."""

    def at(step: Step) -> None:
        if _this_thread.job is not None:
            _this_thread.job.pause(step.value)

    steps.hook = at


def no_stops() -> None:
    """Takes the hook away."""
    steps.hook = steps.nobody
