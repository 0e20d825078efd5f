"""One flush: what makes every event count once. A crash between any two of its steps is harmless.

1. decode the messages; 2. read from ClickHouse the users that are not cached; 3. insert the events whose ids are
new, as one block; 4. insert the touched sessions, recomputed as absolute rows; 5. set poison aside. Only then does
the caller acknowledge the messages. Whatever died in between is done again after redelivery: known ids are found,
sessions are written once more, and the rows come out equal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from processors.cache import UserCache
from processors.dead_letters import DeadLetter, DeadLetterLimit
from processors.dedup import Outcome
from processors.envelopes import ErasureRequest, EventBatch, Message, Poison, decode
from processors.erasure import erase, events_and_erasures
from processors.fold import Folded, fold, users_from
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, Sink
from processors.steps import Step, passed


class FoldFailed(Exception):
    """The fold raised: a message is not what the decoder took it for."""


class NeedsCare(Exception):
    """The messages cannot be prepared as one block: there is an erasure among them, or one cannot be folded."""


@dataclass(slots=True)
class FlushReport:
    """What one flush did: `outcomes` counts events, `dead_letters` messages, `users_*` look-ups of the cache."""

    messages: int
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    erasures: int = 0
    users_cached: int = 0
    users_loaded: int = 0


@dataclass(slots=True, frozen=True)
class Prepared:
    """A flush after its steps 1 and 2, folded into the cache but not stored yet."""

    folded: Folded
    report: FlushReport


class Flusher:
    """Flushes in two halves, `prepare` and `write`, so that one flush is written while the next is prepared; or whole
    and with care, by `flush`. All of them block: they belong in threads.

    Messages of one partition must come in the order of their offsets; `caches` holds one cache for each partition.
    Whatever raises, nothing may be acknowledged, and every cache must be cleared: it may hold events that were never
    stored. `set_aside` writes dead letters to Kafka and returns once they are acknowledged.
    """

    def __init__(
        self,
        settings: ProcessorSettings,
        sink: Sink,
        set_aside: Callable[[Sequence[DeadLetter]], None],
    ) -> None:
        self._sink = sink
        self._set_aside = set_aside
        self._gap_ms = settings.session_gap_seconds * 1000
        self._limit = DeadLetterLimit(
            settings.dead_letter_share, settings.dead_letter_window, settings.dead_letter_allowance
        )

    def prepare(self, messages: Sequence[Message], caches: Mapping[int, UserCache]) -> Prepared:
        """Steps 1 and 2, and the fold. Raises `SinkUnavailable`, or `NeedsCare`: then `flush` them."""
        report = FlushReport(len(messages))
        batches: list[EventBatch] = []
        for request in self._decode(messages, report):
            if isinstance(request, ErasureRequest):
                raise NeedsCare
            batches.append(request)
        try:
            folded = self._fold(batches, caches, report)
        except FoldFailed as error:
            raise NeedsCare from error
        report.outcomes.update(folded.outcomes)
        return Prepared(folded, report)

    def write(self, prepared: Prepared) -> FlushReport:
        """Steps 3 to 5. Raises `SinkUnavailable`, `RowsRefused` or what `set_aside` raises: then `flush` the messages
        (again); or `TooManyDeadLetters`: then stop."""
        self._insert(prepared.folded)
        self._finish(prepared.report)
        return prepared.report

    def flush(self, messages: Sequence[Message], caches: Mapping[int, UserCache]) -> FlushReport:
        """All steps, one after the other: carries erasures out between them, and finds the message to blame when a
        block cannot be folded or stored. The caches must be true, for example empty.

        Raises `SinkUnavailable` or what `set_aside` raises: try the same again; `TooManyDeadLetters`: stop.
        """
        report = FlushReport(len(messages))
        waiting: list[EventBatch] = []
        for request in self._decode(messages, report):
            if isinstance(request, ErasureRequest):
                # What came before an erasure must be stored before it, to be erased.
                self._store(waiting, caches, report)
                waiting = []
                erase(self._sink, request, caches[request.message.partition], self._gap_ms)
                report.erasures += 1
            else:
                waiting.append(request)
        self._store(waiting, caches, report)
        self._finish(report)
        return report

    def _decode(self, messages: Sequence[Message], report: FlushReport) -> Iterator[EventBatch | ErasureRequest]:
        for message in messages:
            try:
                yield decode(message)
            except Poison as poison:
                report.dead_letters.append(DeadLetter(message, str(poison)))

    def _fold(self, batches: Sequence[EventBatch], caches: Mapping[int, UserCache], report: FlushReport) -> Folded:
        self._load(batches, caches, report)
        try:
            folded = fold(batches, caches, self._gap_ms)
        except Exception as error:
            raise FoldFailed(f"cannot be folded: {error!r}") from error
        passed(Step.FOLDED)
        return folded

    def _insert(self, folded: Folded) -> None:
        if folded.lines:
            self._sink.insert_events(b"".join(folded.lines))
        passed(Step.EVENTS_INSERTED)
        if folded.sessions:
            self._sink.insert_sessions(folded.sessions)
        passed(Step.SESSIONS_INSERTED)

    def _finish(self, report: FlushReport) -> None:
        self._limit.check(report.messages, len(report.dead_letters))
        if report.dead_letters:
            self._set_aside(report.dead_letters)
        self._limit.note(report.messages, len(report.dead_letters))
        passed(Step.SET_ASIDE)

    def _store(self, batches: list[EventBatch], caches: Mapping[int, UserCache], report: FlushReport) -> None:
        """Stores a block; if its rows are refused, halves it until the message to blame is alone."""
        if not batches:
            return
        try:
            folded = self._fold(batches, caches, report)
            self._insert(folded)
        except (RowsRefused, FoldFailed) as error:
            for cache in caches.values():
                cache.clear()
            if len(batches) == 1:
                report.dead_letters.append(DeadLetter(batches[0].message, str(error)))
                return
            half = len(batches) // 2
            self._store(batches[:half], caches, report)
            self._store(batches[half:], caches, report)
        else:
            report.outcomes.update(folded.outcomes)

    def _load(self, batches: Sequence[EventBatch], caches: Mapping[int, UserCache], report: FlushReport) -> None:
        wanted: defaultdict[int, set[str]] = defaultdict(set)
        for batch in batches:
            wanted[batch.message.partition].update([row.user_id for row in batch.rows])
        missing = {partition: caches[partition].missing(users) for partition, users in wanted.items()}
        unknown = set[str]().union(*missing.values())
        report.users_loaded += len(unknown)
        report.users_cached += sum(map(len, wanted.values())) - sum(map(len, missing.values()))
        if not unknown:
            return
        events, erasures = events_and_erasures(self._sink, unknown)
        for partition, user_ids in missing.items():
            for user_id, user in users_from(user_ids, partition, events, erasures, self._gap_ms).items():
                caches[partition].put(user_id, user)
        passed(Step.USERS_READ)
