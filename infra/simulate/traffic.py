"""The order in which batches arrive: paced, some late, some twice, some with events to be refused.

Pure: the same plan yields the same users, sessions and event ids; only times follow the clock it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random

import msgspec

from infra.simulate.plan import ClientBatch, Expected, Plan, SentEvent
from infra.simulate.students import Student, instant_text, student, study_session, uuid4_text

DAY_MS = 86_400_000
_HELD_AT_MOST = 1000


def batches(plan: Plan, start: datetime, elapsed: Callable[[], float] = lambda: 0.0) -> Iterator[ClientBatch]:
    """Every batch of a simulation that starts at `start`, in the order to send them.

    No event is later than `start` + the batch's `due`; without a rate, than `start` + `elapsed()` seconds.
    """
    rng = Random(plan.seed)
    held: list[ClientBatch] = []
    for batch in _fresh(plan, rng, start, elapsed):
        _break_some(plan, rng, batch, start)
        if rng.random() < plan.duplicate_share:
            held.append(_repeated(batch))
        if plan.duplicate_share:
            _repeat_some(plan, rng, batch)
        if rng.random() < plan.late_share:
            held.append(batch)
        else:
            yield batch
        if held and (rng.random() < 0.02 * len(held) or len(held) > _HELD_AT_MOST):
            yield _released(held.pop(rng.randrange(len(held))), batch.due)
    rng.shuffle(held)
    yield from held


def _fresh(plan: Plan, rng: Random, start: datetime, elapsed: Callable[[], float]) -> Iterator[ClientBatch]:
    """Sessions cut into batches: the past first, then live ones at the asked rate."""
    start_ms = int(start.timestamp() * 1000)
    limit = plan.events
    count = 0
    history_limit = None if limit is None else limit // 2
    for _ in range(plan.history_sessions):
        events = study_session(rng, who := _someone(plan, rng), _past_end_ms(plan, rng, start_ms))
        for batch in _cut(plan, rng, who, events, history_limit, count):
            count += len(batch.events)
            yield batch
        if count == history_limit:
            break
    past = count
    while limit is None or count < limit:
        now = (count - past) / plan.rate if plan.rate else elapsed()
        end_ms = start_ms + int(now * 1000) - _age_ms(rng)
        events = study_session(rng, who := _someone(plan, rng), end_ms)
        for batch in _cut(plan, rng, who, events, limit, count):
            count += len(batch.events)
            batch.due = (count - past) / plan.rate if plan.rate else 0.0
            yield batch


def _someone(plan: Plan, rng: Random) -> Student:
    """Squared, so that few students study often and most now and then."""
    return student(plan.seed, int(plan.users * rng.random() ** 2))


def _past_end_ms(plan: Plan, rng: Random, start_ms: int) -> int:
    """A moment on one of the past days, mostly in the afternoon."""
    midnight = start_ms - start_ms % DAY_MS - rng.randrange(plan.history_days) * DAY_MS
    return min(midnight - DAY_MS + int(rng.triangular(0.3, 0.99, 0.7) * DAY_MS), start_ms)


def _age_ms(rng: Random) -> int:
    """How long ago a live session ended: just now mostly; some were offline for part of the day."""
    return rng.randrange(120_000) if rng.random() < 0.85 else rng.randrange(DAY_MS)


def _cut(
    plan: Plan, rng: Random, who: Student, events: list[SentEvent], limit: int | None, count: int
) -> Iterator[ClientBatch]:
    if limit is not None:
        events = events[: limit - count]
    while events:
        size = rng.randint((plan.batch_events + 1) // 2, plan.batch_events)
        yield ClientBatch(who.user_id, events[:size])
        events = events[size:]


def _break_some(plan: Plan, rng: Random, batch: ClientBatch, start: datetime) -> None:
    """Puts broken copies, under ids of their own, between the good events."""
    if not plan.bad_share:
        return
    events: list[SentEvent] = []
    for event in batch.events:
        if rng.random() < plan.bad_share:
            broken, code = _broken(plan, rng, event, start)
            batch.broken[len(events)] = code
            events.append(broken)
        events.append(event)
    batch.events = events


def _broken(plan: Plan, rng: Random, event: SentEvent, start: datetime) -> tuple[SentEvent, Expected]:
    copy = msgspec.structs.replace(event, eventId=uuid4_text(rng.getrandbits(128)))
    match rng.randrange(7):
        case 0:
            copy.category = "gossip"
            return copy, "unknown_category"
        case 1:
            copy.action = "homework_copied"
            return copy, "unknown_action"
        case 2:
            copy.email = "someone@example.org"
            return copy, "unknown_field"
        case 3:
            copy.sessionId = ""
            return copy, "missing_field"
        case 4:
            copy.label = "x" * 129
            return copy, "invalid_value"
        case 5:
            copy.category, copy.action, copy.label = "maestro", "maestro_selected", ""
            return copy, "label_required"
        case _:
            age_ms = (plan.retention_days + 2 + rng.randrange(100)) * DAY_MS
            copy.timestamp = instant_text(int(start.timestamp() * 1000) - age_ms)
            return copy, "too_old"


def _repeated(batch: ClientBatch) -> ClientBatch:
    """The whole batch again, as by a client that never saw the answer."""
    good = len(batch.events) - len(batch.broken)
    return ClientBatch(batch.user_id, list(batch.events), batch.due, dict(batch.broken), good)


def _repeat_some(plan: Plan, rng: Random, batch: ClientBatch) -> None:
    """The same event twice within one batch."""
    for index in range(len(batch.events)):
        if index not in batch.broken and rng.random() < plan.duplicate_share / 4:
            batch.events.append(batch.events[index])
            batch.repeats += 1


def _released(batch: ClientBatch, due: float) -> ClientBatch:
    batch.due = max(batch.due, due)
    return batch
