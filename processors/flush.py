"""One block of events: what makes every event count once. A crash between any two of its steps is harmless.

`prepare` reads back what is stored of the block's ids and sessions and folds it; `write` inserts the events whose ids
are new, as one block, and then the touched sessions, recomputed as absolute rows. Whatever died in between is done
again after redelivery: known ids are found, their sessions are read back from the events and written once more, and
the rows come out equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from processors.cache import UserCache
from processors.dead_letters import DeadLetter
from processors.dedup import Outcome
from processors.erasure import erase
from processors.fold import Fold, Folded
from processors.plan import Erase, Store
from processors.readback import read_back, restore_sessions
from processors.settings import ProcessorSettings
from processors.sink import Sink
from processors.steps import Step, passed


class FoldFailed(Exception):
    """The fold raised: a message is not what the decoder took it for."""


@dataclass(slots=True, frozen=True)
class Prepared:
    """A block that is folded into the caches but not stored yet; `users_*` count look-ups of the caches."""

    number: int
    folded: Folded
    users_cached: int
    users_loaded: int

    @property
    def outcomes(self) -> Counter[Outcome]:
        """What became of each event."""
        return self.folded.outcomes


@dataclass(slots=True)
class FlushReport:
    """What one flush did: `outcomes` counts events, `users_*` look-ups of the cache."""

    messages: int
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    erasures: int = 0
    users_cached: int = 0
    users_loaded: int = 0

    def count(self, prepared: Prepared) -> None:
        """Counts a block that is stored."""
        self.outcomes += prepared.outcomes
        self.users_cached += prepared.users_cached
        self.users_loaded += prepared.users_loaded


class Flusher:
    """Carries out the steps of a plan. Every method blocks: it belongs in a thread.

    At most one block may be prepared while the one before is written. Messages of one partition must come in the
    order of their offsets; `caches` holds the cache of each partition concerned. Whatever raises, nothing of the block
    is stored for certain, and the caches of its partitions must be cleared: they may hold events that are not stored.
    """

    def __init__(self, settings: ProcessorSettings, sink: Sink) -> None:
        self._sink = sink
        self._gap_ms = settings.session_gap_seconds * 1000
        self._cache_events = settings.cache_events
        self._prepared = 0
        self._written = 0

    def prepare(
        self, store: Store, caches: Mapping[int, UserCache], owned: int, previous: Callable[[], object]
    ) -> Prepared:
        """Folds a block into the caches, of which this processor holds `owned` in all.

        `previous` waits until the block before is written, and raises if it could not be. Raises `SinkUnavailable`,
        `FoldFailed` or what `previous` raises.
        """
        for cache in caches.values():
            cache.shrink(self._cache_events // max(owned, 1), self._written)
        cached, loaded = read_back(self._sink, store.batches, caches)
        passed(Step.USERS_READ)
        fold = Fold(store.batches, caches, self._gap_ms)
        try:
            unread = fold.admit()
        except Exception as error:
            raise FoldFailed(f"cannot be folded: {error!r}") from error
        if unread:
            previous()
            restore_sessions(self._sink, fold, unread, caches, self._gap_ms)
        self._prepared += 1
        try:
            folded = fold.finish(self._prepared)
        except Exception as error:
            raise FoldFailed(f"cannot be folded: {error!r}") from error
        passed(Step.FOLDED)
        return Prepared(self._prepared, folded, cached, loaded)

    def write(self, prepared: Prepared) -> None:
        """Stores a block. Raises `SinkUnavailable` or `RowsRefused`."""
        folded = prepared.folded
        if folded.lines:
            self._sink.insert_events(b"".join(folded.lines))
        passed(Step.EVENTS_INSERTED)
        if folded.sessions:
            self._sink.insert_sessions(folded.sessions)
        passed(Step.SESSIONS_INSERTED)
        self._written = prepared.number

    def erase(self, step: Erase, caches: Mapping[int, UserCache]) -> None:
        """Carries an erasure out. Raises `SinkUnavailable`, `ErasureTooOld`."""
        erase(self._sink, step.request)
        caches[step.request.message.partition].forget(step.request.user_id)
