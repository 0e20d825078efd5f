"""Token buckets: how much one user, or one address, may ask for."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil


class TokenBuckets:
    """A bucket of `burst` tokens per key, refilled at `rate` tokens a second.

    At most `entries` keys are remembered; beyond that the one idle longest is forgotten, which is the same
    as its bucket being full. `clock` counts seconds and never goes back.
    """

    def __init__(self, *, rate: float, burst: int, entries: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self.burst = burst
        self._entries = entries
        self._clock = clock
        # Kept in order of last use: tokens at that moment, and the moment.
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, tokens: int) -> int:
        """Takes `tokens` and returns 0, or takes none and returns the whole seconds until they are there.

        More than `burst` tokens are never there; then the answer is the time until the bucket is full.
        """
        now = self._clock()
        buckets = self._buckets
        held = buckets.pop(key, None)
        if held is None:
            level = float(self.burst)
            if len(buckets) >= self._entries:
                del buckets[next(iter(buckets))]
        else:
            level = min(self.burst, held[0] + (now - held[1]) * self._rate)
        if level >= tokens:
            buckets[key] = (level - tokens, now)
            return 0
        buckets[key] = (level, now)
        return max(1, ceil((min(tokens, self.burst) - level) / self._rate))

    def __len__(self) -> int:
        return len(self._buckets)
