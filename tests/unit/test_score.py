"""The engagement score against the formula of its docstring."""

from __future__ import annotations

from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import CATEGORIES
from schemas.score import LEARNING_ACTIONS, SCORE_FEATURES, WEIGHTS, ScoreTargets, engagement_score

ACTIONS = {action for actions in CATEGORIES.values() for action in actions}


def score(days: float, minutes: float, actions: float, features: float, targets: ScoreTargets | None = None) -> int:
    return engagement_score(
        active_days=days,
        study_minutes=minutes,
        learning_actions=actions,
        distinct_features=features,
        targets=targets or ScoreTargets(),
    ).score


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 0, 0, 0), 0),
        ((5, 150, 40, 5), 100),
        ((7, 1000, 900, 6), 100),
        ((5, 0, 0, 0), 25),
        ((0, 150, 0, 0), 35),
        ((0, 0, 40, 0), 25),
        ((0, 0, 0, 5), 15),
        ((1, 30, 8, 1), 20),
        ((0, 0, 0, 1.5), 5),
    ],
)
def test_the_score_is_the_weighted_sum_of_what_was_reached(
    values: tuple[float, float, float, float], expected: int
) -> None:
    assert score(*values) == expected


def test_half_a_point_is_rounded_up() -> None:
    # 25/5/2 = 2.5, which binary rounding to even would make 2.
    assert score(0.5, 0, 0, 0) == 3


def test_targets_are_adjustable() -> None:
    assert score(1, 1, 1, 1, ScoreTargets(1, 1, 1, 1)) == 100


def test_the_weights_sum_to_a_hundred_and_the_points_say_where_the_score_comes_from() -> None:
    assert sum(WEIGHTS.values()) == 100
    result = engagement_score(active_days=2, study_minutes=60, learning_actions=10, distinct_features=3)
    assert [part.points for part in result.components] == [10, 14, 6.25, 9]
    assert result.score == 39


def test_every_scored_action_exists() -> None:
    assert set(LEARNING_ACTIONS) | set(SCORE_FEATURES) <= ACTIONS


amounts = st.floats(0, 1e6, allow_nan=False)


@given(amounts, amounts, amounts, amounts, amounts)
def test_the_score_stays_within_bounds_and_never_falls_when_someone_does_more(
    days: float, minutes: float, actions: float, features: float, more: float
) -> None:
    before = score(days, minutes, actions, features)
    assert 0 <= before <= 100
    assert score(days + more, minutes, actions, features) >= before
    assert score(days, minutes + more, actions, features) >= before


@given(st.integers(0, 7), st.integers(0, 300), st.integers(0, 80), st.integers(0, 6))
def test_the_score_is_the_documented_formula(days: int, minutes: int, actions: int, features: int) -> None:
    # In six-hundredths of a point everything is whole.
    whole = 3000 * min(5, days) + 140 * min(150, minutes) + 375 * min(40, actions) + 1800 * min(5, features)
    assert score(days, minutes, actions, features) == floor(whole / 600 + 0.5)
