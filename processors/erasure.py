"""Erasing a user: their rows go, their part of the sums since the beginning stays without their id.

The request came through the user's own partition, so what they sent before it goes and what they send after it
stays. Every step can be done again.
"""

from __future__ import annotations

from processors.cache import UserCache
from processors.envelopes import ErasureRequest
from processors.fold import users_from
from processors.sink import Sink
from processors.steps import Step, passed


def erase(sink: Sink, request: ErasureRequest, cache: UserCache, gap_ms: int) -> None:
    """Carries the request out; everything before it in its partition must have been stored already.

    Raises `SinkUnavailable`.
    """
    user_id, message = request.user_id, request.message
    erasures = sink.erasures([user_id])
    place = (message.partition, message.offset)
    done = next((erasure for erasure in erasures if (erasure.partition, erasure.offset) == place), None)
    if done is None:
        events = sink.stored_events([user_id])
        epoch = users_from({user_id}, message.partition, events, erasures, gap_ms)[user_id].epoch
        passed(Step.ERASURE_READ)
        sink.command("erase_totals", user=user_id, partition=message.partition, offset=message.offset)
        passed(Step.ERASURE_SUMMED)
        sink.command("erase_mark", user=user_id, partition=message.partition, offset=message.offset, epoch=epoch)
    else:
        epoch = done.epoch
    passed(Step.ERASURE_MARKED)
    sink.command("erase_events", user=user_id, epoch=epoch)
    passed(Step.ERASED_EVENTS)
    sink.command("erase_sessions", user=user_id, epoch=epoch)
    passed(Step.ERASED_SESSIONS)
    sink.command("erase_recent_sessions", user=user_id, epoch=epoch)
    cache.forget(user_id)
