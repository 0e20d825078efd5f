"""Clock correction and the split into messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ingest.envelope import MAX_BATCH_BYTES, MAX_MESSAGE_BYTES, Timing, build_rows, encode_messages
from ingest.validate import Submission
from schemas.envelope import EventRow, encode_events
from schemas.events import AnyEvent, Tools
from schemas.retention import NO_DAY, start_of
from tests.batches import fresh_id

RECEIVED = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
TIMING = Timing(timedelta(seconds=60), retention=timedelta(days=90), keep_from=start_of(NO_DAY))
SECOND = timedelta(seconds=1)


def event(timestamp: datetime) -> AnyEvent:
    return Tools(eventId=fresh_id(), sessionId=fresh_id(), timestamp=timestamp, action="tool_created")


def submission(sent_at: datetime, timestamps: Sequence[datetime]) -> Submission:
    return Submission(None, sent_at, [event(moment) for moment in timestamps], range(len(timestamps)), [])


def occurred(sent_at: datetime, timestamp: datetime) -> datetime | None:
    """The corrected time, or None if it was too old."""
    rows, _ = build_rows(submission(sent_at, [timestamp]), fresh_id(), RECEIVED, TIMING)
    return rows[0].occurred_at if rows else None


def test_within_the_tolerance_a_timestamp_stays_as_it_was_sent() -> None:
    for skew in (-60 * SECOND, timedelta(0), 60 * SECOND):
        assert occurred(RECEIVED + skew, RECEIVED - 100 * SECOND) == RECEIVED - 100 * SECOND


def test_beyond_the_tolerance_it_is_shifted_by_the_skew() -> None:
    for skew in (-timedelta(days=3650), -61 * SECOND, 61 * SECOND, timedelta(days=3650)):
        assert occurred(RECEIVED + skew, RECEIVED + skew - 100 * SECOND) == RECEIVED - 100 * SECOND


def test_what_is_still_in_the_future_happened_on_receipt() -> None:
    assert occurred(RECEIVED, RECEIVED + SECOND) == RECEIVED
    assert occurred(RECEIVED - timedelta(days=1), RECEIVED) == RECEIVED


def test_what_is_older_than_retention_is_too_old_and_the_edge_is_not() -> None:
    assert occurred(RECEIVED, RECEIVED - TIMING.retention) == RECEIVED - TIMING.retention
    assert occurred(RECEIVED, RECEIVED - TIMING.retention - SECOND) is None


def test_corrected_times_are_utc_whatever_the_client_wrote() -> None:
    rome = datetime.fromisoformat("2026-05-04T11:00:00+02:00")
    found = occurred(RECEIVED, rome)
    assert found == rome
    assert found is not None
    assert found.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_no_clock_is_absurd_enough_to_fail(sent_at: datetime, timestamp: datetime) -> None:
    found = occurred(sent_at, timestamp)
    assert found is None or RECEIVED - TIMING.retention <= found <= RECEIVED


def test_a_too_old_event_keeps_its_place_in_the_batch() -> None:
    old = RECEIVED - 2 * TIMING.retention
    rows, too_old = build_rows(submission(RECEIVED, [RECEIVED, old, RECEIVED]), fresh_id(), RECEIVED, TIMING)
    assert len(rows) == 2
    assert [(refused.index, refused.code) for refused in too_old] == [(1, "too_old")]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30), st.integers(600, 3000))
def test_messages_hold_every_row_whole_in_order_and_within_the_limit(sizes: list[int], limit: int) -> None:
    rows = [
        EventRow(
            event_id=fresh_id(),
            user_id=fresh_id(),
            session_id=fresh_id(),
            category="tools",
            action="tool_created",
            occurred_at=RECEIVED,
            received_at=RECEIVED,
            label="\n" * (size // 2),
        )
        for size in sizes
    ]
    values = encode_messages(rows, limit + 300)
    assert b"".join(values) == encode_events(rows)
    assert all(len(value) <= limit + 300 and value.endswith(b"\n") for value in values)


def test_the_largest_row_there_can_be_fits_a_message_and_a_message_fits_a_record_batch() -> None:
    row = EventRow(
        event_id=fresh_id(),
        user_id=fresh_id(),
        session_id=fresh_id(),
        category="accessibility",
        action="teaching_interaction",
        occurred_at=RECEIVED.replace(microsecond=123456),
        received_at=RECEIVED.replace(microsecond=123456),
        label="\x01" * 128,
        value=-1.7976931348623157e308,
        metadata={chr(1 + n) * 64: "\x01" * 256 for n in range(16)},
    )
    assert len(msgspec.json.encode(row)) < 40_000 < MAX_MESSAGE_BYTES
    assert MAX_MESSAGE_BYTES + 1_000 < MAX_BATCH_BYTES < 1_048_588


def test_nothing_before_the_first_day_that_is_kept_is_accepted_also_by_a_clock_that_is_behind() -> None:
    keep_from = datetime(2026, 4, 1, tzinfo=UTC)
    timing = TIMING._replace(keep_from=keep_from)

    def refused(received: datetime, timestamp: datetime) -> list[str]:
        batch = submission(received, [timestamp])
        rows, too_old = build_rows(batch, fresh_id(), received, timing)
        assert all(row.occurred_at >= keep_from for row in rows)
        return [each.message for each in too_old]

    right, behind = datetime(2026, 5, 4, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    assert refused(right, keep_from) == []
    before = ["Before 2026-04-01, from when on events are kept - at `$.timestamp`"]
    assert refused(right, keep_from - SECOND) == before
    assert refused(behind, behind) == before
    assert refused(behind, right) == before
    assert refused(right, right - TIMING.retention - SECOND) == ["Older than 90 days - at `$.timestamp`"]
