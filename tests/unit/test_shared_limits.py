"""Token buckets and numbers that several processes share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.budget import ByteBudget
from ingest.fleet import Fleet
from ingest.metrics import ACCEPTED, GatewayMetrics
from ingest.problems import Problem
from ingest.shared_limits import WAYS, SharedTokenBuckets
from ingest.tally import Tally
from schemas.limits import TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def in_children(count: int, work: Callable[[int], int]) -> list[int]:
    """What `work` returns (0 to 255) in so many forked processes that run at the same time."""
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            status = 255
            try:
                status = work(number)
            finally:
                os._exit(status)
        pids.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.integers(1, 12)), max_size=80))
def test_shared_buckets_give_what_those_of_one_process_give(steps: list[tuple[int, str, int]]) -> None:
    clock = Clock()
    shared = SharedTokenBuckets(rate=2.0, burst=10, entries=1000, clock=clock)
    plain = TokenBuckets(rate=2.0, burst=10, entries=1000, clock=clock)
    for quarters, key, tokens in steps:
        clock.seconds += quarters / 4
        assert shared.take(key, tokens) == plain.take(key, tokens)


def test_processes_that_take_at_once_get_together_what_one_would_get() -> None:
    limit = SharedTokenBuckets(rate=0.001, burst=40_000, entries=100, clock=Clock())
    begun, taken = Tally(1, 4), Tally(1, 4)

    def take_all_one_can(process: int) -> int:
        begun.row(process)[0] = 1
        while sum(begun.column(0)) < 4:
            time.sleep(0)
        taken.row(process)[0] = sum(limit.take("a", 1) == 0 for _ in range(20_000))
        return 0

    assert in_children(4, take_all_one_can) == [0, 0, 0, 0]
    assert taken.sums() == [40_000]
    assert limit.take("b", 40_000) == 0


def test_a_process_that_hangs_with_a_lock_stops_no_other() -> None:
    limit = SharedTokenBuckets(rate=1.0, burst=10, entries=WAYS, clock=Clock())
    held, hold = os.pipe()
    release, go_on = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.write(hold, b"1" if limit._lock(0) else b"0")
        os.read(release, 1)
        os._exit(0)
    try:
        assert os.read(held, 1) == b"1"
        assert limit.take("a", 4) == 0
        assert limit.take("a", 7) == 1
    finally:
        os.write(go_on, b"1")
        os.waitpid(holder, 0)
        for descriptor in (held, hold, release, go_on):
            os.close(descriptor)


def test_memory_is_bounded_and_the_bucket_that_will_be_full_first_is_forgotten() -> None:
    limit = SharedTokenBuckets(rate=1.0, burst=10, entries=WAYS, clock=Clock())
    for number in range(WAYS):
        assert limit.take(f"key {number}", number + 1) == 0
    assert limit.take("one more", 10) == 0
    assert limit.take("key 0", 10) == 0, "it was forgotten"
    assert limit.take(f"key {WAYS - 1}", 10) > 0


def test_what_workers_count_adds_up_and_outlives_them() -> None:
    fleet = Fleet(3)
    metrics = GatewayMetrics(fleet)

    def count(worker: int) -> int:
        fleet.become(worker)
        for _ in range(1000):
            metrics.answered(202)
        metrics.accepted(5)
        metrics.acknowledged(0.003)
        fleet.connections.own[0] = 7
        return 0

    for _ in range(2):
        assert in_children(3, count) == [0, 0, 0]
    assert metrics.registry.get_sample_value("convergio_gateway_requests_total", {"status": "202"}) == 6000
    assert metrics.registry.get_sample_value("convergio_gateway_events_total", {"verdict": ACCEPTED}) == 30
    for bound, expected in (("0.002", 0), ("0.005", 6), ("+Inf", 6)):
        name = "convergio_gateway_acknowledgement_seconds_bucket"
        assert metrics.registry.get_sample_value(name, {"le": bound}) == expected
    seconds = metrics.registry.get_sample_value("convergio_gateway_acknowledgement_seconds_sum")
    assert seconds == pytest.approx(6 * 0.003)
    assert fleet.connections.sums() == [21]
    fleet.forget(1)
    assert fleet.connections.sums() == [14]


def test_the_bytes_in_flight_of_all_workers_are_bounded_together() -> None:
    held = Tally(1, 2)
    one, other = ByteBudget(100, 1, held), ByteBudget(100, 1, held)
    one.take(60)
    held.own = held.row(1)
    other.take(40)
    with pytest.raises(Problem):
        other.take(1)
    assert one.used == other.used == 100
    other.give_back(40)
    assert one.used == 60


def test_a_fleet_is_ready_if_every_worker_that_listens_is() -> None:
    fleet = Fleet(2)

    def listen(worker: int, ready: bool) -> None:
        fleet.become(worker)
        fleet.listening()
        fleet.tell(ready)

    listen(0, True)
    assert fleet.ready, "a worker that does not listen yet gets no requests"
    listen(1, False)
    assert not fleet.ready
    fleet.closed()
    assert fleet.ready
    listen(1, False)
    fleet.forget(1)
    assert fleet.ready
