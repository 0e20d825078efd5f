"""Processes that are stopped for a while: they keep their connections and answer nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.001


def suspend(pid: int) -> None:
    """SIGSTOP; returns when every thread of the process stands still, or the process has ended.

    A thread that waits for a processor notices the signal only when it gets one. Raises `TimeoutError`.
    """
    os.kill(pid, signal.SIGSTOP)
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not _states(pid) <= {"T", "Z"}:
        if time.monotonic() > give_up:
            raise TimeoutError(f"process {pid} is not stopped")
        time.sleep(_PAUSE_SECONDS)


def _states(pid: int) -> set[str]:
    """The state letter of each thread; empty if there is no such process."""
    states = set()
    for file in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            states.add(file.read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue  # this thread has ended
    return states
