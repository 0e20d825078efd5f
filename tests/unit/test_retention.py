"""Which events are accepted, and which days are closed, by one topic: never an event whose day is closed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.envelope import Timing, build_rows
from ingest.validate import Submission
from schemas.events import Tools
from schemas.retention import (
    GRACE_DAYS,
    NO_DAY,
    Announcement,
    Retention,
    announcement_record,
    days_record,
    first_kept_day,
    last_closable_day,
    retention_of,
    start_of,
)
from tests.batches import fresh_id

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def day(ago: int) -> date:
    return (NOW - ago * DAY).date()


def test_the_newest_days_and_the_latest_day_announced_count() -> None:
    records = [
        (NOW - 9 * DAY, days_record(1)),
        (NOW - 8 * DAY, announcement_record(day(9))),
        (NOW - 7 * DAY, days_record(90)),
        (NOW - 6 * DAY, announcement_record(day(96))),
    ]
    retention = retention_of(records)
    assert retention == Retention(
        90, (Announcement(NOW - 8 * DAY, day(9), 1), Announcement(NOW - 6 * DAY, day(96), 90))
    )
    assert retention.keep_from == day(9)
    assert retention.announced_by(NOW - 9 * DAY) == NO_DAY


def test_without_a_number_of_days_nothing_is_in_force_whatever_else_is_there() -> None:
    assert retention_of([]) is None
    assert retention_of([(NOW, b"not json"), (NOW, b'{"retention_days": 0}'), (NOW, b"{}"), (NOW, b"")]) is None


def test_a_record_that_cannot_be_read_is_passed_over() -> None:
    assert retention_of([(NOW, days_record(7)), (NOW, b'{"keep_from": "soon"}')]) == Retention(7)


def test_a_day_can_be_closed_two_days_after_it_was_announced_and_left_retention() -> None:
    announced = Retention(90, (Announcement(NOW, day(90), 90),))
    assert last_closable_day(NOW + 2 * DAY - HOUR, announced) < day(91)
    assert last_closable_day(NOW + 2 * DAY, announced) == day(91)
    assert last_closable_day(NOW + 9 * DAY, announced) == day(91), "no other day was announced"


def test_a_retention_raised_before_a_day_is_closed_keeps_it() -> None:
    announced = (Announcement(NOW, day(1), 1),)
    assert last_closable_day(NOW + 2 * DAY, Retention(1, announced)) == day(2)
    assert last_closable_day(NOW + 2 * DAY, Retention(90, announced)) == day(91)


def test_a_retention_that_reaches_back_further_than_the_calendar_closes_nothing() -> None:
    assert first_kept_day(NOW, 365_000) == NO_DAY
    assert last_closable_day(NOW, Retention(365_000, (Announcement(NOW - 9 * DAY, day(9), 1),))) < NO_DAY


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("days in force"), st.sampled_from([1, 2, 5, 30])),
        st.tuples(st.just("a processor checks"), st.just(0)),
        st.tuples(st.just("the gateway reads"), st.just(0)),
        st.tuples(st.just("hours pass"), st.integers(1, 72)),
        st.tuples(st.just("an event of so many hours ago"), st.integers(-48, 24 * 32)),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=300)
@given(steps, st.timedeltas(-20 * HOUR, 20 * HOUR))
def test_no_event_is_accepted_for_a_closed_day_and_none_is_closed_before_its_time(
    history: list[Step], gateway_is_ahead: timedelta
) -> None:
    """Whatever is put in force when; the gateway has heard of it within a day, and its clock may be wrong."""
    records = [(NOW, days_record(9))]
    now, closed = NOW, NO_DAY
    heard, heard_at = retention_of(records), NOW
    accepted: list[datetime] = []
    for what, number in history:
        retention = retention_of(records)
        assert retention is not None
        if what == "days in force":
            records.append((now, days_record(number)))
        elif what == "hours pass":
            now += number * HOUR
        elif what == "the gateway reads" or now - heard_at > DAY:
            heard, heard_at = retention, now
        elif what == "a processor checks":
            keep_from = max(first_kept_day(now, retention.days), closed + DAY)
            if keep_from > retention.keep_from:
                records.append((now, announcement_record(keep_from)))
            limit = max(closed, last_closable_day(now, retention))
            within = [moment for moment in accepted if now - moment <= (retention.days + GRACE_DAYS) * DAY]
            assert not any(closed < moment.date() <= limit for moment in within)
            closed = limit
        else:
            assert heard is not None
            received = now + gateway_is_ahead
            event = Tools(
                eventId=fresh_id(), sessionId=fresh_id(), timestamp=received - number * HOUR, action="tool_created"
            )
            timing = Timing(timedelta(seconds=60), timedelta(days=heard.days), start_of(heard.keep_from))
            rows, _ = build_rows(Submission(None, received, [event], range(1), []), fresh_id(), received, timing)
            accepted += [row.occurred_at for row in rows]
            assert all(row.occurred_at.date() > closed for row in rows)
