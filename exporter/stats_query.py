"""Statistics from ClickHouse: reads the views `events` and `sessions`, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from uuid import UUID

from exporter.auth import Audience
from exporter.queries import Parameter, Reader, ReadError, Row, integer, maestro_counts
from exporter.settings import ExporterSettings
from exporter.stats import SLOT_MS, DayRange, Totals, day_series, total
from schemas.score import LEARNING_ACTIONS, SCORE_FEATURES, Score, ScoreTargets, engagement_score

_LOWEST, _HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


Rendered = TypeVar("Rendered")


@dataclass(frozen=True, slots=True)
class Statistics:
    """The answer to one question: a series per day and what it sums to; `previous` only if it was asked for."""

    days: dict[date, Totals]
    totals: Totals
    previous: Totals | None
    maestros: dict[str, int]
    users: int
    score: Score


class StatsReader:
    """Reads statistics, with connections and threads of its own.

    A question is one query at a time, so ClickHouse has no more of them than questions are asked at once. What adds up
    thousands of rows does so in a thread, or it would hold up everything else that this process answers.
    """

    def __init__(self, settings: ExporterSettings) -> None:
        # One user's rows lie together: one thread of ClickHouse is enough, and leaves the others to its inserts.
        self._of_users = Reader(settings, settings.stats_timeout_seconds, threads=1)
        self._of_operators = Reader(settings, settings.stats_timeout_seconds)
        self._timeout = settings.stats_timeout_seconds
        self._threads = ThreadPoolExecutor(settings.stats_slots + settings.stats_operator_slots, "statistics")
        self._targets = settings.score_targets
        self._max_maestros = settings.max_maestros

    async def read(
        self,
        audience: Audience,
        days: DayRange,
        score_days: DayRange,
        *,
        compare: bool,
        render: Callable[[Statistics], Rendered],
    ) -> Rendered:
        """Everything about `days` for the users of `audience`, as `render` makes it. Raises `ReadError`."""
        reader = self._of_operators if audience.user is None else self._of_users
        whole = DayRange(days.previous().first, days.last, days.zone) if compare else days
        asked = _parameters(audience, days)
        asked_whole = _parameters(audience, whole)
        try:
            async with asyncio.timeout(self._timeout):
                rows = await reader.rows("stats_sessions", asked_whole)
                rows += await reader.rows("stats_events", asked_whole)
                maestros = await reader.row("stats_maestros", {**asked, "limit": self._max_maestros})
                score = await reader.row("stats_score", _score_parameters(audience, score_days))
        except TimeoutError as error:
            raise ReadError(f"statistics took longer than {self._timeout:g} s") from error

        def add_up() -> Rendered:
            slots = _slots(rows)
            series = day_series(days, slots)
            users, engagement = _score(score, self._targets)
            return render(
                Statistics(
                    days=series,
                    totals=total(series.values()),
                    previous=total(day_series(days.previous(), slots).values()) if compare else None,
                    maestros=maestro_counts(maestros),
                    users=users,
                    score=engagement,
                )
            )

        return await asyncio.get_running_loop().run_in_executor(self._threads, add_up)

    async def close(self) -> None:
        """Closes the connections and ends the threads."""
        await self._of_users.close()
        await self._of_operators.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _slots(rows: Iterable[Row]) -> dict[int, Totals]:
    slots: dict[int, Totals] = {}
    for row in rows:
        slot = integer(row, "slot")
        counted = Totals(**{name: integer(row, name) for name in row if name != "slot"})
        slots[slot] = slots.get(slot, Totals()).plus(counted)
    return slots


def _score_parameters(audience: Audience, days: DayRange) -> dict[str, Parameter]:
    return {
        **_parameters(audience, days),
        "days_ms": list(days.bounds_ms),
        "learning": list(LEARNING_ACTIONS),
        "actions": list(SCORE_FEATURES),
        "features": list(SCORE_FEATURES.values()),
    }


def _score(row: Row, targets: ScoreTargets) -> tuple[int, Score]:
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
