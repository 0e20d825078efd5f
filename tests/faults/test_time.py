"""Time: wrong clocks, late events, midnights, a daylight-saving change, and days that leave retention meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from exporter.queries import Reader, integer
from exporter.stats import DayRange, Totals, day_series
from infra.audit.stored import session_differences
from ingest.envelope import Timing, build_rows
from ingest.validate import Submission
from processors.envelopes import Message
from processors.settings import ProcessorSettings
from schemas.envelope import EventRow, encode_events, headers, message_key
from schemas.events import Navigation
from schemas.retention import NO_DAY, start_of
from tests.closing import close_days
from tests.faults.owners import IDLE, Owner, StartSleeper
from tests.faults.promises import Promises
from tests.faults.traffic import message
from tests.in_process import Processor
from tests.integration.test_flush import count, lifetime
from tests.oracle.log import DAY_MS, Entry, LoggedEvent

TIMING = Timing(timedelta(seconds=60), retention=timedelta(days=90), keep_from=start_of(NO_DAY))
MINUTE_MS = 60_000
RETENTION_DAYS = 60


@pytest.fixture(scope="module")
def settings(settings: ProcessorSettings) -> ProcessorSettings:
    """A retention in which an event can be late by days."""
    return settings.model_copy(update={"retention_days": RETENTION_DAYS})


def midnight_ms(days_ago: int) -> int:
    """A UTC midnight, in milliseconds since 1970."""
    return (int(datetime.now(UTC).timestamp() * 1000) // DAY_MS - days_ago) * DAY_MS


def moment_of(at_ms: int) -> datetime:
    """The time of milliseconds since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def events(user: str, session: str, times_ms: Iterable[int]) -> list[LoggedEvent]:
    return [LoggedEvent(user, str(uuid4()), session, at_ms) for at_ms in times_ms]


def accepted(
    user: str, session: str, clock: Sequence[datetime], sent_at: datetime, received: datetime
) -> list[EventRow]:
    """The gateway's rows of events at times of the client's clock."""
    batch = [Navigation(eventId=str(uuid4()), sessionId=session, timestamp=at, action="page_view") for at in clock]
    return build_rows(Submission(None, sent_at, batch, range(len(batch)), []), user, received, TIMING).rows


@given(
    skews=st.lists(st.timedeltas(timedelta(hours=-48), timedelta(hours=48)), min_size=1, max_size=4),
    gaps=st.lists(st.integers(0, 600), min_size=1, max_size=12),
)
def test_a_clock_hours_wrong_or_set_right_in_the_middle_changes_neither_a_session_nor_its_study_time(
    skews: list[timedelta], gaps: list[int]
) -> None:
    tolerance = TIMING.skew_tolerance
    moment = datetime(2026, 5, 4, 23, 50, tzinfo=UTC)
    true, found = [moment], list[datetime]()
    for gap in gaps:
        true.append(true[-1] + timedelta(seconds=gap))
    size = -(-len(true) // len(skews))
    batches = [true[start : start + size] for start in range(0, len(true), size)]
    for times, skew in zip(batches, skews, strict=False):
        wrong = skew if abs(skew) > tolerance else timedelta(0)
        received = times[-1] + timedelta(seconds=30)
        rows = accepted(str(uuid4()), str(uuid4()), [at + wrong for at in times], received + wrong, received)
        found += [row.occurred_at for row in rows]
    assert found == true


def test_late_events_split_join_and_extend_sessions_of_days_ago(
    processor: Processor, settings: ProcessorSettings, client: Client, seed: int
) -> None:
    draw = random.Random(seed)
    log: dict[int, list[Entry]] = {0: []}
    promises = Promises(client, log, settings.retention_days)
    sessions = []
    for days_ago in (40, 12, 3):
        user, start = str(uuid4()), midnight_ms(days_ago) - 10 * MINUTE_MS
        minutes = [0, 4, 8, 12, 16, 30, 33, 37, 90]
        sessions.append(events(user, str(uuid4()), (start + minute * MINUTE_MS for minute in minutes)))
    late = [(session, event) for session, all_events in enumerate(sessions) for event in all_events]
    draw.shuffle(late)
    now_ms = midnight_ms(0)
    for _, event in late:
        log[0].append([event])
        if draw.random() < 0.3:
            processor = Processor(settings)
        processor.flush(message(log[0][-1], 0, len(log[0]) - 1, now_ms))
        promises.expect_any_moment()
    promises.expect_the_end(now_ms)


def test_a_session_across_midnight_stays_whole_while_its_two_days_leave_retention(
    processor: Processor, settings: ProcessorSettings, client: Client
) -> None:
    midnight = midnight_ms(5)
    entry = events(str(uuid4()), str(uuid4()), (midnight - 2 * MINUTE_MS, midnight - 1, midnight, midnight + MINUTE_MS))
    log: dict[int, list[Entry]] = {0: [entry]}
    promises = Promises(client, log, settings.retention_days)
    processor.flush(message(entry, 0, 0, midnight))
    assert lifetime(client) == (1, 3 * MINUTE_MS, 4)
    shown = []
    for days in (1, 2, 3):
        now_ms = midnight + (settings.retention_days + days) * DAY_MS
        close_days(processor.sink, moment_of(now_ms), settings.retention_days)
        promises.expect_the_end(now_ms)
        assert not session_differences(client, gap_ms=5 * MINUTE_MS)
        shown.append((count(client, "events"), count(client, "sessions")))
        assert lifetime(client) == (1, 3 * MINUTE_MS, 4)
    assert shown == [(4, 1), (2, 1), (0, 0)]


def test_all_never_falls_while_days_are_dropped_under_events_as_late_as_may_be(
    processor: Processor, settings: ProcessorSettings, client: Client, seed: int
) -> None:
    draw = random.Random(seed)
    log: dict[int, list[Entry]] = {0: []}
    promises = Promises(client, log, settings.retention_days)
    user, oldest, now_ms = str(uuid4()), midnight_ms(3), midnight_ms(3) + settings.retention_days * DAY_MS
    for _ in range(10):
        for _ in range(3):
            at_ms = now_ms - settings.retention_days * DAY_MS + draw.choice([0, 1, DAY_MS // 2])
            log[0].append(events(user, str(uuid4()), (at_ms, at_ms + MINUTE_MS)))
        waits_ms = draw.choice([0, DAY_MS // 4, DAY_MS - 1])
        close_days(processor.sink, moment_of(now_ms + waits_ms), settings.retention_days)
        for offset in range(len(log[0]) - 3, len(log[0])):
            processor.flush(message(log[0][offset], 0, offset, now_ms))
            promises.expect_any_moment()
        now_ms += waits_ms + draw.choice([DAY_MS // 3, DAY_MS])
        close_days(processor.sink, moment_of(now_ms), settings.retention_days)
        promises.expect_any_moment()
    promises.expect_the_end(now_ms)
    assert now_ms - settings.retention_days * DAY_MS > oldest + 3 * DAY_MS
    assert count(client, "events") < 60 == lifetime(client)[2]


@pytest.mark.parametrize(
    "stop",
    [
        "close_days",
        "days-summed",
        "closed_partitions",
        "drop",
        "day-dropped",
        "closed_sessions",
        "drop_closed_sessions",
    ],
)
@pytest.mark.parametrize("dies", [True, False], ids=["dies", "sleeps"])
def test_two_who_close_the_same_days_count_them_once_wherever_one_of_them_dies_or_sleeps(
    processor: Processor,
    settings: ProcessorSettings,
    start_sleeper: StartSleeper,
    client: Client,
    stop: str,
    dies: bool,
) -> None:
    midnight = midnight_ms(settings.retention_days + 4)
    user = str(uuid4())
    log: dict[int, list[Entry]] = {
        0: [
            events(user, str(uuid4()), (midnight - MINUTE_MS, midnight - 1)),
            events(user, str(uuid4()), (midnight + DAY_MS - MINUTE_MS, midnight + DAY_MS)),
            events(user, str(uuid4()), (midnight + 2 * DAY_MS,)),
        ]
    }
    promises = Promises(client, log, settings.retention_days)
    processor.flush(*(message(entry, 0, offset, midnight) for offset, entry in enumerate(log[0])))
    other = start_sleeper()
    other.start(Owner.close_days)
    other.run_until(f"drop {moment_of(midnight - 1):%Y-%m-%d}" if stop == "drop" else stop)
    promises.expect_any_moment()
    if dies:
        other.end()
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    close_days(processor.sink, moment_of(now_ms + DAY_MS), settings.retention_days)
    promises.expect_the_end(now_ms + DAY_MS)
    if not dies:
        other.run_until(IDLE)
        promises.expect_the_end(now_ms + DAY_MS)
    assert lifetime(client) == (3, 2 * MINUTE_MS - 1, 5)


async def test_a_session_while_rome_sets_its_clocks_back_lasts_as_long_as_it_lasted(
    processor: Processor, settings: ProcessorSettings
) -> None:
    rome = ZoneInfo("Europe/Rome")
    before_midnight = datetime.fromisoformat("2026-10-24T23:58:00+02:00")
    written = ["2026-10-25T00:02:00+02:00", "2026-10-25T02:57:00+02:00", "2026-10-25T02:01:00+01:00"]
    clock = [before_midnight, *map(datetime.fromisoformat, written)]
    received = datetime(2026, 10, 25, 12, tzinfo=UTC)
    user = str(uuid4())
    rows = accepted(user, str(uuid4()), clock, received, received)
    second = accepted(user, str(uuid4()), clock[2:], received, received)
    value = encode_events([*rows, *second])
    processor.flush(Message(0, 1, message_key(user), value, headers("events")))
    days = DayRange(date(2026, 10, 24), date(2026, 10, 25), rome)
    begin, *_, end = days.bounds_ms
    reader = Reader(settings, timeout=10)
    bounds: dict[str, int | str] = {"first_user": user, "last_user": user, "from_ms": begin, "to_ms": end}
    slots = {
        integer(row, "slot"): Totals(sessions=integer(row, "sessions"), study_ms=integer(row, "study_ms"))
        for row in await reader.rows("stats_sessions", bounds)
    }
    await reader.close()
    found = [(day.sessions, day.study_ms // MINUTE_MS) for day in day_series(days, slots).values()]
    assert [later - earlier for earlier, later in pairwise(rows[index].occurred_at for index in (2, 3))] == [
        timedelta(minutes=4)
    ]
    # Four minutes over midnight and four over the change; the second session has the latter only.
    assert found == [(1, 8), (1, 4)]
