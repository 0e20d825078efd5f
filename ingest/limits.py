"""How much one user, or one address, may send."""

from __future__ import annotations

from ingest.problems import Problem
from schemas.limits import TokenBuckets


def charge(buckets: TokenBuckets | None, key: str, tokens: int) -> None:
    """Takes `tokens`, a full bucket at most, or raises a `rate-limited` problem that says when to come back.

    Without buckets there is no limit.
    """
    if buckets is not None and (wait := buckets.take(key, min(tokens, buckets.burst))):
        raise Problem("rate-limited", f"Send the same again in {wait} seconds.", retry_after=wait)
