"""A session is a function of the set of its events, and its state does not grow with their number."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.sessions import MAX_MAESTROS, Session, Spans
from schemas.metrics import OTHER_MAESTROS

GAP_MS = 100
DAY_MS = 86_400_000

times = st.lists(st.integers(0, 3000), min_size=1, max_size=60)


def study_ms(moments: list[int]) -> int:
    """By brute force: the sum of the gaps that count."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(moments))]
    return sum(gap for gap in gaps if gap <= GAP_MS)


def folded(moments: list[int]) -> Session:
    session = Session(Spans(GAP_MS))
    for at_ms in moments:
        session.add(at_ms, "page_view", "", GAP_MS)
    return session


@given(times)
def test_order_of_arrival_does_not_change_a_session(moments: list[int]) -> None:
    session = folded(moments)
    assert (session.started_ms, session.last_ms, session.events) == (min(moments), max(moments), len(moments))
    assert session.study_ms == study_ms(moments)


@given(times)
def test_spans_read_back_from_the_events_are_those_of_the_fold(moments: list[int]) -> None:
    by_span: dict[int, list[int]] = {}
    for at_ms in moments:
        by_span.setdefault(at_ms // GAP_MS, []).append(at_ms)
    spans = Spans(GAP_MS, [(min(span), max(span)) for span in by_span.values()])
    assert spans.study_ms() == study_ms(moments)
    assert spans.bounds == (min(moments), max(moments))


@given(times, times)
def test_a_session_read_back_goes_on_as_if_it_had_been_kept(before: list[int], after: list[int]) -> None:
    by_span: dict[int, list[int]] = {}
    for at_ms in before:
        by_span.setdefault(at_ms // GAP_MS, []).append(at_ms)
    session = folded(before)
    session.spans = Spans(GAP_MS, [(min(span), max(span)) for span in by_span.values()])
    for at_ms in after:
        session.add(at_ms, "page_view", "", GAP_MS)
    assert session.study_ms == study_ms([*before, *after])


@given(times, st.lists(st.integers(0, 500), max_size=20))
def test_a_row_read_back_takes_in_events_that_are_not_late(before: list[int], steps: list[int]) -> None:
    session = folded(before)
    session.spans = None
    after = [max(before) + step for step in itertools.accumulate(steps)]
    for at_ms in after:
        session.add(at_ms, "page_view", "", GAP_MS)
    assert session.study_ms == study_ms([*before, *after])


def test_a_row_read_back_refuses_a_late_event() -> None:
    session = folded([500, 700])
    session.spans = None
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
