"""The steps of a processor's work by name, and one hook that hears of each.

Nobody listens in production. Fault tests set `hook` to die, hang or sleep between any two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """A moment in the work, in the order of the work. What comes before it is done, what comes after it is not."""

    TAKEN = "taken"
    """Messages were taken from the buffer for a flush."""
    USERS_READ = "users-read"
    """What is stored of a block's users, sessions and ids is read back from ClickHouse."""
    FOLDED = "folded"
    """A block is prepared; nothing of it is stored."""
    EVENTS_INSERTED = "events-inserted"
    SESSIONS_INSERTED = "sessions-inserted"
    SET_ASIDE = "set-aside"
    """Kafka has acknowledged the dead letters, if there are any."""
    ACKNOWLEDGED = "acknowledged"
    """The watermarks have moved: the next commit covers the messages."""

    ERASURE_READ = "erasure-read"
    """It is known which epoch the erasure ends."""
    ERASURE_SUMMED = "erasure-summed"
    ERASURE_MARKED = "erasure-marked"
    """From now on nothing of the user's is shown."""
    ERASED_DELETED = "erased-deleted"
    """What stood of erased users is deleted from one of the tables."""

    DAYS_SUMMED = "days-summed"
    """The sums of the days to close are inserted."""
    DAY_DROPPED = "day-dropped"
    """A closed day's events are gone, its sessions are not."""


def nobody(_step: Step) -> None:
    """The hook that does nothing."""


hook: Callable[[Step], None] = nobody
"""Called at each step, in the thread that does the work."""


def passed(step: Step) -> None:
    """Calls the fault-injection hook."""
    hook(step)
