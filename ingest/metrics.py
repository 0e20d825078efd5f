"""Every metric of the gateway itself, on a registry of its own; names begin with `convergio_gateway_`, but for
`convergio_certificate_expires_timestamp_seconds`, which every service shows.

| name | labels | meaning |
|---|---|---|
| requests_total | status | answers of `POST /api/telemetry/events` by HTTP status; 499: the client went away |
| events_total | verdict | events by what became of them: `accepted` (acknowledged by Kafka) or a reject code |
| refused_connections_total | reason | connections ended before there was a request to answer, by kind of problem |
| acknowledgement_seconds | | per record batch: how long its longest-waiting message waited for Kafka |
| inflight_bytes | | bytes held: messages that await Kafka, and bodies that are still arriving |
| ready | | 1 while Kafka is connected and answers, and the retention is known |
| producer_replacements_total | | times a producer had become unusable and was replaced |
| build_info | version | always 1 |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from ingest.problems import REFUSALS, TABLE, Kind
from schemas.certificates import NO_CERTIFICATES, CertificateCollector
from schemas.events import RejectCode, Rejection

PREFIX: Final = "convergio_gateway_"
CLIENT_GONE: Final = 499
ACCEPTED: Final = "accepted"
ACKNOWLEDGEMENT_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Counts(Collector):
    """What every request counts, as plain integers: one thread counts, and a lock for each would cost more."""

    def __init__(self) -> None:
        statuses = {202, 204, CLIENT_GONE, *(shape.status for shape in TABLE.values())}
        self.requests = dict.fromkeys(sorted(statuses), 0)
        self.events: dict[str, int] = dict.fromkeys((ACCEPTED, *get_args(RejectCode)), 0)
        self.refused: dict[Kind, int] = dict.fromkeys(REFUSALS, 0)

    def collect(self) -> Iterator[CounterMetricFamily]:
        requests = CounterMetricFamily(
            PREFIX + "requests",
            "Answers of the events route by HTTP status; 499: the client went away",
            labels=["status"],
        )
        for status, count in self.requests.items():
            requests.add_metric([str(status)], count)
        yield requests
        events = CounterMetricFamily(
            PREFIX + "events", "Events by verdict: accepted, or a reject code", labels=["verdict"]
        )
        for verdict, count in self.events.items():
            events.add_metric([verdict], count)
        yield events
        refused = CounterMetricFamily(
            PREFIX + "refused_connections",
            "Connections ended before there was a request to answer, by kind of problem",
            labels=["reason"],
        )
        for reason, count in self.refused.items():
            refused.add_metric([reason], count)
        yield refused


class GatewayMetrics:
    """The instruments, each label value there from the start."""

    def __init__(self, certificates: Mapping[str, str] = NO_CERTIFICATES) -> None:
        """`certificates` are the files whose expiry is shown, by label."""
        self.registry: Final = CollectorRegistry()
        self.registry.register(CertificateCollector(certificates))
        counts = _Counts()
        self.registry.register(counts)
        self._requests = counts.requests
        self._events = counts.events
        self._refused = counts.refused
        self.acknowledged: Final = Histogram(
            PREFIX + "acknowledgement_seconds",
            "Longest wait for Kafka's acknowledgement in a record batch",
            buckets=ACKNOWLEDGEMENT_BUCKETS,
            registry=self.registry,
        ).observe
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
        self.producer_replaced: Final = Counter(
            PREFIX + "producer_replacements_total",
            "Times an unusable producer was replaced",
            registry=self.registry,
        ).inc
        build = Gauge(PREFIX + "build_info", "Version of the gateway", ["version"], registry=self.registry)
        build.labels(version("convergio-telemetry")).set(1)
        ProcessCollector(registry=self.registry)

    def watch(self, *, inflight_bytes: Callable[[], int], ready: Callable[[], bool]) -> None:
        """Reads these two when scraped, so that the hot route need not report them."""
        self._inflight.set_function(inflight_bytes)
        self._ready.set_function(lambda: float(ready()))

    def answered(self, status: int) -> None:
        """Counts an answer of the events route."""
        self._requests[status] += 1

    def refused_connection(self, reason: Kind) -> None:
        """Counts a connection that was ended before there was a request to answer."""
        self._refused[reason] += 1

    def accepted(self, events: int) -> None:
        """Counts events that Kafka has acknowledged."""
        self._events[ACCEPTED] += events

    def rejected(self, rejections: list[Rejection]) -> None:
        """Counts every refused event under its code."""
        for rejection in rejections:
            self._events[rejection.code] += 1
