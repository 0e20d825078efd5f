"""From readings to bytes: the metric families of `schemas.metrics`, in both exposition formats."""

from __future__ import annotations

import gzip
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.snapshot import Lifetime, Reading, Windows
from schemas import metrics as m
from schemas.events import CATEGORIES, FEATURES
from schemas.exposition import OPENMETRICS, TEXT, openmetrics_of, text_of, wants_openmetrics
from schemas.negotiation import preferred

MS_PER_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one scrape shows. `maestros` are already bounded; `failures` counts failed refreshes and
    `stats_refusals` the requests for statistics that were refused; `certificates` is when each file expires."""

    windows: Reading[Windows]
    lifetime: Reading[Lifetime]
    maestros: dict[str, int]
    up: bool
    failures: int
    stats_refusals: Mapping[m.StatsRefusal, int]
    certificates: Mapping[str, float]


class SnapshotCollector(Collector):
    """A snapshot in prometheus_client's terms."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Every family of `schemas.metrics.FAMILIES`, in that order."""
        samples = _samples(self._snapshot)
        for family in m.FAMILIES:
            yield _metric(family, samples[family])


Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the order of the family's labels, and the value."""


def _samples(snapshot: Snapshot) -> dict[m.Family, Samples]:
    windows, lifetime = snapshot.windows.value, snapshot.lifetime.value
    sessions = {**windows.sessions, "all": lifetime.sessions}
    study_ms = {**windows.study_ms, "all": lifetime.study_ms}
    readings = [
        (part, reading.read_at, reading.seconds)
        for part, reading in (("windows", snapshot.windows), ("lifetime", snapshot.lifetime))
    ]
    return {
        m.USERS_ACTIVE: [((period,), windows.users[period]) for period in m.ACTIVE_PERIODS],
        m.SESSIONS: [((period,), sessions[period]) for period in m.PERIODS],
        m.STUDY_MINUTES: [((period,), study_ms[period] / MS_PER_MINUTE) for period in m.PERIODS],
        m.FEATURE_USAGE: [((feature,), lifetime.actions[action]) for feature, action in FEATURES.items()],
        m.MAESTRO_USAGE: [((maestro,), count) for maestro, count in snapshot.maestros.items()],
        m.EVENTS: [
            ((category, action), lifetime.actions[action])
            for category, actions in CATEGORIES.items()
            for action in actions
        ],
        m.NEWEST_EVENT: [((), windows.newest_event)],
        m.NEWEST_RECEIVED: [((), windows.newest_received)],
        m.REFRESH_TIME: [((part,), read_at) for part, read_at, _ in readings],
        m.REFRESH_DURATION: [((part,), seconds) for part, _, seconds in readings],
        m.REFRESH_FAILURES: [((), snapshot.failures)],
        m.STATS_REFUSED: [((reason,), count) for reason, count in snapshot.stats_refusals.items()],
        m.CERTIFICATE_EXPIRES: [((file,), at) for file, at in snapshot.certificates.items()],
        m.UP: [((), snapshot.up)],
        m.BUILD_INFO: [((running_version(), platform.python_version()), 1)],
    }


def _metric(family: m.Family, samples: Samples) -> Metric:
    kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


@dataclass(frozen=True, slots=True)
class Exposition:
    """A rendered snapshot: the body of each format, plain and compressed."""

    text: bytes
    text_gzip: bytes
    openmetrics: bytes
    openmetrics_gzip: bytes

    @classmethod
    def of(cls, snapshot: Snapshot) -> Exposition:
        collector = SnapshotCollector(snapshot)
        text, modern = text_of(collector), openmetrics_of(collector)
        return cls(text, gzip.compress(text, 5, mtime=0), modern, gzip.compress(modern, 5, mtime=0))

    def negotiated(self, accept: str, accept_encoding: str) -> tuple[bytes, dict[str, str]]:
        """The body and the headers for a request's Accept and Accept-Encoding; empty ones accept anything."""
        modern = wants_openmetrics(accept)
        compressed = preferred(accept_encoding, ("identity", "gzip")) == 1
        if modern:
            body = self.openmetrics_gzip if compressed else self.openmetrics
        else:
            body = self.text_gzip if compressed else self.text
        headers = {"Content-Type": OPENMETRICS if modern else TEXT, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return body, headers


@cache
def running_version() -> str:
    """The installed version of this package; `unknown` where it runs without being installed."""
    try:
        return version("convergio-telemetry")
    except PackageNotFoundError:
        return "unknown"
