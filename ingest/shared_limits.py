"""Token buckets that the workers of a gateway share, so that a limit holds for all of them together."""

from __future__ import annotations

import fcntl
import mmap
import time
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from tempfile import TemporaryFile
from typing import Final

WAYS: Final = 8
"""Keys that may share a set of the table."""

LOCK_SECONDS: Final = 0.25
"""How long a set's lock is waited for. Its holder needs microseconds, and longer if the system runs other processes in
between; after so long it hangs or was stopped."""


class SharedTokenBuckets:
    """`schemas.limits.TokenBuckets` in memory that is shared by the processes forked after this was made.

    A key is remembered by its hash, in one of the `WAYS` places of its set, as the moment at which its bucket will be
    full. If all places are in use the bucket that will be full first is forgotten. Python hashes texts with a secret of
    the process, which its children have as well: no client can choose its set.
    """

    def __init__(self, *, rate: float, burst: int, entries: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self.burst = burst
        self._clock = clock
        self._epoch = clock()
        self._sets = ceil(entries / WAYS)
        self._keys = memoryview(mmap.mmap(-1, 8 * WAYS * self._sets)).cast("q")
        self._full_at = memoryview(mmap.mmap(-1, 8 * WAYS * self._sets)).cast("d")
        # Record locks end with their process, whatever ends it.
        self._locks = TemporaryFile()  # noqa: SIM115 - it lives as long as the table

    def take(self, key: str, tokens: int) -> int:
        """Takes `tokens` and returns 0, or takes none and returns the whole seconds until they are there.

        More than `burst` tokens are never there; then the answer is the time until the bucket is full.
        """
        fingerprint = hash(key) or 1
        number = fingerprint % self._sets
        locked = self._lock(number)
        try:
            return self._take(fingerprint, number * WAYS, tokens)
        finally:
            if locked:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, number)

    def _take(self, fingerprint: int, first: int, tokens: int) -> int:
        now = self._clock() - self._epoch
        full_at = self._full_at[first : first + WAYS].tolist()
        keys = self._keys[first : first + WAYS].tolist()
        place = keys.index(fingerprint) if fingerprint in keys else full_at.index(min(full_at))
        until_full = max(0.0, full_at[place] - now) if keys[place] == fingerprint else 0.0
        level = self.burst - until_full * self._rate
        if level < tokens:
            return max(1, ceil((min(tokens, self.burst) - level) / self._rate))
        self._keys[first + place] = fingerprint
        self._full_at[first + place] = now + until_full + tokens / self._rate
        return 0

    def _lock(self, number: int) -> bool:
        """Whether the set is locked. It is not if the holder of its lock hangs: limits must not stop other workers."""
        give_up_at = None
        while True:
            with suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
                return True
            now = time.monotonic()
            give_up_at = give_up_at or now + LOCK_SECONDS
            if now >= give_up_at:
                return False
            time.sleep(0)
