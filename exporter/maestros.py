"""Which maestros get a series of their own: names come from outside, so their number is bounded."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.metrics import OTHER_MAESTROS


class MaestroLabels:
    """Chooses labels such that no series falls while the process lives.

    The first `limit` maestros, by count and then by name, are admitted; whoever is admitted stays, whatever its
    rank becomes, and free places go to newcomers. All others are summed under `other`, which therefore only
    grows. A maestro that is itself called `other` counts there. Choosing anew (a restart) may swap labels at the
    edge when there are more maestros than places; for Prometheus that is a counter reset.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._admitted: dict[str, None] = {}

    def bounded(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The count of each label: the admitted in order of admission, then `other` if it counts anything."""
        waiting = (maestro for maestro in counts if maestro not in self._admitted and maestro != OTHER_MAESTROS)
        for maestro in sorted(waiting, key=lambda maestro: (-counts[maestro], maestro)):
            if len(self._admitted) == self._limit:
                break
            self._admitted[maestro] = None
        shown = {maestro: counts.get(maestro, 0) for maestro in self._admitted}
        other = sum(counts.values()) - sum(shown.values())
        return {**shown, OTHER_MAESTROS: other} if other else shown
