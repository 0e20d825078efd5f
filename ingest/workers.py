"""Several processes of one gateway at one address, for a machine with more cores than one process can use.

The parent binds nothing and serves nothing: it forks the workers, replaces those that die or hang, and tells all of
them to stop when it is told. Whatever ends the parent, the workers notice it, answer what they have begun, and end.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Final

from ingest.app import App
from ingest.fleet import Fleet
from ingest.server import LAST_CALL_SECONDS, SHUTDOWN_MARGIN_SECONDS, serve
from ingest.settings import GatewaySettings
from schemas.logs import configure

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0
SILENT_CHECKS: Final = 30
"""A worker of which the parent hears nothing at so many checks in a row is killed."""
FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
STABLE_SECONDS: Final = 60.0
"""After so long a worker's death is no sequel of the one before."""

_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


def serve_workers(settings: GatewaySettings, app: App, fleet: Fleet) -> None:
    """Runs the workers of `fleet`, for which `app` was made, until SIGTERM or Ctrl-C.

    Returns once all of them have ended as they should; exits with the status of one that did not, and of one that ended
    before it ever listened.
    """
    configure("ingest", settings.log_level)
    # What is loaded by now is shared by all processes until somebody writes to it.
    gc.collect()
    gc.freeze()
    status = _Parent(settings, app, fleet).run()
    if status:
        sys.exit(status)


def longest_stop(settings: GatewaySettings) -> float:
    """Seconds after which a worker that was told to stop is killed: it answers what it has and flushes its producer."""
    waits = LAST_CALL_SECONDS + 2 * settings.ack_timeout_seconds + 2 * SHUTDOWN_MARGIN_SECONDS
    return settings.drain_delay_seconds + waits


class _Worker:
    """One place among the workers, and the process that has it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid: int | None = None
        self.started_at = 0.0
        self.due_at = 0.0
        """When it is to be started, if it does not run."""
        self.delay = FIRST_DELAY_SECONDS
        self.beats = 0.0
        self.silent_checks = 0


class _Parent:
    def __init__(self, settings: GatewaySettings, app: App, fleet: Fleet) -> None:
        self._settings = settings
        self._app = app
        self._fleet = fleet
        self._workers = [_Worker(number) for number in range(fleet.size)]
        self._stop_signals = 0
        self._status = 0
        self._kill_at: float | None = None
        self._up = False
        """Whether a worker has ever listened."""
        self._wakeups, self._waker = os.pipe()
        for descriptor in (self._wakeups, self._waker):
            os.set_blocking(descriptor, False)
        # Only this process holds the other end; the kernel closes it whatever happens.
        fleet.lifeline, self._life = os.pipe()

    def run(self) -> int:
        """The exit status."""
        for number in (*_STOPS, signal.SIGCHLD):
            signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        next_check = time.monotonic()
        while True:
            self._reap()
            now = time.monotonic()
            if self._kill_at is not None:
                if not any(worker.pid for worker in self._workers):
                    return self._status
                if now >= self._kill_at:
                    self._kill_the_late()
            else:
                for worker in self._workers:
                    if worker.pid is None and now >= worker.due_at:
                        self._start(worker)
                if now >= next_check:
                    self._end_the_silent()
            next_check = max(next_check, now + CHECK_SECONDS) if now >= next_check else next_check
            select.select([self._wakeups], [], [], CHECK_SECONDS / 2)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeups, 4096)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number in _STOPS:
            self._stop_signals += 1
            # Workers take a second Ctrl-C for a wish to end at once; the terminal has sent them the first one as well.
            self._stop(signal.SIGINT if number == signal.SIGINT and self._stop_signals > 1 else signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + longest_stop(self._settings)
            log.info("draining", extra={"workers": sum(worker.pid is not None for worker in self._workers)})
        for worker in self._workers:
            if worker.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    def _start(self, worker: _Worker) -> None:
        # No signal may reach the child while it still has the parent's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        if self._kill_at is None:
            pid = os.fork()
            if pid == 0:
                os._exit(self._be(worker))
            assert self._fleet.processes is not None
            self._fleet.processes.started(worker.number, pid)
            worker.pid, worker.started_at = pid, time.monotonic()
            worker.beats, worker.silent_checks = 0.0, 0
            log.info("worker started", extra={"worker": worker.number, "pid": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def _be(self, worker: _Worker) -> int:
        """The life of a worker, in its own process; its exit status."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_STOPS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
            for descriptor in (self._wakeups, self._waker, self._life):
                os.close(descriptor)
            self._fleet.become(worker.number)
            serve(self._settings, self._app, self._fleet)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            log.exception("worker failed", extra={"worker": worker.number})
            return 1
        finally:
            logging.shutdown()
        return 0

    def _reap(self) -> None:
        """Takes note of the workers that have ended."""
        for worker in self._workers:
            if worker.pid is None:
                continue
            pid, raw, usage = os.wait4(worker.pid, os.WNOHANG)
            if pid:
                self._ended(worker, os.waitstatus_to_exitcode(raw), usage.ru_utime + usage.ru_stime)

    def _ended(self, worker: _Worker, code: int, cpu_seconds: float) -> None:
        assert self._fleet.processes is not None
        self._up = self._up or any(self._fleet.has_listened(each.number) for each in self._workers)
        self._fleet.processes.ended(worker.number, cpu_seconds)
        self._fleet.forget(worker.number)
        worker.pid = None
        reason = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        extra = {"worker": worker.number, "reason": reason}
        if self._kill_at is not None:
            log.info("worker ended", extra=extra)
            if code not in (0, -signal.SIGTERM, -signal.SIGINT):
                self._status = self._status or max(code, 1)
            return
        if code > 0 and not self._up:
            log.error("worker does not start", extra=extra)
            self._status = code
            self._stop(signal.SIGTERM)
            return
        now = time.monotonic()
        if now - worker.started_at >= STABLE_SECONDS:
            worker.delay = FIRST_DELAY_SECONDS
        worker.due_at = now + worker.delay
        log.error("worker ended, starting another", extra={**extra, "seconds": worker.delay})
        worker.delay = min(2 * worker.delay, LONGEST_DELAY_SECONDS)

    def _end_the_silent(self) -> None:
        for worker in self._workers:
            beats = self._fleet.beats(worker.number)
            worker.silent_checks = 0 if beats != worker.beats else worker.silent_checks + 1
            worker.beats = beats
            if worker.pid is not None and worker.silent_checks >= SILENT_CHECKS:
                worker.silent_checks = 0
                log.error("worker is silent, killing it", extra={"worker": worker.number, "pid": worker.pid})
                os.kill(worker.pid, signal.SIGKILL)

    def _kill_the_late(self) -> None:
        for worker in self._workers:
            if worker.pid is not None:
                log.error("worker does not end, killing it", extra={"worker": worker.number, "pid": worker.pid})
                os.kill(worker.pid, signal.SIGKILL)
        self._kill_at = time.monotonic() + CHECK_SECONDS
