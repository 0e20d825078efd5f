"""The traffic generator: repeatable, honest about what it sends, and never in the future."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.simulate.plan import ClientBatch, Plan, SentEvent
from infra.simulate.students import instant_text, student, uuid4_text
from infra.simulate.traffic import batches
from schemas.events import MAX_EVENTS_PER_BATCH, Batch

START = datetime(2026, 5, 4, 17, 30, tzinfo=UTC)
decode_batch = msgspec.json.Decoder(Batch).decode


def as_sent(user_id: str, events: list[SentEvent]) -> bytes:
    return msgspec.json.encode({"userId": user_id, "sentAt": "2026-05-04T17:30:00Z", "events": events})


def time_of(event: SentEvent) -> datetime:
    return datetime.fromisoformat(event.timestamp)


def all_of(plan: Plan) -> list[ClientBatch]:
    return list(batches(plan, START))


def good_ids(sent: list[ClientBatch]) -> list[str]:
    return [event.eventId for batch in sent for place, event in enumerate(batch.events) if place not in batch.broken]


@pytest.fixture
def busy(seed: int) -> Plan:
    return Plan(
        seed=seed,
        users=40,
        events=6000,
        history_days=20,
        duplicate_share=0.1,
        late_share=0.2,
        bad_share=0.05,
        rate=500.0,
    )


def test_the_same_plan_is_the_same_traffic(busy: Plan) -> None:
    assert all_of(busy) == all_of(busy)


def test_another_seed_shares_no_id(seed: int) -> None:
    first, second = (all_of(Plan(seed=each, events=500)) for each in (seed, seed + 1))
    assert not set(good_ids(first)) & set(good_ids(second))


def test_exactly_the_asked_number_of_unique_good_events_is_sent(busy: Plan) -> None:
    sent = all_of(busy)
    assert len(set(good_ids(sent))) == 6000
    assert len(good_ids(sent)) - 6000 == sum(batch.repeats for batch in sent) > 0


def test_no_event_is_later_than_the_moment_its_batch_is_due(busy: Plan) -> None:
    for batch in all_of(busy):
        due = START + timedelta(seconds=batch.due)
        assert all(time_of(event) <= due for event in batch.events)


def test_without_a_rate_events_follow_the_clock(seed: int) -> None:
    plan = Plan(seed=seed, events=400)
    for batch in batches(plan, START, lambda: 3600.0):
        assert batch.due == 0
        assert all(time_of(event) <= START + timedelta(hours=1) for event in batch.events)


def test_live_traffic_keeps_the_asked_rate(seed: int) -> None:
    due = [batch.due for batch in all_of(Plan(seed=seed, events=3000, rate=100.0))]
    assert due == sorted(due)
    assert due[-1] == pytest.approx(30, abs=1)


def test_good_events_follow_the_contract_and_each_broken_one_does_not(busy: Plan) -> None:
    broken = Counter[str]()
    for batch in all_of(busy):
        assert len(batch.events) <= MAX_EVENTS_PER_BATCH
        for place, event in enumerate(batch.events):
            code = batch.expected(place)
            broken[code] += 1
            if code in ("accepted", "too_old", "label_required"):  # the last two are rules beyond the types
                decode_batch(as_sent(batch.user_id, [event]))
            else:
                with pytest.raises(msgspec.ValidationError):
                    decode_batch(as_sent(batch.user_id, [event]))
    assert len(broken) == 8


def test_history_comes_first_and_lies_in_the_asked_days(seed: int) -> None:
    sent = all_of(Plan(seed=seed, users=30, events=4000, history_days=10))
    first = [time_of(event) for batch in sent[: len(sent) // 3] for event in batch.events]
    assert START - timedelta(days=12) < min(first) < START - timedelta(days=8)
    last = [time_of(event) for batch in sent[-10:] for event in batch.events]
    assert START - timedelta(days=2) < min(last)


def test_late_batches_break_the_order_of_a_session(seed: int) -> None:
    def in_order(plan: Plan) -> bool:
        times: dict[str, list[str]] = defaultdict(list)
        for batch in all_of(plan):
            for event in batch.events:
                times[event.sessionId].append(event.timestamp)
        return all(found == sorted(found) for found in times.values())

    assert in_order(Plan(seed=seed, events=2000, batch_events=10))
    assert not in_order(Plan(seed=seed, events=2000, batch_events=10, late_share=0.3))


@pytest.mark.parametrize(
    "nonsense",
    [
        {"users": 0},
        {"duplicate_share": 1.0},
        {"history_days": 90},
        {"batch_events": 400},
        {"rate": 0.0},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Plan(seed=1, **nonsense)  # type: ignore[arg-type]


@given(st.integers(0, 2**128 - 1))
def test_ids_are_random_uuids_of_version_4(bits: int) -> None:
    text = uuid4_text(bits)
    assert str(UUID(text)) == text
    assert UUID(text).version == 4


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_written_to_the_millisecond(milliseconds: int) -> None:
    moment = datetime.fromisoformat(instant_text(milliseconds))
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == milliseconds


def test_a_student_is_known_by_seed_and_number() -> None:
    assert student(1, 5) == student(1, 5)
    assert len({student(seed, number).user_id for seed in (1, 2) for number in range(100)}) == 200
