"""The bounded label set of the maestros."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.maestros import MaestroLabels
from exporter.queries import Row, maestro_counts


def test_the_most_selected_come_first_and_equal_counts_by_name() -> None:
    assert list(MaestroLabels(3).bounded({"b": 1, "a": 1, "c": 5, "d": 1}).items()) == [
        ("c", 5),
        ("a", 1),
        ("b", 1),
        ("other", 1),
    ]


def test_without_more_maestros_than_places_there_is_no_other() -> None:
    assert MaestroLabels(2).bounded({"a": 1, "b": 2}) == {"b": 2, "a": 1}


def test_an_admitted_maestro_stays_when_others_overtake_it() -> None:
    labels = MaestroLabels(1)
    assert labels.bounded({"a": 2, "b": 1}) == {"a": 2, "other": 1}
    assert labels.bounded({"a": 2, "b": 9}) == {"a": 2, "other": 9}


def test_a_maestro_called_other_counts_with_the_others() -> None:
    assert MaestroLabels(2).bounded({"other": 5, "a": 1}) == {"a": 1, "other": 5}


def test_known_maestros_are_there_from_the_start_and_before_all_others() -> None:
    labels = MaestroLabels(2, ["euclide"])
    assert labels.bounded({}) == {"euclide": 0}
    assert labels.bounded({"stranger": 9, "x": 3}) == {"euclide": 0, "stranger": 9, "other": 3}
    assert labels.bounded({"stranger": 9, "x": 3, "euclide": 1}) == {"euclide": 1, "stranger": 9, "other": 3}


def test_selections_that_are_moved_to_other_where_they_are_stored_move_no_series() -> None:
    labels = MaestroLabels(2)
    shown = labels.bounded({"a": 5, "b": 4, "other": 1})
    assert labels.bounded({"a": 3, "b": 4, "other": 3}) == shown
    assert labels.bounded({"a": 4, "b": 4, "other": 3}) == {"a": 5, "b": 4, "other": 2}


growth = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(1, 9)), max_size=40)


@given(limit=st.integers(2, 8), steps=growth, moves=st.lists(st.booleans(), min_size=40, max_size=40))
def test_no_series_ever_falls_and_all_of_them_sum_to_everything(
    limit: int, steps: list[tuple[str, int]], moves: list[bool]
) -> None:
    labels, counts = MaestroLabels(limit, ["g", "known"]), dict[str, int]()
    shown: dict[str, int] = {}
    for (maestro, more), is_moved in zip(steps, moves, strict=False):
        counts[maestro] = counts.get(maestro, 0) + more
        if is_moved:
            counts["other"] = counts.get("other", 0) + counts.pop(maestro)
        before, shown = shown, labels.bounded(counts)
        assert all(shown[label] >= count for label, count in before.items())
        assert sum(shown.values()) == sum(counts.values())
        assert len(shown) <= limit + 1


@pytest.mark.parametrize("other", [2, "2"])
def test_large_numbers_may_be_texts_and_other_is_there_if_it_counts(other: int | str) -> None:
    row: Row = {"maestros": ["a", "b"], "selections": ["3", 1], "other": other}
    assert list(maestro_counts(row).items()) == [("a", 3), ("b", 1), ("other", 2)]
    assert maestro_counts({"maestros": [], "selections": [], "other": 0}) == {}
