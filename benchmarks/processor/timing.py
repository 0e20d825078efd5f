"""How fast a processor stores events, read from its own metrics."""

from __future__ import annotations

import asyncio
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from infra.errors import Failure

POLL_SECONDS = 0.1
STALL_SECONDS = 300.0
"""Without any event stored for so long, a run has failed."""


_STORED = 'convergio_processor_events_total{outcome="stored"}'
_FROM_CACHE = 'convergio_processor_user_lookups_total{found="cache"}'
_FROM_CLICKHOUSE = 'convergio_processor_user_lookups_total{found="clickhouse"}'
_FAILURES = "convergio_processor_flush_failures_total"


class NotMeasured(Failure):
    """The processor did not do its work in a way that can be timed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one run measured. `cold_share` is the share of the users of a flush that were read from ClickHouse, 0 to 1;
    `None` if the processor does not count them."""

    events_per_second: float
    cold_share: float | None

    def __str__(self) -> str:
        users = "" if self.cold_share is None else f", {self.cold_share:.0%} of users read from ClickHouse"
        return f"{self.events_per_second:,.0f} events/s{users}"


class Sample(NamedTuple):
    """What the processor's metrics said at a moment; `at` is in monotonic seconds."""

    at: float
    stored: float
    series: dict[str, float]


class Watch:
    """Watches a processor, for `limit_seconds` at most."""

    def __init__(self, port: int, limit_seconds: float) -> None:
        self._port = port
        self._limit = limit_seconds
        self._began = self._progress = time.monotonic()
        self._last = Sample(self._began, 0, {})

    async def until(self, stored: float) -> Sample:
        """The first sample with so many events stored. They count when their flush is acknowledged.

        Raises `NotMeasured` when the processor stops storing events, dies, or takes longer than allowed.
        """
        while self._last.stored < stored:
            await asyncio.sleep(POLL_SECONDS)
            sample = await asyncio.to_thread(_sample, self._port)
            if sample.stored < self._last.stored:
                raise NotMeasured("the processor died and was restarted")
            if sample.stored > self._last.stored:
                self._progress = sample.at
            self._last = sample
            so_far = f"{sample.stored:,.0f} of {stored:,.0f} events stored, {_failures(sample)} failed flushes"
            if sample.at - self._progress > STALL_SECONDS:
                raise NotMeasured(f"nothing was stored for {STALL_SECONDS:.0f} s ({so_far})")
            if sample.at - self._began > self._limit:
                raise NotMeasured(f"not done after {self._limit:.0f} s ({so_far}); allow more with --timeout")
        return self._last


async def measure(watch: Watch, events: int, warm_up: int) -> Rate:
    """The rate from the first tenth of `events` to the last, with `warm_up` events before them left out.

    Raises `NotMeasured` as `Watch.until` does, and if all events are stored in one flush.
    """
    first = await watch.until(warm_up + events / 10)
    last = await watch.until(warm_up + events)
    if first.stored == last.stored:
        raise NotMeasured("all events were stored in one flush, nothing can be timed; raise --events")
    return Rate((last.stored - first.stored) / (last.at - first.at), _cold_share(first, last))


def spread(rates: Sequence[float]) -> str:
    """The minimum, the median and the maximum, in words."""
    return f"min {min(rates):,.0f}, median {statistics.median(rates):,.0f}, max {max(rates):,.0f} events/s"


def _sample(port: int) -> Sample:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
            text: str = response.read().decode()
    except OSError as error:
        raise NotMeasured(f"the processor does not answer /metrics: {error}") from error
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    series = {name: float(value) for name, _, value in lines}
    if _STORED not in series:
        raise NotMeasured(f"the processor has no series {_STORED}")
    return Sample(time.monotonic(), series[_STORED], series)


def _failures(sample: Sample) -> str:
    return f"{sample.series[_FAILURES]:.0f}" if _FAILURES in sample.series else "an unknown number of"


def _cold_share(first: Sample, last: Sample) -> float | None:
    if not {_FROM_CACHE, _FROM_CLICKHOUSE} <= last.series.keys():
        return None
    cached, read = (last.series[name] - first.series[name] for name in (_FROM_CACHE, _FROM_CLICKHOUSE))
    return read / (cached + read) if cached + read else None
