"""How much one user, or one address, may send."""

from __future__ import annotations

import time
from typing import Protocol

from ingest.fleet import Fleet
from ingest.problems import Problem
from ingest.shared_limits import SharedTokenBuckets
from schemas.limits import TokenBuckets


class Buckets(Protocol):
    """`TokenBuckets`, of one process or of all workers together."""

    burst: int

    def take(self, key: str, tokens: int) -> int: ...


def buckets_of(fleet: Fleet, *, rate: float, burst: int, entries: int) -> Buckets:
    """Buckets that hold for all workers together."""
    kind = TokenBuckets if fleet.size == 1 else SharedTokenBuckets
    return kind(rate=rate, burst=burst, entries=entries, clock=time.monotonic)


def charge(buckets: Buckets | None, key: str, tokens: int) -> None:
    """Takes `tokens`, a full bucket at most, or raises a `rate-limited` problem that says when to come back.

    Without buckets there is no limit.
    """
    if buckets is not None and (wait := buckets.take(key, min(tokens, buckets.burst))):
        raise Problem("rate-limited", f"Send the same again in {wait} seconds.", retry_after=wait)
