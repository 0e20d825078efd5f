"""Erasing a user: their rows go, their part of the sums since the beginning stays without their id.

The request came through the user's own partition, so what they sent before it goes and what they send after it
stays. Every step can be done again, at any later time, and by two owners of the partition at once.

Once the erasure is marked, the views hide the user's rows. Physical deletes are slow: `processors.sweep` batches them.
"""

from __future__ import annotations

from processors.envelopes import ErasureRequest
from processors.places import covers
from processors.readback import current_epoch
from processors.sink import Sink
from processors.steps import Step, passed
from schemas.topics import UNKNOWN_TOPIC


class ErasureTooOld(Exception):
    """A redriven request to erase a user who has sent events since: they are in the same epoch and would go, too."""


def erase(sink: Sink, request: ErasureRequest) -> None:
    """Carries the request out, but for the deletes. Raises `SinkUnavailable`, `ErasureTooOld`.

    Everything before it in its partition must have been stored already. A request that was carried out before, or that
    a later erasure covers, changes nothing.
    """
    message, user_id = request.message, request.user_id
    epoch, erasures = current_epoch(sink, user_id)
    if not any(covers(erasure.place, message.source, message.place) for erasure in erasures) and not _is_marked(
        sink, request
    ):
        passed(Step.ERASURE_READ)
        if message.source != message.place:
            _require_nothing_after(sink, request, epoch)
        _end_epoch(sink, request, epoch)
    passed(Step.ERASURE_MARKED)


def _end_epoch(sink: Sink, request: ErasureRequest, epoch: int) -> None:
    """Sums up what an epoch adds to the sums and marks it as ended.

    The mark names the closed day that the sum goes with, and is not written once a later day is closed: the sessions
    of that day would be counted with it and with the erasure. Then it is summed anew. Only the first mark counts.
    """
    user_id, source = request.user_id, request.message.source
    place: dict[str, str | int] = {"topic": source.topic_id, "partition": source.partition, "offset": source.offset}
    while True:
        ((closed,),) = sink.texts("last_closed_day")
        sink.command("erase_totals", user=user_id, epoch=epoch, closed=closed, **place)
        passed(Step.ERASURE_SUMMED)
        sink.command("erase_mark", user=user_id, epoch=epoch, closed=closed, unknown_topic=UNKNOWN_TOPIC, **place)
        if _is_marked(sink, request):
            return


def _is_marked(sink: Sink, request: ErasureRequest) -> bool:
    """Looks by place: the user of an erasure that was carried out long ago is forgotten."""
    return bool(sink.erasures_at(request.message.source, request.user_id))


def _require_nothing_after(sink: Sink, request: ErasureRequest, epoch: int) -> None:
    source = request.message.source
    ((events,),) = sink.texts(
        "events_after", user=request.user_id, epoch=epoch, partition=source.partition, offset=source.offset
    )
    if events != "0":
        raise ErasureTooOld(
            f"the user has sent {events} events since this request, which would go as well; to erase everything run "
            "`convergio erase` with their id: the key of this letter"
        )
