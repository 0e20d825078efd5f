"""Sessions whose rows were written when every event counted as study, written anew from their events.

Killed at any moment and run again, it goes on with what is left. It may run beside processors of this version: it
writes what they write when they read a session back. The row with more events wins, and of two with as many the later
one, so it replaces the old row and never a newer one. A processor of an older version may still write such rows, so the
last run comes after the last of those has ended.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from processors.readback import session_from_events, session_from_row
from processors.sessions import MAX_MAESTROS
from processors.sink import Sink

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SESSIONS_AT_ONCE = 10_000


class _Key(NamedTuple):
    user_id: str
    session_id: str
    epoch: int


_BEFORE_ALL = _Key("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000", -1)


def recompute_sessions(sink: Sink, gap_ms: int, at_once: int = _SESSIONS_AT_ONCE) -> int:
    """Writes every such session anew, `at_once` at a time; returns how many.

    A session that began on a closed day has lost events with it: its row stays as it is. Raises `SinkUnavailable`.
    """
    written, last = 0, _BEFORE_ALL
    while keys := _candidates(sink, last, at_once):
        written += _recompute(sink, keys, gap_ms)
        last = keys[-1]
    return written


def _candidates(sink: Sink, after: _Key, limit: int) -> list[_Key]:
    rows = sink.texts("outdated_sessions", user=after.user_id, session=after.session_id, epoch=after.epoch, limit=limit)
    return [_Key(user_id, session_id, int(epoch)) for user_id, session_id, epoch in rows]


def _recompute(sink: Sink, keys: list[_Key], gap_ms: int) -> int:
    by_user: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_user[key.user_id].append(key.session_id)
    wanted = set(keys)
    # In this order: a row is written after its events, and a day is marked as closed before they are dropped. So where
    # the session began after the last closed day, every event of the row is found.
    outdated = {
        key: row
        for row in sink.stored_sessions(by_user)
        if (key := _Key(row.user_id, row.session_id, row.epoch)) in wanted
        and session_from_row(row).last_study_ms is None
    }
    found = sink.session_events(by_user, (), gap_ms, MAX_MAESTROS)
    ((closed_day,),) = sink.texts("last_closed_day")
    rows = []
    for events in found:
        key = _Key(events.user_id, events.session_id, events.epoch)
        if key in outdated and _day(outdated[key].started_ms) > closed_day:
            rows.append(session_from_events(events, gap_ms).row(*key))
    if rows:
        sink.insert_sessions(rows)
    return len(rows)


def _day(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).date().isoformat()
