"""Erasing a user: their rows go, their part of the sums since the beginning stays without their id.

The request came through the user's own partition, so what they sent before it goes and what they send after it
stays. Every step can be done again, at any later time, and by two owners of the partition at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from processors.cache import UserCache
from processors.envelopes import ErasureRequest
from processors.fold import users_from
from processors.sink import Sink, StoredErasure, StoredEvent
from processors.steps import Step, passed


def events_and_erasures(sink: Sink, user_ids: Iterable[str]) -> tuple[list[StoredEvent], list[StoredErasure]]:
    """What is stored of some users. Raises `SinkUnavailable`.

    Events are read before erasures: if another owner carries an erasure out in between, it is known, and the rows
    that came after it are not. The other way round, messages from before it would be taken for later ones.
    """
    users = list(user_ids)
    events = sink.stored_events(users)
    return events, sink.erasures(users)


def erase(sink: Sink, request: ErasureRequest, cache: UserCache, gap_ms: int) -> None:
    """Carries the request out; everything before it in its partition must have been stored already.

    Raises `SinkUnavailable`.
    """
    user_id, message = request.user_id, request.message
    events, erasures = events_and_erasures(sink, [user_id])
    epoch = _marked_epoch(erasures, request)
    if epoch is None:
        ends = users_from({user_id}, message.partition, events, erasures, gap_ms)[user_id].epoch
        passed(Step.ERASURE_READ)
        epoch = _end_epoch(sink, request, ends)
    passed(Step.ERASURE_MARKED)
    _delete(sink, user_id, epoch)
    cache.forget(user_id)


def sweep(sink: Sink) -> None:
    """Deletes what a late writer left of erased users after their erasure. Raises `SinkUnavailable`.

    The views hide it only as long as `erasures_data` knows the user.
    """
    for line in sink.lines("left_of_erased"):
        user_id, epoch = line.split("\t")
        _delete(sink, user_id, int(epoch))


def _end_epoch(sink: Sink, request: ErasureRequest, epoch: int) -> int:
    """Sums up what an epoch adds to the sums and marks it as ended; says which epoch the mark ends.

    The mark names the closed day that the sum goes with, and is not written once a later day is closed: the sessions
    of that day would be counted with it and with the erasure. Then it is summed anew. Only the first mark counts.
    """
    user_id, message = request.user_id, request.message
    place = {"partition": message.partition, "offset": message.offset}
    while True:
        (closed,) = sink.lines("last_closed_day")
        sink.command("erase_totals", user=user_id, epoch=epoch, closed=closed, **place)
        passed(Step.ERASURE_SUMMED)
        sink.command("erase_mark", user=user_id, epoch=epoch, closed=closed, **place)
        marked = _marked_epoch(sink.erasures([user_id]), request)
        if marked is not None:
            return marked


def _marked_epoch(erasures: Iterable[StoredErasure], request: ErasureRequest) -> int | None:
    place = (request.message.partition, request.message.offset)
    return next((erasure.epoch for erasure in erasures if (erasure.partition, erasure.offset) == place), None)


def _delete(sink: Sink, user_id: str, epoch: int) -> None:
    # A delete visits every part of its table, also for somebody who never sent anything.
    (rows,) = sink.lines("rows_to_erase", user=user_id, epoch=epoch)
    events, sessions, recent_sessions = map(int, rows.split("\t"))
    if events:
        sink.command("erase_events", user=user_id, epoch=epoch)
    passed(Step.ERASED_EVENTS)
    if sessions:
        sink.command("erase_sessions", user=user_id, epoch=epoch)
    passed(Step.ERASED_SESSIONS)
    if recent_sessions:
        sink.command("erase_recent_sessions", user=user_id, epoch=epoch)
