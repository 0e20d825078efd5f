"""Dedup and session fold are functions of the set of events: order, batching, repetition and forgetting the cache
cannot change what is written."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.cache import UserCache
from processors.dedup import Outcome
from processors.envelopes import EventBatch, decode
from processors.fold import Folded, fold, users_from
from processors.sink import StoredErasure, StoredEvent
from tests.events import ExpectedSession, Sent, expected_sessions, message, sent, uuid

GAP_MS = 300_000


class Store:
    """Plain lists of what was written, to read users back from; a session row with more events wins."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.sessions: dict[tuple[str, str], dict[str, Any]] = {}

    def write(self, folded: Folded) -> None:
        for line in b"".join(folded.lines).splitlines():
            row = msgspec.json.decode(line)
            at_ms = _milliseconds(row["occurred_at"])
            self.events.append(
                StoredEvent(
                    row["user_id"],
                    row.get("epoch", 0),
                    row["event_id"],
                    row["session_id"],
                    row["action"],
                    row.get("label", ""),
                    at_ms,
                    row["kafka_offset"],
                )
            )
        for row in folded.sessions:
            key = (row["user_id"], row["session_id"])
            if key not in self.sessions or self.sessions[key]["events"] <= row["events"]:
                self.sessions[key] = row

    def read(self) -> dict[tuple[str, str], ExpectedSession]:
        return {
            key: ExpectedSession(row["started_at"], row["last_event_at"], row["study_ms"], row["events"])
            for key, row in self.sessions.items()
        }


def _milliseconds(text: str) -> int:
    moment = msgspec.convert(text, type=datetime)
    return round(moment.timestamp() * 1000)


def _flush(batches: list[EventBatch], cache: UserCache, store: Store) -> Counter[Outcome]:
    users = cache.missing({row.user_id for batch in batches for row in batch.rows})
    for user_id, user in users_from(users, 0, store.events, [], GAP_MS).items():
        cache.put(user_id, user)
    folded = fold(batches, {0: cache}, GAP_MS)
    store.write(folded)
    return folded.outcomes


def _batch(events: list[Sent], offset: int) -> EventBatch:
    decoded = decode(message(events, offset))
    assert isinstance(decoded, EventBatch)
    return decoded


_sent = st.builds(
    Sent,
    user=st.integers(0, 2).map(uuid),
    event=st.integers(10, 40).map(uuid),
    session=st.integers(100, 102).map(uuid),
    minutes_ago=st.floats(0, 60, allow_nan=False),
    action=st.sampled_from(["page_view", "route_change"]),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_batching_repetition_and_forgetting_gives_the_rows_of_the_set(data: st.DataObject) -> None:
    events = data.draw(st.lists(_sent, min_size=1, max_size=60))
    by_user: dict[str, list[Sent]] = {}
    for event in events:
        by_user.setdefault(event.user, []).append(event)
    batches: list[list[Sent]] = []
    for own in by_user.values():
        while own:
            size = data.draw(st.integers(1, len(own)))
            batches.append(own[:size])
            own = own[size:]
    messages = [_batch(batch, offset) for offset, batch in enumerate(batches)]
    cache, store = UserCache(), Store()
    outcomes: Counter[Outcome] = Counter()
    position = 0
    while position < len(messages):
        size = data.draw(st.integers(1, len(messages) - position))
        outcomes += _flush(messages[position : position + size], cache, store)
        if data.draw(st.booleans()):
            cache.shrink(data.draw(st.integers(0, 20)))
        if data.draw(st.booleans()):
            # A crash after the flush and before the commit: the same messages come again, to an empty cache.
            again = _flush(messages[position : position + size], UserCache(), store)
            assert again[Outcome.STORED] == 0
        position += size
    in_order = [event for batch in batches for event in batch]
    assert store.read() == expected_sessions(in_order)
    unique = {(event.user, event.event) for event in events}
    assert {(event.user_id, event.event_id) for event in store.events} == unique
    assert len(store.events) == len(unique) == outcomes[Outcome.STORED]
    assert outcomes[Outcome.STORED] + outcomes[Outcome.DUPLICATE] == len(events)


@given(data=st.data())
def test_order_of_arrival_does_not_change_a_session(data: st.DataObject) -> None:
    user, session = uuid(1), uuid(2)
    minutes = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=20))
    events = [sent(user, uuid(100 + index), session, minutes_ago=m) for index, m in enumerate(minutes)]
    shuffled = data.draw(st.permutations(events))
    cache, store = UserCache(), Store()
    for offset, event in enumerate(shuffled):
        _flush([_batch([event], offset)], cache, store)
    assert store.read() == expected_sessions(events)


def test_what_is_prepared_later_does_not_change_the_rows_that_wait_to_be_written() -> None:
    cache, store = UserCache(), Store()
    user, session = uuid(1), uuid(2)
    first, later = (sent(user, None, session, 5, "maestro_selected", "maestro", "archimede") for _ in range(2))
    cache.put(user, users_from({user}, 0, [], [], GAP_MS)[user])
    waiting = fold([_batch([first], 1)], {0: cache}, GAP_MS)
    fold([_batch([later], 2)], {0: cache}, GAP_MS)
    store.write(waiting)
    row = store.sessions[user, session]
    assert (row["maestro_selections"], row["maestros"]) == (1, {"archimede": 1})


def test_a_known_id_under_another_session_is_a_duplicate_and_makes_no_session() -> None:
    cache, store = UserCache(), Store()
    first = sent()
    _flush([_batch([first], 1)], cache, store)
    outcomes = _flush([_batch([sent(first.user, first.event)], 2)], cache, store)
    assert outcomes == {Outcome.DUPLICATE: 1}
    assert set(store.sessions) == {(first.user, first.session)}


def test_equal_ids_of_two_users_do_not_suppress_each_other() -> None:
    cache, store = UserCache(), Store()
    first = sent()
    other = sent(event=first.event, session=first.session)
    outcomes = _flush([_batch([first], 1), _batch([other], 2)], cache, store)
    assert outcomes == {Outcome.STORED: 2}
    assert len(store.sessions) == 2


def test_the_same_id_twice_in_one_batch_is_stored_once_and_counted_as_a_duplicate() -> None:
    cache, store = UserCache(), Store()
    event = sent()
    assert _flush([_batch([event, event], 1)], cache, store) == {Outcome.STORED: 1, Outcome.DUPLICATE: 1}
    assert len(store.events) == 1


def test_what_came_at_or_before_an_erasure_is_ignored_and_what_comes_after_starts_anew() -> None:
    user = uuid(1)
    before, after = sent(user, minutes_ago=3), sent(user, minutes_ago=2)
    store = Store()
    _flush([_batch([before], 5)], UserCache(), store)
    erased = [StoredErasure(user, 0, 6, 0)]
    cache = UserCache()
    for user_id, known in users_from({user}, 0, store.events, erased, GAP_MS).items():
        cache.put(user_id, known)
    folded = fold([_batch([before], 5), _batch([after, before], 7)], {0: cache}, GAP_MS)
    assert folded.outcomes == {Outcome.ERASED: 1, Outcome.STORED: 2}
    assert {row["epoch"] for row in folded.sessions} == {1}
    assert all(b'"epoch":1' in line for line in folded.lines)
