"""What a processor says of itself: every series in one place."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from processors.dedup import Outcome
from processors.flush import FlushReport
from processors.offsets import Progress
from schemas.certificates import NO_CERTIFICATES, CertificateCollector


class ProcessorMetrics:
    """The series of one processor, in a registry of their own."""

    def __init__(self, certificates: Mapping[str, str] = NO_CERTIFICATES) -> None:
        """`certificates` are the files whose expiry is shown, by label."""
        self.registry = CollectorRegistry()
        self.registry.register(CertificateCollector(certificates))
        self._events = Counter(
            "convergio_processor_events_total",
            "Events read, by what became of each",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in Outcome:
            self._events.labels(outcome.value)
        self._messages = Counter(
            "convergio_processor_messages_total", "Kafka messages processed", registry=self.registry
        )
        self._dead_letters = Counter(
            "convergio_processor_dead_letters_total", "Messages set aside as poison", registry=self.registry
        )
        self._missing_offsets = Counter(
            "convergio_processor_missing_offsets_total",
            "Offsets passed over because the log itself holds no record there",
            ["partition"],
            registry=self.registry,
        )
        self._erasures = Counter("convergio_processor_erasures_total", "Erasures carried out", registry=self.registry)
        self.oldest_erasure_to_sweep = Gauge(
            "convergio_processor_oldest_erasure_to_sweep_timestamp_seconds",
            "When the oldest erasure was carried out whose hidden rows may not be deleted yet; 0 if there is none",
            registry=self.registry,
        )
        self._cache = Counter(
            "convergio_processor_user_lookups_total",
            "Users of a flush, by where they were found",
            ["found"],
            registry=self.registry,
        )
        for place in ("cache", "clickhouse"):
            self._cache.labels(place)
        self._flushes = Histogram(
            "convergio_processor_flush_seconds",
            "Duration of a flush",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.flush_failures = Counter(
            "convergio_processor_flush_failures_total",
            "Flushes that ClickHouse or Kafka did not take and that are tried again",
            registry=self.registry,
        )
        self.cached_events = Gauge(
            "convergio_processor_cached_events",
            "Users, event ids, sessions and spans remembered by the cache of users",
            registry=self.registry,
        )
        self.inbox_bytes = Gauge(
            "convergio_processor_inbox_bytes",
            "Bytes of messages that wait for a flush",
            registry=self.registry,
        )
        self.oldest_unflushed = Gauge(
            "convergio_processor_oldest_unflushed_seconds",
            "Age of the oldest message read but not flushed; 0 if there is none",
            registry=self.registry,
        )
        self.kept_days = Gauge(
            "convergio_processor_kept_days",
            "Closed days of events that ClickHouse does not drop because of their size",
            registry=self.registry,
        )
        self.oldest_day_to_close = Gauge(
            "convergio_processor_oldest_day_to_close_timestamp_seconds",
            "When the oldest day began that should be closed and is not; 0 if there is none",
            registry=self.registry,
        )
        self.clocks_disagree = Gauge(
            "convergio_processor_clocks_disagree",
            "1 while this processor's clock and ClickHouse's differ so much that no day is closed",
            registry=self.registry,
        )
        self._parts = Gauge(
            "convergio_processor_clickhouse_parts",
            "Active parts of the partition that has most, by table",
            ["table"],
            registry=self.registry,
        )
        self._lag = Gauge(
            "convergio_processor_lag_messages",
            "Messages of an owned partition that are not committed yet",
            ["partition"],
            registry=self.registry,
        )

    def flushed(self, report: FlushReport, seconds: float) -> None:
        """Counts a flush that was acknowledged."""
        for outcome, events in report.outcomes.items():
            self._events.labels(outcome.value).inc(events)
        self._messages.inc(report.messages)
        self._dead_letters.inc(len(report.dead_letters))
        self._erasures.inc(report.erasures)
        self._cache.labels("cache").inc(report.users_cached)
        self._cache.labels("clickhouse").inc(report.users_loaded)
        self._flushes.observe(seconds)

    def missing_offsets(self, partition: int, count: int) -> None:
        """Counts offsets at which the log holds no record."""
        self._missing_offsets.labels(str(partition)).inc(count)

    def show_parts(self, most: Mapping[str, str | int]) -> None:
        """Shows the parts of the partition that has most, by table, and no other table."""
        self._parts.clear()
        for table, parts in most.items():
            self._parts.labels(table).set(int(parts))

    def show_lag(self, progress: Mapping[int, Progress]) -> None:
        """Shows the lag of the partitions that are ours, and of no others."""
        self._lag.clear()
        for partition, seen in progress.items():
            self._lag.labels(str(partition)).set(seen.lag)
            # A series that begins at 0 lets `increase()` see its first offsets.
            self._missing_offsets.labels(str(partition))
