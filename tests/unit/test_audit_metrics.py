"""What the running audit shows while it cannot look."""

from __future__ import annotations

from infra.audit.follow.metrics import BLIND_SECONDS, AuditMetrics
from infra.audit.follow.positions import Position


class Clock:
    seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def test_an_audit_that_cannot_look_is_behind_by_the_time_since_it_last_could() -> None:
    clock = Clock()
    metrics = AuditMetrics(clock=clock)

    def lag() -> float | None:
        return metrics.registry.get_sample_value("convergio_audit_lag_seconds")

    assert lag() == 0
    clock.seconds += 5000
    assert lag() == 5000, "it has never looked"
    metrics.show({0: Position(7)})
    assert lag() == 0
    clock.seconds += BLIND_SECONDS
    assert lag() == 0
    clock.seconds += 1
    assert lag() == BLIND_SECONDS + 1
    metrics.oldest_unchecked(0, (7, int((clock.seconds - 900) * 1000)))
    assert lag() == 900
