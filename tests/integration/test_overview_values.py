"""What the overview shows against plain Python over the same rows, on the real engine."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from schemas.events import FEATURES
from tests.exporter import (
    EventRow,
    Exporter,
    ManualClock,
    SessionRow,
    insert_erasure,
    insert_events,
    insert_sessions,
    insert_totals,
    running_exporter,
)
from tests.servers import ClickHouseAddress

MS = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# Not far from ClickHouse's clock, which decides what a recent session is; late enough for both days to have a morning.
T = datetime.now(UTC).replace(hour=14, minute=20, second=7, microsecond=250_000)
TODAY = datetime(T.year, T.month, T.day, tzinfo=UTC)
YESTERDAY, UNTIL = TODAY - DAY, T - DAY


@pytest.fixture
def settings(clickhouse: ClickHouseAddress, database: str) -> ExporterSettings:
    settings = ExporterSettings(
        **clickhouse.settings(database),
        refresh_seconds=60,
        stale_seconds=600,
        overview="open",
        rate_limit_enabled=False,
    )
    migrate(settings)
    return settings


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, settings: ExporterSettings) -> Iterator[Client]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        yield client


async def look(exporter: Exporter) -> dict[str, Any]:
    """The numbers, read after this call began."""
    # The first may join a reading that began before.
    await exporter.board.refresh()
    await exporter.board.refresh()
    answer = await exporter.get("/api/overview")
    assert answer.status == 200, answer.text
    return answer.json()


async def numbers(settings: ExporterSettings, moment: datetime = T) -> dict[str, Any]:
    async with running_exporter(settings, ManualClock(moment)) as exporter:
        return await look(exporter)


def by(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    return {row[name]: (row["today"], row["yesterday"]) for row in rows}


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        (YESTERDAY - MS, (0, 0)),
        (YESTERDAY, (0, 1)),
        (UNTIL, (0, 1)),
        (UNTIL + MS, (0, 0)),
        (TODAY - MS, (0, 0)),
        (TODAY, (1, 0)),
        (T, (1, 0)),
        (T + MS, (0, 0)),
    ],
)
async def test_yesterday_counts_until_the_same_time_of_day_to_the_millisecond(
    settings: ExporterSettings, client: Client, moment: datetime, counts: tuple[int, int]
) -> None:
    user = uuid.uuid4()
    insert_events(
        client,
        [EventRow(user, "quiz_complete", moment), EventRow(user, "maestro_selected", moment, label="euclide")],
    )
    insert_sessions(client, [SessionRow(user, started_at=moment, study_ms=60_000)])
    shown = await numbers(settings)
    assert by("feature", shown["features"])["quizzes"] == counts
    assert by("maestro", shown["maestros"]).get("euclide", (0, 0)) == counts
    assert (shown["studyTime"]["today"], shown["studyTime"]["yesterday"]) == counts


def random_events(chance: random.Random, count: int) -> list[EventRow]:
    users = [uuid.UUID(int=chance.getrandbits(128)) for _ in range(count // 8 + 1)]
    edges = [TODAY, YESTERDAY, UNTIL, T, T - timedelta(hours=1), T - timedelta(hours=25), T - 2 * DAY]
    rows = []
    for _ in range(count):
        moment = chance.choice(edges) + chance.choice([-MS, 0 * MS, MS, chance.randint(-36 * 10**5, 36 * 10**5) * MS])
        action = chance.choice(["flashcard_review", "quiz_complete", "mind_map_view", "maestro_selected", "page_view"])
        label = chance.choice("abcdefgh") if action == "maestro_selected" else ""
        rows.append(EventRow(chance.choice(users), action, moment.replace(microsecond=moment.microsecond), label))
    return rows


@pytest.mark.parametrize("number", range(3))
async def test_every_number_is_what_the_events_say(
    settings: ExporterSettings, client: Client, seed: int, number: int
) -> None:
    rows = random_events(random.Random(seed + number), 400)
    for start in range(0, len(rows), 100):
        insert_events(client, rows[start : start + 100])
    shown = await numbers(settings)

    today = [row for row in rows if TODAY <= row.occurred_at <= T]
    yesterday = [row for row in rows if YESTERDAY <= row.occurred_at <= UNTIL]
    for feature, action in FEATURES.items():
        expected = tuple(sum(row.action == action for row in part) for part in (today, yesterday))
        assert by("feature", shown["features"])[feature] == expected
    first, second = (Counter(row.label for row in part if row.label) for part in (today, yesterday))
    ranked = sorted(first.keys() | second.keys(), key=lambda label: (-first[label], -second[label], label))
    assert by("maestro", shown["maestros"]) == {label: (first[label], second[label]) for label in ranked[:5]}
    assert [row["maestro"] for row in shown["maestros"]] == ranked[:5]
    before = {row["period"]: row["dayBefore"] for row in shown["activeUsers"]}
    for period, length in (("1h", timedelta(hours=1)), ("24h", DAY)):
        assert before[period] == len({row.user for row in rows if UNTIL - length < row.occurred_at <= UNTIL}), period


async def test_the_week_has_every_day_and_todays_study_time_grows(settings: ExporterSettings, client: Client) -> None:
    user = uuid.uuid4()
    starts = [T - 7 * DAY, TODAY - 6 * DAY, TODAY - 3 * DAY, TODAY - 3 * DAY + MINUTE, T]
    sessions = [SessionRow(user, started_at=start, study_ms=60_000 * (at + 1)) for at, start in enumerate(starts)]
    insert_sessions(client, sessions)
    clock = ManualClock(T)
    async with running_exporter(settings, clock) as exporter:
        days = (await look(exporter))["studyTime"]["days"]
        first = TODAY.date()
        assert [day["date"] for day in days] == [str(first - timedelta(days=back)) for back in range(6, -1, -1)]
        assert [day["studyMinutes"] for day in days] == [2, 0, 0, 7, 0, 0, 5]
        assert [day["sessions"] for day in days] == [1, 0, 0, 2, 0, 0, 1]

        grown = SessionRow(
            user, sessions[-1].session, started_at=T, last_event_at=T + MINUTE, study_ms=360_000, events=2
        )
        insert_sessions(client, [grown])
        clock.advance(60)
        assert (await look(exporter))["studyTime"]["today"] == 6


async def test_days_begin_in_the_time_zone_of_the_setting(settings: ExporterSettings, client: Client) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    midnight = T.astimezone(tokyo).replace(hour=0, minute=0, second=0, microsecond=0)
    user = uuid.uuid4()
    insert_events(
        client,
        [
            EventRow(user, "mind_map_view", midnight.astimezone(UTC)),
            *(EventRow(user, "mind_map_view", (midnight - MS).astimezone(UTC)) for _ in range(2)),
            *(EventRow(user, "mind_map_view", (midnight - DAY).astimezone(UTC)) for _ in range(4)),
            *(EventRow(user, "mind_map_view", (midnight - DAY - MS).astimezone(UTC)) for _ in range(8)),
        ],
    )
    shown = await numbers(settings.model_copy(update={"overview_time_zone": "Asia/Tokyo"}))
    assert by("feature", shown["features"])["mind_maps"] == (1, 4)
    assert (shown["timeZone"], shown["today"]) == ("Asia/Tokyo", str(midnight.date()))


async def test_an_erased_user_is_in_no_number_and_waits_for_the_sweep(
    settings: ExporterSettings, client: Client
) -> None:
    erased, kept = uuid.uuid4(), uuid.uuid4()
    for user in (erased, kept):
        insert_events(client, [EventRow(user, "flashcard_review", T), EventRow(user, "flashcard_review", UNTIL)])
        insert_sessions(client, [SessionRow(user, started_at=T, study_ms=60_000)])
    insert_erasure(client, erased, 0, 7)
    shown = await numbers(settings)
    assert by("feature", shown["features"])["flashcards"] == (1, 1)
    assert shown["studyTime"]["today"] == 1
    assert [row["dayBefore"] for row in shown["activeUsers"]] == [1, 1, None]
    assert shown["health"]["erasures"]["unswept"] == 1
    age = datetime.now(UTC) - datetime.fromisoformat(shown["health"]["erasures"]["oldestAt"])
    assert age < timedelta(minutes=5)
    client.command(
        "INSERT INTO erasures_data "
        "SELECT * REPLACE ('swept' AS state, erased_at + INTERVAL 1 SECOND AS erased_at) FROM erasures_data"
    )
    assert (await numbers(settings))["health"]["erasures"] == {"unswept": 0, "oldestAt": None}


async def test_nothing_stored_is_zeros_and_no_newest_event(settings: ExporterSettings) -> None:
    shown = await numbers(settings)
    assert shown["sinceBeginning"] == {"events": 0, "sessions": 0, "studyMinutes": 0}
    assert shown["maestros"] == []
    assert shown["health"]["newestEvent"] is None
    assert shown["health"]["closedDay"] is None


async def test_the_last_closed_day_is_shown(settings: ExporterSettings, client: Client) -> None:
    insert_totals(client, source="day", closed_day=date(2026, 1, 2), sessions=3, study_ms=60_000, events=4)
    shown = await numbers(settings)
    assert shown["health"]["closedDay"] == "2026-01-02"
    assert shown["sinceBeginning"]["sessions"] == 3


async def test_whoever_looks_shares_one_reading_until_the_next_is_due(
    settings: ExporterSettings, client: Client
) -> None:
    clock = ManualClock(T)
    user = uuid.uuid4()
    async with running_exporter(settings, clock) as exporter:
        assert by("feature", (await look(exporter))["features"])["quizzes"] == (0, 0)
        insert_events(client, [EventRow(user, "quiz_complete", T)])
        clock.advance(settings.refresh_seconds - 1)
        assert by("feature", (await look(exporter))["features"])["quizzes"] == (0, 0)
        clock.advance(1)
        assert by("feature", (await look(exporter))["features"])["quizzes"] == (1, 0)


async def test_what_clickhouse_no_longer_answers_is_shown_as_stale(
    settings: ExporterSettings, clickhouse: ClickHouseAddress, database: str
) -> None:
    chosen = settings.model_copy(update={"refresh_seconds": 2.0, "stale_seconds": 30.0})
    clock = ManualClock(T)
    async with running_exporter(chosen, clock) as exporter:
        fresh = await look(exporter)
        assert (fresh["stale"], fresh["health"]["clickhouse"]["readable"]) == (False, True)
        with clickhouse_connect.get_client(**clickhouse.client_options) as client:
            client.command(f"RENAME DATABASE {database} TO {database}_away")
            try:
                clock.advance(20)
                failing = await look(exporter)
                clock.advance(20)
                stale = await look(exporter)
            finally:
                client.command(f"RENAME DATABASE {database}_away TO {database}")
        assert (failing["stale"], failing["health"]["clickhouse"]["readable"]) == (False, False)
        assert failing["health"]["clickhouse"]["failures"] > 0
        assert (stale["stale"], stale["readAt"]) == (True, fresh["readAt"])
        assert stale["features"] == fresh["features"]
        assert (await exporter.get("/metrics")).status == 503
        again = await look(exporter)
        clock.advance(2)
        again = await look(exporter)
        assert (again["stale"], again["health"]["clickhouse"]["readable"]) == (False, True)
