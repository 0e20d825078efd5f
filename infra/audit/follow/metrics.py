"""What a running audit says: every series in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from infra.audit.follow.positions import Position
from schemas.certificates import NO_CERTIFICATES, CertificateCollector

BLIND_SECONDS: Final = 120.0
"""An audit that could not look at Kafka and ClickHouse for so long is behind by that time."""


class AuditMetrics:
    """The series of one audit, in a registry of their own."""

    def __init__(
        self, certificates: Mapping[str, str] = NO_CERTIFICATES, clock: Callable[[], float] = time.time
    ) -> None:
        """`certificates` are the files whose expiry is shown, by label."""
        self._clock = clock
        self._looked_at = clock()
        self.registry = CollectorRegistry()
        self.registry.register(CertificateCollector(certificates))
        self._checked_offset = Gauge(
            "convergio_audit_checked_offset",
            "Offset up to which every message was checked",
            ["partition"],
            registry=self.registry,
        )
        self.checked_events = Counter(
            "convergio_audit_checked_events_total", "Events checked, repeats included", registry=self.registry
        )
        self.unchecked = Counter(
            "convergio_audit_unchecked_messages_total",
            "Messages that Kafka deleted before they were checked",
            registry=self.registry,
        )
        self._missing = Gauge(
            "convergio_audit_missing_events", "Acknowledged events that are not stored", registry=self.registry
        )
        self._doubled = Gauge(
            "convergio_audit_doubled_events", "Events that are shown more than once", registry=self.registry
        )
        self._wrong_sessions = Gauge(
            "convergio_audit_wrong_sessions", "Sessions that are not what their events give", registry=self.registry
        )
        self._still_shown = Gauge(
            "convergio_audit_erased_users_shown",
            "Users of whom something is shown that came before their erasure",
            registry=self.registry,
        )
        self._unreadable = Gauge(
            "convergio_audit_unreadable_messages",
            "Messages that cannot be read and are no dead letters",
            registry=self.registry,
        )
        self._oldest: dict[int, tuple[int, int]] = {}
        lag = Gauge(
            "convergio_audit_lag_seconds",
            "Age of the oldest message that was not checked yet; 0 if there is none",
            registry=self.registry,
        )
        lag.set_function(self._lag)

    def show(self, positions: Mapping[int, Position]) -> None:
        """Shows how far each partition is, and what is wrong at present: it was just looked at."""
        self._looked_at = self._clock()
        for partition, position in positions.items():
            self._checked_offset.labels(str(partition)).set(position.offset)
        wrong = [violations for position in positions.values() for violations in position.wrong.values()]
        self._missing.set(len(set().union(*(each.missing for each in wrong))))
        self._doubled.set(len(set().union(*(each.doubled for each in wrong))))
        self._wrong_sessions.set(len(set().union(*(each.wrong_sessions for each in wrong))))
        self._still_shown.set(len(set().union(*(each.still_shown for each in wrong))))
        self._unreadable.set(sum(each.unreadable for each in wrong))

    def oldest_unchecked(self, partition: int, message: tuple[int, int] | None) -> None:
        """Says which message of a partition is next: its offset, and when it was written in ms since 1970."""
        if message is None:
            self._oldest.pop(partition, None)
        else:
            self._oldest[partition] = message

    def knows_age_of(self, partition: int, offset: int) -> bool:
        """Whether the message at an offset is known to be the next of its partition."""
        known = self._oldest.get(partition)
        return known is not None and known[0] == offset

    def _lag(self) -> float:
        now = self._clock()
        written = [timestamp_ms / 1000 for _, timestamp_ms in list(self._oldest.values())]
        # Of what came since it could look for the last time nothing is known.
        if now - self._looked_at > BLIND_SECONDS:
            written.append(self._looked_at)
        return max(0.0, now - min(written)) if written else 0.0
