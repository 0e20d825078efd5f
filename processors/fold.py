"""Steps 2 to 4 of a flush, without I/O: which lines are new, and which sessions must be written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from processors.cache import UserCache
from processors.dedup import Outcome, User
from processors.envelopes import EventBatch, Row
from processors.sink import StoredErasure, StoredEvent


@dataclass(slots=True)
class Folded:
    """What a block of envelopes comes to: event lines to insert, session rows to write, and the count of each
    outcome."""

    lines: list[bytes] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)


def fold(batches: Sequence[EventBatch], caches: Mapping[int, UserCache], gap_ms: int) -> Folded:
    """Takes the batches, in the order of their offsets, into the cached users.

    A function of the messages and of what is stored, never of a clock: two owners of a partition, or one before and
    after a crash, must come to the same rows.

    Every session touched is written, also by a redelivered event: the crash that caused the redelivery may have
    come between its event and its session.
    """
    folded = Folded()
    touched: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for batch in batches:
        _fold_batch(batch, caches[batch.message.partition], gap_ms, folded, touched)
    for (partition, user_id), session_ids in touched.items():
        user = caches[partition][user_id]
        for session_id in session_ids:
            session = user.sessions.get(session_id)
            if session is not None:
                folded.sessions.append(session.row(user_id, session_id, user.epoch))
    return folded


def _fold_batch(
    batch: EventBatch,
    cache: UserCache,
    gap_ms: int,
    folded: Folded,
    touched: defaultdict[tuple[int, str], set[str]],
) -> None:
    partition, offset, rows = batch.message.partition, batch.message.offset, batch.rows
    stored: defaultdict[int, list[int]] = defaultdict(list)
    sizes: dict[str, int] = {}
    user_id = session_id = ""
    for index, row in enumerate(rows):
        if row.user_id != user_id:
            user_id, session_id = row.user_id, ""
            user = cache[user_id]
            sizes.setdefault(user_id, len(user.ids))
            indices, sessions = stored[user.epoch], touched[partition, user_id]
        outcome = user.add(row, offset, gap_ms)
        if outcome is Outcome.STORED:
            indices.append(index)
        else:
            if outcome is Outcome.REDELIVERED and _repeats(rows, index, indices):
                outcome = Outcome.DUPLICATE
            folded.outcomes[outcome] += 1
            if outcome is not Outcome.REDELIVERED:
                continue
        if row.session_id != session_id:
            session_id = row.session_id
            sessions.add(session_id)
    for known, size in sizes.items():
        cache.grew(known, len(cache[known].ids) - size)
    for epoch, indices in stored.items():
        if indices:
            folded.outcomes[Outcome.STORED] += len(indices)
            folded.lines.append(batch.stored_lines(None if len(indices) == len(rows) else indices, epoch))


def _repeats(rows: Sequence[Row], index: int, stored: Sequence[int]) -> bool:
    """Whether the row has the id of an earlier one of its own message, stored just now."""
    row = rows[index]
    return any(rows[place].event_id == row.event_id and rows[place].user_id == row.user_id for place in stored)


def users_from(
    user_ids: set[str],
    partition: int,
    events: Sequence[StoredEvent],
    erasures: Sequence[StoredErasure],
    gap_ms: int,
) -> dict[str, User]:
    """The users as ClickHouse knows them; `events` may hold other users, and copies of one event."""
    users = {user_id: User() for user_id in user_ids}
    for erasure in erasures:
        user = users.get(erasure.user_id)
        if user is not None:
            user.epoch = max(user.epoch, erasure.epoch + 1)
            if erasure.partition == partition:
                user.erased_through = max(user.erased_through, erasure.offset)
    for event in events:
        # The note of an erasure goes after a month, what came after it stays.
        user = users.get(event.user_id)
        if user is not None:
            user.epoch = max(user.epoch, event.epoch)
    for event in events:
        user = users.get(event.user_id)
        if user is not None and event.epoch == user.epoch and event.event_id not in user.ids:
            user.remember(
                event.event_id, event.session_id, event.at_ms, event.action, event.label, event.offset, gap_ms
            )
    return users
