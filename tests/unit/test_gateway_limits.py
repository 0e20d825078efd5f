"""Token buckets, the byte budget, deadlines, and inflating within bounds."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.body import MAX_PARTS, Encoding, inflate
from ingest.budget import ByteBudget
from ingest.deadlines import Deadlines
from ingest.problems import Problem
from schemas.limits import TokenBuckets


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def buckets(clock: Clock, entries: int = 10) -> TokenBuckets:
    return TokenBuckets(rate=2.0, burst=10, entries=entries, clock=clock)


def test_a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait() -> None:
    clock = Clock()
    limit = buckets(clock)
    assert limit.take("a", 10) == 0
    assert limit.take("a", 5) == 3
    clock.seconds = 2.5
    assert limit.take("a", 5) == 0
    assert limit.take("a", 1) == 1


def test_a_refusal_costs_nothing() -> None:
    limit = buckets(Clock())
    assert limit.take("a", 8) == 0
    assert limit.take("a", 3) == 1
    assert limit.take("a", 2) == 0


def test_keys_do_not_share_a_bucket() -> None:
    limit = buckets(Clock())
    assert limit.take("a", 10) == 0
    assert limit.take("b", 10) == 0


def test_memory_is_bounded_and_the_longest_idle_key_is_forgotten() -> None:
    limit = buckets(Clock(), entries=2)
    for key in ("a", "b", "a", "c"):
        limit.take(key, 5)
    assert len(limit) == 2
    assert limit.take("a", 1) > 0
    assert limit.take("b", 10) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 12)), max_size=60))
def test_no_one_ever_gets_more_than_burst_and_rate_allow(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    limit = buckets(clock)
    taken = 0
    for pause, tokens in steps:
        clock.seconds += pause
        wait = limit.take("a", tokens)
        if wait == 0:
            taken += tokens
        else:
            assert wait <= 5
        assert taken <= 10 + 2.0 * clock.seconds + 1e-6


def test_a_budget_refuses_what_does_not_fit_and_takes_back_what_was_held() -> None:
    budget = ByteBudget(100, retry_after=7)
    budget.take(60)
    with pytest.raises(Problem) as refused:
        budget.take(41)
    assert (refused.value.status, refused.value.retry_after) == (503, 7)
    budget.give_back(60)
    budget.take(100)
    assert budget.used == 100


async def test_a_deadline_ends_its_own_wait_and_no_other() -> None:
    deadlines = Deadlines(0.02)
    forever = asyncio.Event()

    async def wait(closes: bool) -> str:
        deadline = deadlines.open()
        try:
            if closes:
                deadline.close()
                await asyncio.wait_for(forever.wait(), 0.1)
            await forever.wait()
        except asyncio.CancelledError:
            return "expired" if deadline.claims() else "cancelled"
        except TimeoutError:
            return "closed in time"
        finally:
            deadline.close()
        return "done"

    ended = await asyncio.gather(wait(False), wait(True), wait(False))
    assert list(ended) == ["expired", "closed in time", "expired"]


async def test_a_cancellation_from_elsewhere_is_not_claimed_by_the_deadline() -> None:
    deadlines = Deadlines(60)

    async def wait() -> bool:
        deadline = deadlines.open()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return deadline.claims()
        return True

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    assert await task is False


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.integers(0, 900))
def test_inflating_gives_all_members_or_refuses_what_is_over_the_limit(parts: list[bytes], limit: int) -> None:
    body, plain = b"".join(map(gzip.compress, parts)), b"".join(parts)
    if len(plain) <= limit:
        assert inflate(body, "gzip", limit) == plain
    else:
        with pytest.raises(Problem) as refused:
            inflate(body, "gzip", limit)
        assert refused.value.status == 413


EMPTY_MEMBER, SKIPPABLE_FRAME = gzip.compress(b""), bytes.fromhex("502a4d1800000000")


@pytest.mark.parametrize(("encoding", "empty"), [("gzip", EMPTY_MEMBER), ("zstd", SKIPPABLE_FRAME)])
def test_a_body_of_countless_empty_pieces_is_refused_before_it_is_copied_countless_times(
    encoding: Encoding, empty: bytes
) -> None:
    assert inflate(empty * MAX_PARTS, encoding, 10) == b""
    with pytest.raises(Problem) as refused:
        inflate(empty * (MAX_PARTS + 1), encoding, 10)
    assert refused.value.kind == "not-inflatable"
