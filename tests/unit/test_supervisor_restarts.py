"""How long the supervisor waits before it restarts what died."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.local.restarts import Backoff, RestartPolicy

POLICY = RestartPolicy(first_delay=0.5, factor=2.0, longest_delay=30.0, stable_after=60.0)


def test_a_service_that_keeps_dying_waits_twice_as_long_each_time_up_to_the_limit() -> None:
    backoff = Backoff(POLICY)
    delays = [backoff.delay_after(uptime=1.0) for _ in range(9)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_service_that_was_up_for_a_while_is_restarted_soon_again() -> None:
    backoff = Backoff(POLICY)
    for _ in range(5):
        backoff.delay_after(uptime=1.0)
    assert backoff.delay_after(uptime=60.0) == 0.5
    assert backoff.delay_after(uptime=1.0) == 1.0


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_no_history_makes_a_delay_leave_its_bounds(uptimes: list[float]) -> None:
    backoff = Backoff(POLICY)
    assert all(0.5 <= backoff.delay_after(uptime) <= 30.0 for uptime in uptimes)
