"""What a flush reads back from ClickHouse: what is stored of its own ids, sessions and users, and no more.

The order of the reads keeps the cache true while another owner of the partition still writes:
1. users: for one without any row nothing else is read, since what another owner stores later has the same keys;
2. session rows, 3. events: a row is written after its events, so a row read first holds no event that is found to be
new; 4. erasures: an erasure carried out in between is known, and rows that came after it are not. The other way round,
messages from before it would be taken for later ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from processors.cache import UserCache
from processors.dedup import User
from processors.envelopes import EventBatch
from processors.fold import Fold, SessionKey
from processors.places import Place
from processors.sessions import MAX_MAESTROS, Session, Spans
from processors.sink import SessionEvents, Sink, StoredErasure, StoredSession, StoredUser
from schemas.events import ACTION_COLUMNS, STUDY_ACTIONS
from schemas.metrics import OTHER_MAESTROS

_OTHER_PARTITION = -1
"""For the id of an event that came through another partition: never the offset of a redelivered message."""
_STUDY_COLUMNS = {ACTION_COLUMNS[action] for action in STUDY_ACTIONS}


class _Wanted:
    """The ids of a block that must be looked up.

    `places` gives the partitions of each user whose cache must be added to (one, unless partitions were added to the
    topic); `events` and `sessions` are ids by user. Nothing is looked up for the users in `without_rows`.
    """

    def __init__(self, batches: Iterable[EventBatch], caches: Mapping[int, UserCache], without_rows: Set[str]) -> None:
        self.places: defaultdict[str, set[int]] = defaultdict(set)
        self.events: defaultdict[str, set[str]] = defaultdict(set)
        self.sessions: defaultdict[str, set[str]] = defaultdict(set)
        for batch in batches:
            partition = batch.message.partition
            cache = caches[partition]
            user_id, known = "", True
            for row in batch.rows:
                if row.user_id != user_id:
                    user_id = row.user_id
                    user = cache.get(user_id)
                    known = user_id in without_rows if user is None else user.complete
                    if not known:
                        self.places[user_id].add(partition)
                if known:
                    continue
                if user is None or row.event_id not in user.ids:
                    self.events[user_id].add(row.event_id)
                if user is None or row.session_id not in user.sessions:
                    self.sessions[user_id].add(row.session_id)


def read_back(sink: Sink, batches: Sequence[EventBatch], caches: Mapping[int, UserCache]) -> tuple[int, int]:
    """Caches what a block needs to know; returns how many of its users were cached and how many were read.

    Raises `SinkUnavailable`.
    """
    users = {(batch.message.partition, row.user_id) for batch in batches for row in batch.rows}
    unknown = {(partition, user_id) for partition, user_id in users if caches[partition].get(user_id) is None}
    stored = sink.stored_users({user_id for _, user_id in unknown}) if unknown else []
    without_rows = {user_id for _, user_id in unknown} - {user.user_id for user in stored}
    wanted = _Wanted(batches, caches, without_rows)
    rows = sink.stored_sessions(wanted.sessions) if wanted.sessions else []
    events = sink.stored_events(wanted.events) if wanted.events else []
    if unknown:
        _put_users(sink, unknown, stored, caches)
    for event in events:
        if event.event_id in wanted.events.get(event.user_id, ()):
            for partition in wanted.places[event.user_id]:
                user = caches[partition][event.user_id]
                if event.epoch == user.epoch:
                    offset = event.offset if event.partition == partition else _OTHER_PARTITION
                    user.ids.setdefault(event.event_id, offset)
    for row in rows:
        if row.session_id in wanted.sessions.get(row.user_id, ()):
            for partition in wanted.places[row.user_id]:
                user = caches[partition][row.user_id]
                if row.epoch == user.epoch:
                    user.sessions[row.session_id] = session_from_row(row)
    return len(users) - len(unknown), len(unknown)


def restore_sessions(
    sink: Sink, fold: Fold, keys: Sequence[SessionKey], caches: Mapping[int, UserCache], gap_ms: int
) -> None:
    """Reads some sessions back from their events; everything of earlier flushes must be stored.

    Raises `SinkUnavailable`.
    """
    by_user: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_user[key.user_id].append(key.session_id)
    without = [event_id for user_id in by_user for event_id in fold.new_ids(user_id)]
    found = {
        (events.user_id, events.session_id, events.epoch): events
        for events in sink.session_events(by_user, without, gap_ms, MAX_MAESTROS)
    }
    for key in keys:
        events = found.get((key.user_id, key.session_id, caches[key.partition][key.user_id].epoch))
        fold.restore(key, Session(Spans(gap_ms)) if events is None else session_from_events(events, gap_ms))


def current_epoch(sink: Sink, user_id: str) -> tuple[int, list[StoredErasure]]:
    """A user's epoch as ClickHouse knows it, and their erasures. Raises `SinkUnavailable`."""
    stored = sink.stored_users([user_id])
    erasures = sink.erasures([user_id])
    return _epochs(stored, erasures).get(user_id, 0), erasures


def _put_users(
    sink: Sink, places: Set[tuple[int, str]], stored: Iterable[StoredUser], caches: Mapping[int, UserCache]
) -> None:
    erasures = sink.erasures({user_id for _, user_id in places})
    epochs = _epochs(stored, erasures)
    for partition, user_id in places:
        caches[partition].put(user_id, User(complete=user_id not in epochs, epoch=epochs.get(user_id, 0)))
    by_user: defaultdict[str, list[Place]] = defaultdict(list)
    for erasure in erasures:
        by_user[erasure.user_id].append(erasure.place)
    for partition, user_id in places:
        if user_id in by_user:
            caches[partition][user_id].erasures = by_user[user_id]


def _epochs(stored: Iterable[StoredUser], erasures: Iterable[StoredErasure]) -> dict[str, int]:
    # An erasure is forgotten one day, what came after it stays.
    epochs = {user.user_id: user.epoch for user in stored}
    for erasure in erasures:
        epochs[erasure.user_id] = max(epochs.get(erasure.user_id, 0), erasure.epoch + 1)
    return epochs


def session_from_row(row: StoredSession) -> Session:
    """The session that a row says; without its spans."""
    session = Session(None)
    session.started_ms, session.last_ms, session.study_ms = row.started_ms, row.last_ms, row.study_ms
    session.events, session.maestros = row.events, dict(row.maestros)
    session.counts = _counts(row.counts)
    if row.last_study_ms:
        session.last_study_ms = row.last_study_ms
    elif row.study_ms or not session.counts.keys().isdisjoint(_STUDY_COLUMNS):
        session.last_study_ms = None
    return session


def session_from_events(events: SessionEvents, gap_ms: int) -> Session:
    """The session that stored events make."""
    spans = Spans(gap_ms, events.spans)
    session = Session(spans)
    session.started_ms, session.last_ms, session.last_study_ms = events.started_ms, events.last_ms, spans.latest
    session.study_ms, session.events = spans.study_ms(), events.events
    session.counts = _counts(events.counts)
    session.maestros = dict(zip(events.maestros, events.selections, strict=True))
    if events.other_selections:
        session.maestros[OTHER_MAESTROS] = events.other_selections
    return session


def _counts(counts: Iterable[int]) -> dict[str, int]:
    return {column: count for column, count in zip(ACTION_COLUMNS.values(), counts, strict=True) if count}
