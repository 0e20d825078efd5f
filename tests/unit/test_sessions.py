"""A session is a function of the set of its events, and its state does not grow with their number."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.sessions import MAX_MAESTROS, Session, Spans
from schemas.events import CATEGORIES, STUDY_ACTIONS
from schemas.metrics import OTHER_MAESTROS

GAP_MS = 100
MINUTE_MS = 60_000
DAY_MS = 86_400_000
NOT_STUDY = ["client_error", "api_error", "page_load", "interaction_time"]

Moments = list[tuple[int, str]]
"""Time and action of each event."""

times = st.lists(st.integers(0, 3000), min_size=1, max_size=60)
actions = st.sampled_from(["page_view", "session_start", *NOT_STUDY])
moments = st.lists(st.tuples(st.integers(0, 3000), actions), min_size=1, max_size=60)


def study_ms(moments: Moments, gap_ms: int = GAP_MS) -> int:
    """By brute force: the sum of the gaps that count."""
    own = sorted(at_ms for at_ms, action in moments if action not in NOT_STUDY)
    gaps = [later - earlier for earlier, later in itertools.pairwise(own)]
    return sum(gap for gap in gaps if gap <= gap_ms)


def spans_of(moments: Moments) -> Spans:
    """As ClickHouse reads them back from the events."""
    by_span: dict[int, list[int]] = {}
    for at_ms, action in moments:
        if action not in NOT_STUDY:
            by_span.setdefault(at_ms // GAP_MS, []).append(at_ms)
    return Spans(GAP_MS, [(min(span), max(span)) for span in by_span.values()])


def take(session: Session, moments: Moments) -> None:
    for at_ms, action in moments:
        session.add(at_ms, action, "", GAP_MS)


def folded(moments: Moments) -> Session:
    session = Session(Spans(GAP_MS))
    take(session, moments)
    return session


def test_events_that_are_not_the_learners_own_doing_are_those_of_errors_and_performance() -> None:
    others = {*CATEGORIES["error"], *CATEGORIES["performance"]}
    assert others == set(NOT_STUDY)
    assert {action for own in CATEGORIES.values() for action in own} - STUDY_ACTIONS == others


def test_a_background_poll_that_fails_every_minute_is_no_study() -> None:
    polls = [(minute * MINUTE_MS, "api_error") for minute in range(8 * 60)]
    own = [(1000, "session_start"), (1000, "page_view"), (91_000, "message_sent"), (DAY_MS // 3, "session_end")]
    session = Session(Spans(5 * MINUTE_MS))
    for at_ms, action in sorted([*polls, *own]):
        session.add(at_ms, action, "", 5 * MINUTE_MS)
    assert session.study_ms == 90_000
    assert (session.started_ms, session.last_ms, session.events) == (0, DAY_MS // 3, 8 * 60 + 4)


@given(moments)
def test_order_of_arrival_does_not_change_a_session(moments: Moments) -> None:
    session = folded(moments)
    times = [at_ms for at_ms, _ in moments]
    assert (session.started_ms, session.last_ms, session.events) == (min(times), max(times), len(times))
    assert session.study_ms == study_ms(moments)


@given(times)
def test_spans_read_back_from_the_events_are_those_of_the_fold(times: list[int]) -> None:
    moments = [(at_ms, "page_view") for at_ms in times]
    spans = spans_of(moments)
    assert spans.study_ms() == study_ms(moments)
    assert spans.latest == folded(moments).last_study_ms == max(times)


@given(moments, moments)
def test_a_session_read_back_goes_on_as_if_it_had_been_kept(before: Moments, after: Moments) -> None:
    session = folded(before)
    session.spans = spans_of(before)
    take(session, after)
    assert session.study_ms == study_ms([*before, *after])


@given(moments, st.lists(st.tuples(st.integers(0, 500), actions), max_size=20), moments)
def test_a_row_read_back_takes_in_events_that_are_not_late_for_its_study_time(
    before: Moments, steps: Moments, others: Moments
) -> None:
    session = folded(before)
    session.spans = None
    own = [at_ms for at_ms, action in before if action not in NOT_STUDY]
    after = [(max(own, default=0) + step, action) for step, action in sorted(steps)]
    after += [(at_ms, action) for at_ms, action in others if action in NOT_STUDY]
    take(session, after)
    everything = [*before, *after]
    assert session.study_ms == study_ms(everything)
    assert (session.started_ms, session.last_ms) == (min(everything)[0], max(everything)[0])


def test_a_row_read_back_refuses_a_late_event() -> None:
    session = folded([(500, "page_view"), (700, "page_view")])
    session.spans = None
    with pytest.raises(ValueError, match="needs the session's spans"):
        session.add(600, "page_view", "", GAP_MS)


def test_a_row_that_does_not_know_its_latest_study_event_refuses_another() -> None:
    session = folded([(500, "page_view")])
    session.spans, session.last_study_ms = None, None
    with pytest.raises(ValueError, match="needs the session's spans"):
        session.add(600, "page_view", "", GAP_MS)


def test_a_session_holds_no_more_than_one_span_for_each_gap_of_its_duration() -> None:
    session = Session(Spans(300_000))
    for number in range(200_000):
        session.add(number * 7_919_000 % (2 * DAY_MS), "page_view", "", 300_000)
    assert session.events == 200_000
    assert session.spans is not None
    assert len(session.spans) == 2 * DAY_MS // 300_000


def test_what_is_added_later_does_not_change_a_row_that_waits_to_be_written() -> None:
    session = Session(Spans(GAP_MS))
    session.add(1, "maestro_selected", "archimede", GAP_MS)
    row = session.row("user", "session", 0)
    session.add(2, "maestro_selected", "archimede", GAP_MS)
    assert (row["maestro_selections"], row["maestros"]) == (1, {"archimede": 1})


@given(st.lists(st.integers(0, 3 * MAX_MAESTROS), max_size=3 * MAX_MAESTROS))
def test_maestros_of_one_session_are_bounded_whatever_the_order(numbers: list[int]) -> None:
    labels = [OTHER_MAESTROS if number == 0 else f"maestro-{number:04}" for number in numbers]
    session = Session(Spans(GAP_MS))
    for label in labels:
        session.add(1, "maestro_selected", label, GAP_MS)
    counts = Counter(labels)
    kept = sorted(counts.keys() - {OTHER_MAESTROS})[:MAX_MAESTROS]
    others = len(labels) - sum(counts[label] for label in kept)
    assert session.maestros == {label: counts[label] for label in kept} | ({OTHER_MAESTROS: others} if others else {})
    assert len(session.maestros) <= MAX_MAESTROS + 1
