"""Erasing a user: their rows go, their part of the sums since the beginning stays without their id.

The request came through the user's own partition, so what they sent before it goes and what they send after it
stays. Every step can be done again, at any later time, and by two owners of the partition at once.

From the mark on nothing of the user's is shown. Deleting what it hides takes ClickHouse long, whoever it is of: so it
is done for all at once, by `sweep`, and no flush waits for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from processors.envelopes import ErasureRequest
from processors.readback import current_epoch
from processors.sink import Sink, StoredErasure
from processors.steps import Step, passed

_EPOCHS_PER_DELETE = 1000


def erase(sink: Sink, request: ErasureRequest) -> None:
    """Carries the request out, but for the deletes. Raises `SinkUnavailable`.

    Everything before it in its partition must have been stored already.
    """
    epoch, erasures = current_epoch(sink, request.user_id)
    if not _is_marked(erasures, request):
        passed(Step.ERASURE_READ)
        _end_epoch(sink, request, epoch)
    passed(Step.ERASURE_MARKED)


def sweep(sink: Sink) -> None:
    """Deletes what stands of erased users, also what a late writer added after their erasure. Raises `SinkUnavailable`.

    Does nothing while ClickHouse still carries earlier deletes out. The views hide these rows only as long as
    `erasures_data` knows the user.
    """
    if sink.texts("deletes_under_way") != [["0"]]:
        return
    epochs: defaultdict[str, list[str]] = defaultdict(list)
    for table, user_id, epoch in sink.texts("left_of_erased"):
        epochs[table].append(f"('{user_id}',{epoch})")
    for table, ended in epochs.items():
        for start in range(0, len(ended), _EPOCHS_PER_DELETE):
            sink.command("delete_erased", table=table, epochs=",".join(ended[start : start + _EPOCHS_PER_DELETE]))
            passed(Step.ERASED_DELETED)


def _end_epoch(sink: Sink, request: ErasureRequest, epoch: int) -> None:
    """Sums up what an epoch adds to the sums and marks it as ended.

    The mark names the closed day that the sum goes with, and is not written once a later day is closed: the sessions
    of that day would be counted with it and with the erasure. Then it is summed anew. Only the first mark counts.
    """
    user_id, message = request.user_id, request.message
    place = {"partition": message.partition, "offset": message.offset}
    while True:
        ((closed,),) = sink.texts("last_closed_day")
        sink.command("erase_totals", user=user_id, epoch=epoch, closed=closed, **place)
        passed(Step.ERASURE_SUMMED)
        sink.command("erase_mark", user=user_id, epoch=epoch, closed=closed, **place)
        if _is_marked(sink.erasures([user_id]), request):
            return


def _is_marked(erasures: Iterable[StoredErasure], request: ErasureRequest) -> bool:
    place = (request.message.partition, request.message.offset)
    return any((erasure.partition, erasure.offset) == place for erasure in erasures)
