"""The `process_…` series of all workers of a gateway together, whichever of them is asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

from ingest.tally import Tally

_VERSION, _PID, _CPU_BEFORE = range(3)
_CPU: Final = "process_cpu_seconds"
_TRIES: Final = 100
"""How often a row is read that the parent is changing; one that was killed at it never ends."""
_START: Final = "process_start_time_seconds"


class WorkerProcesses(Collector):
    """Adds up what Linux says of the workers and of their parent, which writes down who they are.

    The processor time of workers that have ended is kept, so that the sum does not fall.
    """

    def __init__(self, workers: int) -> None:
        self._processes = Tally(3, workers)
        self._workers = workers
        self._parent = os.getpid()

    def started(self, worker: int, pid: int) -> None:
        """Called by the parent."""
        self._change(worker, pid, 0.0)

    def ended(self, worker: int, cpu_seconds: float) -> None:
        """Called by the parent, with the processor time that the worker has used."""
        self._change(worker, 0, cpu_seconds)

    def _change(self, worker: int, pid: int, cpu_seconds: float) -> None:
        row = self._processes.row(worker)
        # Odd: not to be read.
        row[_VERSION] += 1
        row[_PID] = pid
        row[_CPU_BEFORE] += cpu_seconds
        row[_VERSION] += 1

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {family.name: family for family in _of(self._parent)}
        for worker in range(self._workers):
            cpu_before, families = self._read(worker)
            for family in families:
                _merge(merged, family)
            if _CPU in merged:
                _change(merged[_CPU], merged[_CPU].samples[0].value + cpu_before)
        yield from merged.values()

    def _read(self, worker: int) -> tuple[float, list[Metric]]:
        """A worker's numbers, and the processor time of those before it in its place."""
        row = self._processes.row(worker)
        for _ in range(_TRIES):
            version, pid, cpu_before = row
            families = list(_of(int(pid))) if pid else []
            if version % 2 == 0 and version == row[_VERSION]:
                break
        return cpu_before, families


def _of(pid: int) -> Iterable[Metric]:
    return ProcessCollector(pid=lambda: pid, registry=None).collect()


def _merge(merged: dict[str, Metric], family: Metric) -> None:
    """Adds up; the process that started first has the start time."""
    known = merged.setdefault(family.name, family)
    if known is not family and family.name != _START:
        _change(known, known.samples[0].value + family.samples[0].value)


def _change(family: Metric, value: float) -> None:
    family.samples[0] = family.samples[0]._replace(value=value)
