"""The sweep: deletes the rows of erased users and moves each erasure from marked to swept to forgotten.

The views hide these rows as long as an erasure is not forgotten. Any processor may sweep, any number of them at once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime

from processors.sink import Sink
from processors.steps import Step, passed

log = logging.getLogger(__name__)

_EPOCHS_PER_DELETE = 1000
NOBODY = "00000000-0000-0000-0000-000000000000"
"""In place of the user id of an erasure that is forgotten."""


def sweep(sink: Sink, now: datetime, mark_days: int) -> int | None:
    """One round; returns when the oldest erasure that is not swept was carried out, in seconds since 1970, or `None`.

    Rows are deleted in the background, so a later round finds that they are gone. No delete is sent while ClickHouse
    still carries out an earlier one. Raises `SinkUnavailable`.
    """
    left: defaultdict[str, list[str]] = defaultdict(list)
    for table, user_id, epoch in sink.texts("left_of_erased"):
        left[table].append(f"('{user_id}',{epoch})")
    if left and not _is_deleting(sink):
        for table, ended in left.items():
            for start in range(0, len(ended), _EPOCHS_PER_DELETE):
                sink.command("delete_erased", table=table, epochs=",".join(ended[start : start + _EPOCHS_PER_DELETE]))
                passed(Step.ERASED_DELETED)
    sink.command("erasures_swept")
    sink.command("erasures_forgotten", now=f"{now:%Y-%m-%d %H:%M:%S}", days=mark_days, nobody=NOBODY)
    ((oldest,),) = sink.texts("oldest_unswept")
    return int(oldest) or None


def _is_deleting(sink: Sink) -> bool:
    """Whether an earlier delete of ours is under way; names what may stand in its way."""
    mutations = sink.texts("deletes_under_way")
    for ours, name, command, reason in mutations:
        if reason:
            log.error(
                "a mutation fails and holds the deletes of erased users up; see KILL MUTATION",
                extra={"mutation": name, "command": command[:200], "reason": reason[:500], "ours": ours == "1"},
            )
    return any(ours == "1" for ours, *_ in mutations)
