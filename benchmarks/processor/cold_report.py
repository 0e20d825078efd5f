"""What the benchmark of cold users says at its end."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.processor.history import History
from benchmarks.processor.timing import spread


@dataclass(slots=True)
class Case:
    """A history with hot or cold users, and the events a second of every run. `failure`: why a run was not measured."""

    history: History
    hot: bool
    rates: list[float] = field(default_factory=list)
    failure: str | None = None

    def __str__(self) -> str:
        return f"{'hot' if self.hot else 'cold'} users, history {self.history.events:,}"

    @property
    def median(self) -> float:
        """Events a second; only of a case that was measured."""
        return statistics.median(self.rates)


def report(cases: Sequence[Case]) -> list[str]:
    """A line for every case, and one with the conclusion. The ratios are those of medians."""
    hot = next((case for case in cases if case.hot and case.rates), None)
    cold = sorted((case for case in cases if not case.hot and case.rates), key=lambda case: case.median)
    lines = []
    for case in cases:
        parts = [spread(case.rates)] if case.rates else []
        if case in cold:
            parts += [f"{case.median / hot.median:.3g} times hot"] if hot else []
            parts.append(f"{case.median / cold[-1].median:.3g} times the fastest history")
            parts.append(f"{case.median / cold[0].median:.3g} times the slowest")
        if case.failure is not None:
            parts.append(f"not measured: {case.failure}")
        lines.append(f"{case}: {'; '.join(parts)}")
    return [*lines, _conclusion(hot, cold, [case for case in cases if case.failure is not None])]


def _conclusion(hot: Case | None, cold: Sequence[Case], failed: Sequence[Case]) -> str:
    """`cold` is sorted, the slowest first."""
    parts = []
    if cold:
        slowest, fastest = cold[0], cold[-1]
        parts.append(
            f"cold users are slowest with a history of {slowest.history.events:,}: {slowest.median:,.0f} events/s"
        )
        if fastest is not slowest:
            faster = f"{fastest.median / slowest.median:.3g} times that"
            parts.append(f"fastest with {fastest.history.events:,}: {fastest.median:,.0f}, {faster}")
        if hot is not None:
            parts.append(f"hot users: {hot.median:,.0f}, {hot.median / slowest.median:.3g} times that")
    if failed:
        parts.append(f"not measured to the end: {', '.join(str(case) for case in failed)}")
    return "; ".join(parts)
