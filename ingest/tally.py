"""Numbers that the workers of a gateway count together, in memory that forked processes share.

Each worker writes its own row and reads all of them. A number of eight bytes is read whole, so nothing is locked. A row
outlives its worker: the next one in its place goes on with it, and no count falls.
"""

from __future__ import annotations

import mmap


class Tally:
    """A row of `width` numbers for each worker, all 0 at first."""

    def __init__(self, width: int, workers: int = 1) -> None:
        self._width = width
        self._cells = memoryview(mmap.mmap(-1, 8 * width * workers)).cast("d")
        self.own = self.row(0)
        """The row of this process."""

    def row(self, worker: int) -> memoryview[float]:
        """The numbers of one worker."""
        return self._cells[worker * self._width : (worker + 1) * self._width]

    def column(self, index: int) -> memoryview[float]:
        """One number of every worker."""
        return self._cells[index :: self._width]

    def sums(self) -> list[float]:
        """The row that all rows add up to."""
        return [sum(self.column(index)) for index in range(self._width)]
