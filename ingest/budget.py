"""The bound on memory: bytes that are held for requests, whatever Kafka or slow clients do."""

from __future__ import annotations

from ingest.problems import Problem
from ingest.tally import Tally


class ByteBudget:
    """Counts the bytes held now and refuses that all workers together hold more than `limit`."""

    def __init__(self, limit: int, retry_after: int, held: Tally | None = None) -> None:
        """`held` is what each worker holds; without it there are no others."""
        self._limit = limit
        self._retry_after = retry_after
        self._held = held or Tally(1)
        self._all = self._held.column(0)

    @property
    def used(self) -> float:
        """The bytes that all workers hold."""
        return sum(self._all)

    def take(self, size: int) -> None:
        """Holds `size` bytes more; raises a `buffer-full` problem when they do not fit."""
        own = self._held.own
        # Held first and looked at then: of two workers that take the last bytes at once, none may exceed the limit.
        own[0] += size
        if sum(self._all) > self._limit:
            own[0] -= size
            raise Problem(
                "buffer-full",
                "The gateway holds as much unacknowledged data as it may; send the same batch again later.",
                retry_after=self._retry_after,
            )

    def give_back(self, size: int) -> None:
        """Holds `size` bytes less."""
        self._held.own[0] -= size
