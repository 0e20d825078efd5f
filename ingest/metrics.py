"""Every metric of the gateway itself, on a registry of its own; names begin with `convergio_gateway_`, but for
`convergio_certificate_expires_timestamp_seconds`, which every service shows.

| name | labels | meaning |
|---|---|---|
| requests_total | status | answers of `POST /api/telemetry/events` by HTTP status; 499: the client went away |
| events_total | verdict | events by what became of them: `accepted` (acknowledged by Kafka) or a reject code |
| refused_connections_total | reason | connections ended before there was a request to answer, by kind of problem |
| acknowledgement_seconds | | per record batch: how long its longest-waiting message waited for Kafka |
| inflight_bytes | | bytes held: messages that await Kafka, and bodies that are still arriving |
| ready | | 1 while Kafka is connected and answers, and the retention is known, in every worker that listens |
| producer_replacements_total | | times a producer had become unusable and was replaced |
| build_info | version | always 1 |

Of several workers each counts for itself, and any of them shows the sums.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate, count
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from ingest.fleet import Fleet
from ingest.problems import REFUSALS, TABLE, Kind
from schemas.certificates import NO_CERTIFICATES, CertificateCollector
from schemas.events import RejectCode, Rejection

PREFIX: Final = "convergio_gateway_"
CLIENT_GONE: Final = 499
ACCEPTED: Final = "accepted"
ACKNOWLEDGEMENT_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_columns = count()


def _numbered(labels: Iterable[object]) -> dict[object, int]:
    """The column of each label."""
    return {label: next(_columns) for label in labels}


_REQUESTS: Final = _numbered(sorted({202, 204, CLIENT_GONE, *(shape.status for shape in TABLE.values())}))
_EVENTS: Final = _numbered((ACCEPTED, *get_args(RejectCode)))
_REFUSED: Final = _numbered(REFUSALS)
_ACKNOWLEDGED: Final = list(_numbered((*ACKNOWLEDGEMENT_BUCKETS, "more")).values())
_ACKNOWLEDGED_SECONDS: Final = next(_columns)
_REPLACEMENTS: Final = next(_columns)
_WIDTH: Final = next(_columns)


class _Counts(Collector):
    """What is counted, as plain numbers of each worker: one thread counts, and a lock for each would cost more."""

    def __init__(self, fleet: Fleet) -> None:
        self.tally: Final = fleet.tally(_WIDTH)
        self._created = time.time()

    def collect(self) -> Iterator[Metric]:
        sums = self.tally.sums()
        for name, description, label, columns in (
            ("requests", "Answers of the events route by HTTP status; 499: the client went away", "status", _REQUESTS),
            ("events", "Events by verdict: accepted, or a reject code", "verdict", _EVENTS),
            (
                "refused_connections",
                "Connections ended before there was a request to answer, by kind of problem",
                "reason",
                _REFUSED,
            ),
        ):
            family = CounterMetricFamily(PREFIX + name, description, labels=[label])
            for value, column in columns.items():
                family.add_metric([str(value)], sums[column])
            yield family
        bounds = (*map(floatToGoString, ACKNOWLEDGEMENT_BUCKETS), "+Inf")
        counts = accumulate(sums[column] for column in _ACKNOWLEDGED)
        acknowledged = HistogramMetricFamily(
            PREFIX + "acknowledgement_seconds",
            "Longest wait for Kafka's acknowledgement in a record batch",
            buckets=list(zip(bounds, counts, strict=True)),
            sum_value=sums[_ACKNOWLEDGED_SECONDS],
        )
        acknowledged.add_sample(acknowledged.name + "_created", {}, self._created)
        yield acknowledged
        replacements = CounterMetricFamily(PREFIX + "producer_replacements", "Times an unusable producer was replaced")
        replacements.add_metric([], sums[_REPLACEMENTS], created=self._created)
        yield replacements


class GatewayMetrics:
    """The instruments, each label value there from the start; of all workers together, whichever of them is asked."""

    def __init__(self, fleet: Fleet | None = None, certificates: Mapping[str, str] = NO_CERTIFICATES) -> None:
        """`certificates` are the files whose expiry is shown, by label."""
        fleet = fleet or Fleet()
        self.registry: Final = CollectorRegistry()
        self.registry.register(CertificateCollector(certificates))
        counts = _Counts(fleet)
        self.registry.register(counts)
        self._tally = counts.tally
        self._inflight = Gauge(
            PREFIX + "inflight_bytes",
            "Bytes that await Kafka's acknowledgement or are still arriving",
            registry=self.registry,
        )
        self._ready = Gauge(
            PREFIX + "ready",
            "1 while Kafka is connected and answers, and the retention is known",
            registry=self.registry,
        )
        build = Gauge(PREFIX + "build_info", "Version of the gateway", ["version"], registry=self.registry)
        build.labels(version("convergio-telemetry")).set(1)
        self.registry.register(fleet.processes or ProcessCollector(registry=None))

    def watch(self, *, inflight_bytes: Callable[[], float], ready: Callable[[], bool]) -> None:
        """Reads these two when scraped, so that the hot route need not report them."""
        self._inflight.set_function(inflight_bytes)
        self._ready.set_function(lambda: float(ready()))

    def answered(self, status: int) -> None:
        """Counts an answer of the events route."""
        self._tally.own[_REQUESTS[status]] += 1

    def refused_connection(self, reason: Kind) -> None:
        """Counts a connection that was ended before there was a request to answer."""
        self._tally.own[_REFUSED[reason]] += 1

    def accepted(self, events: int) -> None:
        """Counts events that Kafka has acknowledged."""
        self._tally.own[_EVENTS[ACCEPTED]] += events

    def rejected(self, rejections: list[Rejection]) -> None:
        """Counts every refused event under its code."""
        for rejection in rejections:
            self._tally.own[_EVENTS[rejection.code]] += 1

    def acknowledged(self, seconds: float) -> None:
        """Counts a record batch whose longest-waiting message waited so long for Kafka."""
        own = self._tally.own
        own[_ACKNOWLEDGED[bisect_left(ACKNOWLEDGEMENT_BUCKETS, seconds)]] += 1
        own[_ACKNOWLEDGED_SECONDS] += seconds

    def producer_replaced(self) -> None:
        """Counts an unusable producer."""
        self._tally.own[_REPLACEMENTS] += 1
