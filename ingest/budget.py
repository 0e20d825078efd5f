"""The bound on memory: bytes that are held for requests, whatever Kafka or slow clients do."""

from __future__ import annotations

from ingest.problems import Problem


class ByteBudget:
    """Counts the bytes held now and refuses to hold more than `limit`."""

    def __init__(self, limit: int, retry_after: int) -> None:
        self._limit = limit
        self._retry_after = retry_after
        self.used = 0

    def take(self, size: int) -> None:
        """Holds `size` bytes more; raises a `buffer-full` problem when they do not fit."""
        if self.used + size > self._limit:
            raise Problem(
                "buffer-full",
                "The gateway holds as much unacknowledged data as it may; send the same batch again later.",
                retry_after=self._retry_after,
            )
        self.used += size

    def give_back(self, size: int) -> None:
        self.used -= size
