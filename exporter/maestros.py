"""Which maestros get a series of their own: names come from outside, so their number is bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.metrics import OTHER_MAESTROS


class MaestroLabels:
    """Chooses labels such that no series falls while the process lives.

    The known maestros are admitted from the start, at 0. The other places, `limit` in all, go to the maestros with most
    selections, and then by name. An admitted maestro stays, whatever its rank becomes. All others are summed under
    `other`; a maestro that is itself called `other` counts there. Choosing anew (a restart) may swap labels at the
    edge when there are more maestros than places; for Prometheus that is a counter reset.
    """

    def __init__(self, limit: int, known: Sequence[str] = ()) -> None:
        self.limit = limit
        self._shown = dict.fromkeys(known, 0)
        self._other = 0

    @property
    def admitted(self) -> list[str]:
        """The maestros with a series of their own, in order of admission."""
        return list(self._shown)

    @property
    def full(self) -> bool:
        """Whether no place is left, which stays so."""
        return len(self._shown) >= self.limit

    def bounded(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The count of each label: the admitted in order of admission, then `other` if it counts anything.

        `counts` has the newest count of every admitted maestro that was ever selected. A count that falls stands: its
        selections were moved to `other` where they are stored, and are not counted there a second time.
        """
        waiting = (maestro for maestro in counts if maestro not in self._shown and maestro != OTHER_MAESTROS)
        for maestro in sorted(waiting, key=lambda maestro: (-counts[maestro], maestro)):
            if self.full:
                break
            self._shown[maestro] = 0
        for maestro, before in self._shown.items():
            self._shown[maestro] = max(before, counts.get(maestro, 0))
        self._other = max(self._other, sum(counts.values()) - sum(self._shown.values()))
        return {**self._shown, OTHER_MAESTROS: self._other} if self._other else dict(self._shown)
