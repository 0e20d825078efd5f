"""Statistics from ClickHouse: reads the views `events` and `sessions`, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from exporter.auth import Audience
from exporter.queries import Parameter, Reader, integer, maestro_counts
from exporter.stats import SLOT_MS, DayRange, Totals, day_series, total
from schemas.score import LEARNING_ACTIONS, SCORE_FEATURES, Score, ScoreTargets, engagement_score

_LOWEST, _HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The answer to one question: a series per day and what it sums to; `previous` only if it was asked for."""

    days: dict[date, Totals]
    totals: Totals
    previous: Totals | None
    maestros: dict[str, int]
    users: int
    score: Score


async def read_statistics(
    reader: Reader,
    audience: Audience,
    days: DayRange,
    score_days: DayRange,
    targets: ScoreTargets,
    *,
    compare: bool,
    max_maestros: int,
) -> Statistics:
    """Everything about `days` for whom `audience` allows; the queries run side by side. Raises `ReadError`."""
    whole = DayRange(days.previous().first, days.last, days.zone) if compare else days
    slots, maestros, (users, score) = await asyncio.gather(
        _slots(reader, audience, whole),
        _maestros(reader, audience, days, max_maestros),
        _score(reader, audience, score_days, targets),
    )
    series = day_series(days, slots)
    return Statistics(
        days=series,
        totals=total(series.values()),
        previous=total(day_series(days.previous(), slots).values()) if compare else None,
        maestros=maestros,
        users=users,
        score=score,
    )


async def _slots(reader: Reader, audience: Audience, days: DayRange) -> dict[int, Totals]:
    parameters = _parameters(audience, days)
    sessions, events = await asyncio.gather(
        reader.rows("stats_sessions", parameters), reader.rows("stats_events", parameters)
    )
    slots: dict[int, Totals] = {}
    for row in (*sessions, *events):
        slot = integer(row, "slot")
        counted = Totals(**{name: integer(row, name) for name in row if name != "slot"})
        slots[slot] = slots.get(slot, Totals()).plus(counted)
    return slots


async def _maestros(reader: Reader, audience: Audience, days: DayRange, limit: int) -> dict[str, int]:
    return maestro_counts(await reader.row("stats_maestros", {**_parameters(audience, days), "limit": limit}))


async def _score(reader: Reader, audience: Audience, days: DayRange, targets: ScoreTargets) -> tuple[int, Score]:
    row = await reader.row(
        "stats_score",
        {
            **_parameters(audience, days),
            "days_ms": list(days.bounds_ms),
            "learning": list(LEARNING_ACTIONS),
            "actions": list(SCORE_FEATURES),
            "features": list(SCORE_FEATURES.values()),
        },
    )
    users = integer(row, "users")
    per_user = max(1, users)
    score = engagement_score(
        active_days=integer(row, "active_days") / per_user,
        study_minutes=integer(row, "study_ms") / 60_000 / per_user,
        learning_actions=integer(row, "learning_actions") / per_user,
        distinct_features=integer(row, "distinct_features") / per_user,
        targets=targets,
    )
    return users, score


def _parameters(audience: Audience, days: DayRange) -> dict[str, Parameter]:
    bounds = days.bounds_ms
    if bounds[0] % SLOT_MS or bounds[-1] % SLOT_MS:
        raise ValueError(f"a day of {days.zone} does not begin on a quarter of an hour")
    return {
        "first_user": str(audience.user or _LOWEST),
        "last_user": str(audience.user or _HIGHEST),
        "from_ms": bounds[0],
        "to_ms": bounds[-1],
    }
