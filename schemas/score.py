"""The engagement score: one number from 0 to 100 for the last seven days, and what it is made of.

    score = 25·min(1, active days / 5) + 35·min(1, study minutes / 150)
          + 25·min(1, learning actions / 40) + 15·min(1, distinct features / 5)

The targets are settings; the weights are part of the definition.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import NamedTuple

WEIGHTS = {"active_days": 25, "study_minutes": 35, "learning_actions": 25, "distinct_features": 15}

LEARNING_ACTIONS = ("flashcard_review", "quiz_complete", "mind_map_view")
"""Actions that count as learning: one use of a learning feature each (see `schemas.events.FEATURES`)."""

SCORE_FEATURES = {
    "flashcard_review": "flashcards",
    "quiz_complete": "quizzes",
    "mind_map_view": "mind_maps",
    "message_sent": "conversation",
    "maestro_selected": "maestros",
    "voice_session": "maestros",
    "teaching_interaction": "maestros",
    "tool_created": "tools",
    "tool_completed": "tools",
    "tool_exported": "tools",
}
"""The feature of the app that each action shows in use; actions that are not here show none."""

SCORE_DAYS = 7
"""Calendar days the score looks at, today included."""


class ScoreTargets(NamedTuple):
    """What earns each component in full; all are positive."""

    active_days: float = 5
    study_minutes: float = 150
    learning_actions: float = 40
    distinct_features: float = 5


class Component(NamedTuple):
    """One part of the score: `points` of at most `weight`, for `value` against `target`; rounded to hundredths."""

    name: str
    value: float
    target: float
    weight: int
    points: float


class Score(NamedTuple):
    """`score` is the sum of the components' points, rounded half up to a whole number from 0 to 100."""

    score: int
    components: tuple[Component, ...]


def engagement_score(
    *,
    active_days: float,
    study_minutes: float,
    learning_actions: float,
    distinct_features: float,
    targets: ScoreTargets = ScoreTargets(),  # noqa: B008 - immutable
) -> Score:
    """The score of one user (or the mean user) over the last seven days. Values are not negative."""
    values = {
        "active_days": active_days,
        "study_minutes": study_minutes,
        "learning_actions": learning_actions,
        "distinct_features": distinct_features,
    }
    components = []
    exact = Fraction(0)
    for name, target in targets._asdict().items():
        # By their decimal digits, so that half a point is half a point.
        reached = min(Fraction(1), Fraction(str(values[name])) / Fraction(str(target)))
        points = WEIGHTS[name] * reached
        exact += points
        components.append(Component(name, round(values[name], 2), target, WEIGHTS[name], round(float(points), 2)))
    return Score(floor(exact + Fraction(1, 2)), tuple(components))
