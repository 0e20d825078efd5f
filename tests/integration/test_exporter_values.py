"""What the exporter shows against plain Python over the same rows, on the real engine."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from schemas.events import ACTION_COLUMNS, FEATURES
from tests.exporter import (
    COUNT_COLUMNS,
    EventRow,
    Exporter,
    ManualClock,
    SessionRow,
    T,
    insert_erasure,
    insert_events,
    insert_sessions,
    insert_totals,
    running_exporter,
)
from tests.servers import ClickHouseAddress

OPERATOR_TOKEN = "the token of the operators"
MS = timedelta(milliseconds=1)
PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}


@pytest.fixture
def settings(clickhouse: ClickHouseAddress, database: str) -> ExporterSettings:
    settings = ExporterSettings(
        **clickhouse.settings(database),
        refresh_seconds=60,
        stale_seconds=600,
        operator_token=SecretStr(OPERATOR_TOKEN),
    )
    migrate(settings)
    return settings


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, settings: ExporterSettings) -> Iterator[Client]:
    """Writes rows that are not merged: what a reader sees may not depend on merges."""
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        for table in ("sessions_data", "recent_sessions_data", "events_data", "totals_data", "erasures_data"):
            client.command(f"SYSTEM STOP MERGES {database}.{table}")
        yield client


@pytest.fixture
async def exporter(settings: ExporterSettings) -> AsyncIterator[Exporter]:
    async with running_exporter(settings) as running:
        yield running


def newest(rows: Sequence[SessionRow]) -> list[SessionRow]:
    """The row of each session that folds most events."""
    best: dict[tuple[uuid.UUID, uuid.UUID, int], SessionRow] = {}
    for row in rows:
        key = (row.user, row.session, row.epoch)
        if key not in best or row.events > best[key].events:
            best[key] = row
    return list(best.values())


def oracle(rows: Sequence[SessionRow], at: datetime) -> dict[str, float]:
    """The samples of the five families, by the words of their definition."""
    sessions = newest(rows)
    expected: dict[str, float] = {}
    for period, length in PERIODS.items():
        active = {row.user for row in sessions if row.ended_at > at - length and row.started_at <= at}
        started = [row for row in sessions if at - length < row.started_at <= at]
        expected[f'convergio_users_active{{period="{period}"}}'] = len(active)
        expected[f'convergio_sessions_total{{period="{period}"}}'] = len(started)
        expected[f'convergio_study_minutes_total{{period="{period}"}}'] = sum(r.study_ms for r in started) / 60_000
    expected['convergio_sessions_total{period="all"}'] = len(sessions)
    expected['convergio_study_minutes_total{period="all"}'] = sum(row.study_ms for row in sessions) / 60_000
    for feature, action in FEATURES.items():
        column = ACTION_COLUMNS[action]
        expected[f'convergio_feature_usage_total{{feature="{feature}"}}'] = sum(
            row.counts.get(column, 0) for row in sessions
        )
    for maestro in {maestro for row in sessions for maestro in row.maestros}:
        expected[f'convergio_maestro_usage_total{{maestro="{maestro}"}}'] = sum(
            row.maestros.get(maestro, 0) for row in sessions
        )
    return expected


FIVE = ("convergio_users", "convergio_sessions", "convergio_study", "convergio_feature", "convergio_maestro")


async def shown(exporter: Exporter) -> dict[str, float]:
    return {series: value for series, value in (await exporter.samples()).items() if series.startswith(FIVE)}


def random_sessions(seed: int, count: int) -> list[SessionRow]:
    """Sessions around the edges of the periods, most of them grown in later rows, one insert after another."""
    chance = random.Random(seed)
    users = [uuid.UUID(int=chance.getrandbits(128)) for _ in range(count // 3 + 1)]
    rows = []
    for _ in range(count):
        edge = chance.choice([timedelta(0), *PERIODS.values(), timedelta(days=40)])
        start = T - edge + chance.choice([-MS, timedelta(0), MS, -chance.random() * timedelta(hours=30)])
        row = SessionRow(
            chance.choice(users),
            uuid.UUID(int=chance.getrandbits(128)),
            started_at=start.replace(microsecond=start.microsecond // 1000 * 1000),
            events=chance.randint(1, 5),
        )
        for _ in range(chance.randint(1, 3)):
            counts = {column: chance.randint(0, 3) for column in chance.sample(COUNT_COLUMNS, 5)}
            row = replace(
                row,
                last_event_at=row.ended_at + chance.randint(0, 3_600_000) * MS,
                started_at=row.started_at - chance.choice([0, 0, 0, 60_000]) * MS,
                study_ms=row.study_ms + chance.randint(0, 300_000),
                events=row.events + 1,
                counts=counts,
                maestros={name: chance.randint(1, 3) for name in chance.sample(["archimede", "euclide", "ipazia"], 2)},
            )
            rows.append(row)
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("number", range(3))
async def test_every_value_is_what_the_rows_say_however_they_are_spread_over_parts(
    exporter: Exporter, client: Client, seed: int, number: int
) -> None:
    rows = random_sessions(seed + number, 120)
    for start in range(0, len(rows), 40):
        insert_sessions(client, rows[start : start + 40])
    assert await shown(exporter) == pytest.approx(oracle(rows, T), rel=1e-12)


@pytest.mark.parametrize("period", PERIODS)
async def test_a_period_excludes_its_beginning_and_includes_its_end(
    exporter: Exporter, client: Client, period: str
) -> None:
    length = PERIODS[period]
    for start, inside in [(T - length, 0), (T - length + MS, 1), (T, 1), (T + MS, 0)]:
        for table in ("sessions_data", "recent_sessions_data"):
            client.command(f"TRUNCATE TABLE {table}")
        insert_sessions(client, [SessionRow(uuid.uuid4(), started_at=start, study_ms=60_000)])
        samples = await exporter.samples()
        for family in ("convergio_users_active", "convergio_sessions_total", "convergio_study_minutes_total"):
            assert samples[f'{family}{{period="{period}"}}'] == inside, (family, start)


async def test_a_session_that_comes_back_after_days_counts_by_its_newest_row(
    exporter: Exporter, client: Client
) -> None:
    old = SessionRow(uuid.uuid4(), started_at=T - timedelta(days=20), study_ms=60_000)
    insert_sessions(client, [old])
    grown = replace(old, last_event_at=T, study_ms=120_000, events=2)
    insert_sessions(client, [grown])
    samples = await shown(exporter)
    assert samples == oracle([old, grown], T)
    assert samples['convergio_users_active{period="1h"}'] == 1
    assert samples['convergio_sessions_total{period="7d"}'] == 0


async def test_a_row_written_late_by_a_previous_owner_changes_nothing(exporter: Exporter, client: Client) -> None:
    row = SessionRow(uuid.uuid4(), events=5, study_ms=120_000, counts={"flashcards": 4})
    insert_sessions(client, [row])
    insert_sessions(client, [replace(row, events=3, study_ms=60_000, counts={"flashcards": 2})])
    insert_sessions(client, [row])
    assert await shown(exporter) == oracle([row], T)


async def test_what_an_erasure_hides_counts_only_since_the_beginning(exporter: Exporter, client: Client) -> None:
    erased, kept = uuid.uuid4(), uuid.uuid4()
    old = SessionRow(erased, study_ms=60_000, events=4, counts={"flashcards": 3, "maestro_selections": 1})
    old = replace(old, maestros={"archimede": 1})
    new = SessionRow(erased, session=old.session, epoch=1, counts={"flashcards": 1})
    other = SessionRow(kept, study_ms=60_000, counts={"quizzes": 1})
    insert_sessions(client, [old, new, other])
    before = await shown(exporter)
    insert_totals(
        client,
        source="erasure",
        closed_day=date(1970, 1, 1),
        kafka_partition=0,
        kafka_offset=7,
        sessions=1,
        study_ms=60_000,
        events=4,
        flashcards=3,
        maestro_selections=1,
        maestros={"archimede": 1},
    )
    assert await shown(exporter) == before, "an erasure's sums count only once its rows are hidden"
    insert_erasure(client, erased, 0, 7)
    after = await shown(exporter)
    lasting = ('period="all"', "feature=", "maestro=")
    assert {series: value for series, value in after.items() if any(part in series for part in lasting)} == {
        series: value for series, value in before.items() if any(part in series for part in lasting)
    }
    rolling = oracle([new, other], T)
    for series in after:
        if not any(part in series for part in lasting):
            assert after[series] == rolling[series], series


async def test_closing_a_day_moves_its_sessions_to_the_totals_and_nothing_falls(
    exporter: Exporter, client: Client
) -> None:
    long_ago = T - timedelta(days=91)
    closing = SessionRow(uuid.uuid4(), started_at=long_ago, study_ms=600_000, counts={"mind_maps": 2})
    staying = SessionRow(uuid.uuid4(), study_ms=60_000)
    insert_sessions(client, [closing, staying])
    before = await shown(exporter)
    for _ in range(2):
        insert_totals(
            client, source="day", closed_day=long_ago.date(), sessions=1, study_ms=600_000, events=1, mind_maps=2
        )
        assert await shown(exporter) == before
    client.command("SYSTEM START MERGES sessions_data")
    client.command("DELETE FROM sessions_data WHERE toDate(last_event_at) <= {day:Date}", {"day": long_ago.date()})
    assert await shown(exporter) == before


async def test_the_exporter_and_the_view_rolling_windows_agree(settings: ExporterSettings, client: Client) -> None:
    moment = datetime.now(UTC)
    rows = [
        replace(row, started_at=row.started_at + (moment - T), last_event_at=row.ended_at + (moment - T))
        for row in random_sessions(9, 60)
        # The view's moment is a little later than this test's, so its edges are left out.
        if not any(
            abs(row.started_at - T + length) < timedelta(minutes=10) for length in (timedelta(0), *PERIODS.values())
        )
        and not any(
            abs(row.ended_at - T + length) < timedelta(minutes=10) for length in (timedelta(0), *PERIODS.values())
        )
    ]
    insert_sessions(client, rows)
    async with running_exporter(settings, ManualClock(moment)) as exporter:
        samples = await exporter.samples()
    names = {
        "users_active": "convergio_users_active",
        "sessions": "convergio_sessions_total",
        "study_minutes": "convergio_study_minutes_total",
    }
    view = client.query("SELECT metric, period, value FROM rolling_windows").result_rows
    assert len(view) == 11
    for metric, period, value in view:
        assert samples[f'{names[metric]}{{period="{period}"}}'] == pytest.approx(value), (metric, period)


async def test_events_are_counted_by_category_and_action(exporter: Exporter, client: Client) -> None:
    counts = {column: number for number, column in enumerate(COUNT_COLUMNS, start=1)}
    insert_sessions(client, [SessionRow(uuid.uuid4(), counts=counts), SessionRow(uuid.uuid4(), counts=counts)])
    samples = await exporter.samples()
    assert samples['convergio_events_total{action="page_view",category="navigation"}'] == 2
    assert samples['convergio_events_total{action="interaction_time",category="performance"}'] == 40
    assert sum(value for series, value in samples.items() if series.startswith("convergio_events_total")) == 420


async def test_maestros_beyond_the_limit_share_one_label(settings: ExporterSettings, client: Client) -> None:
    maestros = {'a "quoted"\\ one\n': 3, "b": 2, "c": 1, "d": 1}
    insert_sessions(client, [SessionRow(uuid.uuid4(), maestros=maestros)])
    async with running_exporter(settings.model_copy(update={"max_maestros": 2})) as exporter:
        samples = await exporter.samples()
    assert {series: value for series, value in samples.items() if "maestro=" in series} == {
        'convergio_maestro_usage_total{maestro="a \\"quoted\\"\\\\ one\\n"}': 3,
        'convergio_maestro_usage_total{maestro="b"}': 2,
        'convergio_maestro_usage_total{maestro="other"}': 2,
    }


def strangers(count: int) -> list[SessionRow]:
    """Sessions that name `count` maestros nobody knows, once each."""
    names = [f"stranger-{number:06}" for number in range(count)]
    return [
        SessionRow(uuid.uuid4(), maestros=dict.fromkeys(names[start : start + 200], 1))
        for start in range(0, count, 200)
    ]


def maestro_samples(samples: Mapping[str, float]) -> dict[str, float]:
    return {series.split('"')[1]: value for series, value in samples.items() if "maestro=" in series}


async def test_a_million_names_do_not_leave_clickhouse(settings: ExporterSettings, client: Client) -> None:
    insert_sessions(client, [SessionRow(uuid.uuid4(), maestros={"archimede": 3, "zenone": 1}), *strangers(20_000)])
    chosen = settings.model_copy(update={"max_maestros": 4, "maestros": ("ipazia", "zenone")})
    async with running_exporter(chosen) as exporter:
        first = maestro_samples(await exporter.samples())
        assert first == {"ipazia": 0, "zenone": 1, "archimede": 3, "stranger-000000": 1, "other": 19_999}
        reading = exporter.board.lifetime.reading
        assert reading is not None
        assert len(reading.value.maestros) <= 5

        insert_sessions(client, [SessionRow(uuid.uuid4(), maestros={"stranger-000001": 9, "ipazia": 1, "new": 50})])
        assert maestro_samples(await exporter.samples()) == {**first, "ipazia": 1, "other": 19_999 + 59}
        path = "/api/telemetry/stats"
        insert_events(client, [EventRow(uuid.uuid4(), "maestro_selected", T, label=f"m{n % 7}") for n in range(10)])
        answer = await exporter.get(path, Authorization=f"Bearer {OPERATOR_TOKEN}")
    assert answer.json()["maestros"] == [
        {"maestro": "m0", "count": 2},
        {"maestro": "m1", "count": 2},
        {"maestro": "m2", "count": 2},
        {"maestro": "m3", "count": 1},
        {"maestro": "other", "count": 3},
    ]


async def test_maestro_series_never_fall_while_names_come_and_days_close(
    settings: ExporterSettings, client: Client, seed: int
) -> None:
    chance = random.Random(seed)
    names = [f"m{number}" for number in range(8)]
    shown: dict[str, float] = {}
    total = 0
    async with running_exporter(settings.model_copy(update={"max_maestros": 3, "maestros": ("m7",)})) as exporter:
        for number in range(8):
            selected = {name: chance.randint(1, 9) for name in chance.sample([*names, "other"], 3)}
            total += sum(selected.values())
            if chance.random() < 0.5:
                insert_sessions(client, [SessionRow(uuid.uuid4(), maestros=selected)])
            else:
                day = date(2020, 1, 1 + number)
                insert_totals(client, source="day", closed_day=day, sessions=1, events=1, maestros=selected)
            before, shown = shown, maestro_samples(await exporter.samples())
            assert all(shown[name] >= count for name, count in before.items()), (before, shown)
            assert sum(shown.values()) == total
            assert len(shown) <= 4
            assert "m7" in shown


async def test_the_newest_event_is_shown_by_when_it_happened_and_when_it_came(
    exporter: Exporter, client: Client
) -> None:
    user = uuid.uuid4()
    insert_events(client, [EventRow(user, "page_view", T - timedelta(days=day)) for day in range(3)])
    samples = await exporter.samples()
    assert samples["convergio_newest_event_timestamp_seconds"] == T.timestamp()
    assert samples["convergio_newest_received_timestamp_seconds"] == T.timestamp() + 1


async def test_statistics_count_what_the_views_show(settings: ExporterSettings, client: Client) -> None:
    """Duplicates not yet merged count once; erased epochs and the neighbours' days do not count."""
    user = uuid.uuid4()
    event = EventRow(user, "message_sent", T, event=uuid.uuid4(), epoch=1)
    for _ in range(2):
        insert_events(client, [event])
    insert_events(client, [EventRow(user, "message_sent", T, epoch=0)])
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)
    insert_events(
        client,
        [
            EventRow(user, "page_view", moment, epoch=1)
            for moment in (
                midnight - MS,
                midnight,
                midnight + 23 * timedelta(hours=1) - MS,
                midnight + timedelta(hours=23),
            )
        ],
    )
    insert_erasure(client, user, 0, 3)
    async with running_exporter(settings) as exporter:
        path = "/api/telemetry/stats?tz=Europe/Rome&range="
        mine = {"Cookie": f"convergio_uid={user}"}
        today = (await exporter.get(path + "today", **mine)).json()
        changing = (await exporter.get(path + "2026-03-29/2026-03-29", **mine)).json()
    assert today["totals"] == {"sessions": 0, "studyMinutes": 0, "questions": 1, "pageViews": 0}
    assert changing["totals"] == {"sessions": 0, "studyMinutes": 0, "questions": 0, "pageViews": 2}
