"""Every metric of the gateway itself, on a registry of its own; names begin with `convergio_gateway_`.

| name | labels | meaning |
|---|---|---|
| requests_total | status | answers of `POST /api/telemetry/events` by HTTP status; 499: the client went away |
| events_total | verdict | events by what became of them: `accepted` (acknowledged by Kafka) or a reject code |
| acknowledgement_seconds | | time from handing a message to the producer to Kafka's acknowledgement |
| inflight_bytes | | bytes held: messages that await Kafka, and bodies that are still arriving |
| ready | | 1 while Kafka is connected and answers |
| producer_replacements_total | | times a producer had become unusable and was replaced |
| build_info | version | always 1 |
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from ingest.problems import TABLE
from schemas.events import RejectCode, Rejection

PREFIX: Final = "convergio_gateway_"
CLIENT_GONE: Final = 499
ACKNOWLEDGEMENT_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """The instruments, with a child bound for every label value there can be."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry: Final = CollectorRegistry() if registry is None else registry
        requests = Counter(
            PREFIX + "requests_total",
            "Answers to posted batches by HTTP status; 499: the client went away",
            ["status"],
            registry=self.registry,
        )
        statuses = {202, CLIENT_GONE, *(shape.status for shape in TABLE.values())}
        self.answered: Final = {status: requests.labels(str(status)).inc for status in sorted(statuses)}
        events = Counter(
            PREFIX + "events_total",
            "Events by verdict: accepted, or a reject code",
            ["verdict"],
            registry=self.registry,
        )
        self.accepted: Final = events.labels("accepted").inc
        self._rejected: Final = {code: events.labels(code).inc for code in get_args(RejectCode)}
        self.acknowledged: Final = Histogram(
            PREFIX + "acknowledgement_seconds",
            "Time until Kafka acknowledged a message",
            buckets=ACKNOWLEDGEMENT_BUCKETS,
            registry=self.registry,
        ).observe
        self._inflight = Gauge(
            PREFIX + "inflight_bytes",
            "Bytes that await Kafka's acknowledgement or are still arriving",
            registry=self.registry,
        )
        self._ready = Gauge(PREFIX + "ready", "1 while Kafka is connected and answers", registry=self.registry)
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

    def rejected(self, rejections: list[Rejection]) -> None:
        """Counts every refused event under its code."""
        for rejection in rejections:
            self._rejected[rejection.code]()
