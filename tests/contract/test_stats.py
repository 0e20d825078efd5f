"""`GET /api/telemetry/stats`: who may ask, what may be asked, and what the answer looks like."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import clickhouse_connect
import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from exporter import ExporterSettings, create_stats_app
from infra.clickhouse.migrate import migrate
from tests.exporter import (
    EventRow,
    Exporter,
    ManualClock,
    SessionRow,
    insert_events,
    insert_sessions,
    running_exporter,
)
from tests.servers import ClickHouseAddress

STATS = "/api/telemetry/stats"
TOKEN = "the token of the operators"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
ANNA, BRUNO = uuid.uuid4(), uuid.uuid4()
T = datetime(2026, 5, 4, 12, tzinfo=UTC)
YESTERDAY = T - timedelta(days=1)


def cookie(user: uuid.UUID) -> dict[str, str]:
    return {"Cookie": f"convergio_uid={user}"}


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """One database for the module: these tests only look at it."""
    with clickhouse.own_database() as name:
        yield name


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseAddress, database: str) -> ExporterSettings:
    settings = ExporterSettings(
        **clickhouse.settings(database),
        operator_token=SecretStr(TOKEN),
    )
    migrate(settings)
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        insert_sessions(
            client,
            [
                SessionRow(ANNA, started_at=T - timedelta(hours=1), study_ms=45 * 60_000),
                SessionRow(ANNA, started_at=YESTERDAY, study_ms=30 * 60_000),
                SessionRow(BRUNO, started_at=T - timedelta(hours=2), study_ms=15 * 60_000),
            ],
        )
        insert_events(
            client,
            [
                EventRow(ANNA, "message_sent", T),
                EventRow(ANNA, "page_view", T),
                EventRow(ANNA, "page_view", T),
                EventRow(ANNA, "flashcard_review", T),
                EventRow(ANNA, "maestro_selected", T, label="archimede"),
                EventRow(ANNA, "maestro_selected", T, label="euclide"),
                EventRow(ANNA, "maestro_selected", T, label="archimede"),
                EventRow(ANNA, "quiz_complete", YESTERDAY),
                EventRow(BRUNO, "mind_map_view", T),
                EventRow(BRUNO, "maestro_selected", T, label="ipazia"),
            ],
        )
    return settings


@pytest.fixture(scope="module")
async def exporter(settings: ExporterSettings) -> AsyncIterator[Exporter]:
    async with running_exporter(settings, ManualClock(T)) as running:
        yield running


async def test_a_user_gets_totals_days_features_maestros_and_score(exporter: Exporter) -> None:
    answer = await exporter.get(f"{STATS}?range=2026-05-02/2026-05-04", **cookie(ANNA))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    zeros = {"studyMinutes": 0, "questions": 0, "pageViews": 0, "flashcards": 0, "quizzes": 0, "mindMaps": 0}
    assert answer.json() == {
        "scope": "me",
        "range": {"from": "2026-05-02", "to": "2026-05-04", "days": 3, "timeZone": "UTC"},
        "generatedAt": "2026-05-04T12:00:00Z",
        "totals": {"sessions": 2, "studyMinutes": 75, "questions": 1, "pageViews": 2},
        "days": [
            {**zeros, "date": "2026-05-02", "sessions": 0},
            {**zeros, "date": "2026-05-03", "sessions": 1, "studyMinutes": 30, "quizzes": 1},
            {
                "date": "2026-05-04",
                "sessions": 1,
                "studyMinutes": 45,
                "questions": 1,
                "pageViews": 2,
                "flashcards": 1,
                "quizzes": 0,
                "mindMaps": 0,
            },
        ],
        "features": [
            {"feature": "flashcards", "count": 1},
            {"feature": "quizzes", "count": 1},
            {"feature": "mind_maps", "count": 0},
        ],
        "maestros": [{"maestro": "archimede", "count": 2}, {"maestro": "euclide", "count": 1}],
        "score": {
            # 25·2/5 + 35·75/150 + 25·2/40 + 15·4/5 = 40.75
            "score": 41,
            "days": 7,
            "users": 1,
            "components": [
                {"name": "active_days", "value": 2, "target": 5, "weight": 25, "points": 10},
                {"name": "study_minutes", "value": 75, "target": 150, "weight": 35, "points": 17.5},
                {"name": "learning_actions", "value": 2, "target": 40, "weight": 25, "points": 1.25},
                {"name": "distinct_features", "value": 4, "target": 5, "weight": 15, "points": 12},
            ],
        },
        "previous": None,
    }


async def test_a_user_sees_only_their_own_and_the_operator_sees_all(exporter: Exporter) -> None:
    bruno = (await exporter.get(f"{STATS}?range=today", **cookie(BRUNO))).json()
    assert bruno["totals"] == {"sessions": 1, "studyMinutes": 15, "questions": 0, "pageViews": 0}
    assert bruno["maestros"] == [{"maestro": "ipazia", "count": 1}]
    everybody = (await exporter.get(f"{STATS}?range=today", **OPERATOR)).json()
    assert everybody["scope"] == "all"
    assert everybody["totals"] == {"sessions": 2, "studyMinutes": 60, "questions": 1, "pageViews": 2}
    nobody = (await exporter.get(f"{STATS}?range=today", **cookie(uuid.uuid4()))).json()
    assert nobody["totals"] == {"sessions": 0, "studyMinutes": 0, "questions": 0, "pageViews": 0}


async def test_the_score_of_everybody_is_that_of_the_mean_user(exporter: Exporter) -> None:
    score = (await exporter.get(f"{STATS}?range=today", **OPERATOR)).json()["score"]
    assert isinstance(score, dict)
    assert score["users"] == 2
    assert [part["value"] for part in score["components"]] == [1.5, 45, 1.5, 3]


async def test_an_operator_token_wins_over_a_cookie(exporter: Exporter) -> None:
    answer = await exporter.get(STATS, **OPERATOR, **cookie(ANNA))
    assert answer.json()["scope"] == "all"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Cookie": "convergio_uid="}, 401),
        ({"Cookie": "convergio_uid=anna"}, 401),
        ({"Cookie": f"convergio_uid={{{ANNA}}}"}, 401),
        ({"Cookie": f"convergio_uid={ANNA.hex}"}, 401),
        ({"Cookie": f"convergio_uid={ANNA}' OR '1'='1"}, 401),
        ({"Cookie": f"other={ANNA}"}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
        ({"Authorization": "Bearer guessed"}, 403),
        ({"Authorization": "Bearer "}, 403),
        ({"Authorization": "Bearer guessed", "Cookie": "convergio_uid=anna"}, 403),
        ({"Authorization": "Basic \u00e9"}, 401),
    ],
)
async def test_who_is_neither_user_nor_operator_gets_a_problem(
    exporter: Exporter, headers: dict[str, str], status: int
) -> None:
    answer = await exporter.get(STATS, **headers)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert "Set-Cookie" not in answer.headers


async def test_without_an_operator_token_configured_no_token_is_right(settings: ExporterSettings) -> None:
    closed = settings.model_copy(update={"operator_token": None})
    async with running_exporter(closed, ManualClock(T)) as exporter:
        assert (await exporter.get(STATS, Authorization="Bearer ")).status == 403
        assert (await exporter.get(STATS, Authorization="Bearer None")).status == 403


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("userId=" + str(BRUNO), "userId"),
        ("user=" + str(BRUNO), "user"),
        ("range=8d", "range is today, 7d, 30d or two dates"),
        ("range=2026-05-04/2026-05-02", "ends before it begins"),
        ("range=1900-01-01/2026-05-02", "lies outside of"),
        ("range=2024-01-01/2026-01-01", "longer than 366 days"),
        ("tz=Rome", "not an IANA time zone"),
        ("tz=../../etc/passwd", "not an IANA time zone"),
        ("compare=everything", "compare: "),
        ("format=xml", "format: "),
    ],
)
async def test_a_wrong_question_is_a_400_that_says_what_is_wrong(exporter: Exporter, query: str, says: str) -> None:
    answer = await exporter.get(f"{STATS}?{query}", **cookie(ANNA))
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert says in str(answer.json()["detail"])


async def test_comparing_adds_the_preceding_range_and_the_changes(exporter: Exporter) -> None:
    answer = await exporter.get(f"{STATS}?range=today&compare=previous", **cookie(ANNA))
    assert answer.json()["previous"] == {
        "range": {"from": "2026-05-03", "to": "2026-05-03", "days": 1, "timeZone": "UTC"},
        "totals": {"sessions": 1, "studyMinutes": 30, "questions": 0, "pageViews": 0},
        "changes": {
            "sessions": {"absolute": 0, "percent": 0},
            "studyMinutes": {"absolute": 15, "percent": 50},
            "questions": {"absolute": 1, "percent": None},
            "pageViews": {"absolute": 2, "percent": None},
        },
    }


@pytest.mark.parametrize(
    ("query", "accept", "is_csv"),
    [
        ("", "", False),
        ("", "text/csv", True),
        ("", "text/html,*/*", False),
        ("", "application/json;q=0.5,text/csv", True),
        ("&format=csv", "application/json", True),
        ("&format=json", "text/csv", False),
    ],
)
async def test_the_days_come_as_csv_to_who_asks_for_it(
    exporter: Exporter, query: str, accept: str, is_csv: bool
) -> None:
    answer = await exporter.get(f"{STATS}?range=2026-05-03/2026-05-04{query}", Accept=accept, **cookie(ANNA))
    assert (answer.headers["Content-Type"] == "text/csv; charset=utf-8") == is_csv
    assert answer.headers["Cache-Control"] == "private, no-store"
    if is_csv:
        assert next(csv.DictReader(io.StringIO(answer.text))) == {
            "date": "2026-05-03",
            "sessions": "1",
            "study_minutes": "30.0",
            "questions": "0",
            "page_views": "0",
            "flashcards": "0",
            "quizzes": "1",
            "mind_maps": "0",
        }


@pytest.mark.parametrize("headers", [cookie(ANNA), {}, OPERATOR])
async def test_no_answer_may_be_kept_by_a_cache(exporter: Exporter, headers: dict[str, str]) -> None:
    assert (await exporter.get(STATS, **headers)).headers["Cache-Control"] == "private, no-store"


async def test_days_are_those_of_the_asked_time_zone(settings: ExporterSettings) -> None:
    late = ManualClock(datetime(2026, 5, 4, 22, 30, tzinfo=UTC))
    async with running_exporter(settings, late) as exporter:
        rome = (await exporter.get(f"{STATS}?range=today&tz=Europe/Rome", **cookie(ANNA))).json()
        assert rome["range"] == {"from": "2026-05-05", "to": "2026-05-05", "days": 1, "timeZone": "Europe/Rome"}
        utc = (await exporter.get(f"{STATS}?range=today", **cookie(ANNA))).json()
        assert utc["range"] == {"from": "2026-05-04", "to": "2026-05-04", "days": 1, "timeZone": "UTC"}


async def test_while_clickhouse_is_away_the_answer_says_to_come_back(settings: ExporterSettings) -> None:
    away = settings.model_copy(update={"clickhouse_port": 9})
    async with running_exporter(away) as exporter:
        answer = await exporter.get(STATS, **cookie(ANNA))
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_too_many_requests_of_one_user_are_refused_until_there_are_tokens_again(
    settings: ExporterSettings,
) -> None:
    few = settings.model_copy(update={"stats_user_requests_per_second": 0.001, "stats_user_requests_burst": 2})
    async with running_exporter(few, ManualClock(T)) as exporter:
        assert [(await exporter.get(STATS, **cookie(ANNA))).status for _ in range(3)] == [200, 200, 429]
        answer = await exporter.get(STATS, **cookie(ANNA))
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.json()["type"] == "urn:convergio:problem:rate-limited"
        assert answer.json()["detail"] == f"This user asked too often; ask again in {answer.headers['Retry-After']} s."
        assert (await exporter.get(STATS, **cookie(BRUNO))).status == 200
        assert (await exporter.get(STATS, **OPERATOR)).status == 200
        assert (await exporter.samples())['convergio_exporter_stats_refused_total{reason="user"}'] == 2


async def test_too_many_requests_of_one_address_are_refused_whoever_they_say_they_are(
    settings: ExporterSettings,
) -> None:
    few = settings.model_copy(update={"stats_address_requests_per_second": 0.001, "stats_address_requests_burst": 3})
    async with running_exporter(few, ManualClock(T)) as exporter:
        for headers, status in [
            (cookie(ANNA), 200),
            ({}, 401),
            ({"Authorization": "Bearer guessed"}, 403),
            (cookie(BRUNO), 429),
            ({}, 429),
            ({"Authorization": "Bearer guessed"}, 429),
            ({"X_Forwarded_For": "192.0.2.1", **cookie(BRUNO)}, 429),
            (OPERATOR, 200),
        ]:
            assert (await exporter.get(STATS, **headers)).status == status, headers
        assert (await exporter.samples())['convergio_exporter_stats_refused_total{reason="address"}'] == 4


async def test_behind_a_trusted_proxy_the_address_is_the_clients(settings: ExporterSettings) -> None:
    few = settings.model_copy(
        update={
            "stats_address_requests_per_second": 0.001,
            "stats_address_requests_burst": 1,
            "trusted_proxies": ("127.0.0.0/8",),
        }
    )
    async with running_exporter(few, ManualClock(T)) as exporter:
        statuses = [
            (await exporter.get(STATS, X_Forwarded_For=address, **cookie(ANNA))).status
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "made up, 192.0.2.2")
        ]
    assert statuses == [200, 429, 200, 429]


async def test_without_rate_limits_only_slots_bound_the_requests(settings: ExporterSettings) -> None:
    free = settings.model_copy(
        update={"rate_limit_enabled": False, "stats_user_requests_burst": 1, "stats_address_requests_burst": 1}
    )
    async with running_exporter(free, ManualClock(T)) as exporter:
        assert [(await exporter.get(STATS, **cookie(ANNA))).status for _ in range(3)] == [200] * 3


async def test_a_page_of_an_allowed_origin_can_read_why_it_is_refused(settings: ExporterSettings) -> None:
    app = "https://app.example.org"
    chosen = settings.model_copy(
        update={
            "allowed_origins": (app,),
            "stats_user_requests_per_second": 0.001,
            "stats_user_requests_burst": 1,
        }
    )
    async with running_exporter(chosen, app=create_stats_app(chosen)) as exporter:
        await exporter.get(STATS, Origin=app, **cookie(ANNA))
        answer = await exporter.get(STATS, Origin=app, **cookie(ANNA))
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (429, app)
        assert "retry-after" in answer.headers["Access-Control-Expose-Headers"].lower()


async def test_the_openapi_document_describes_the_answers(exporter: Exporter) -> None:
    document = (await exporter.get("/openapi.json")).json()
    answer = (await exporter.get(f"{STATS}?compare=previous", **cookie(ANNA))).json()
    schema = {"$ref": "#/components/schemas/StatsModel", **document}
    Draft202012Validator(schema).validate(answer)
    paths = document["paths"]
    assert isinstance(paths, dict)
    described = paths[STATS]["get"]
    assert {"200", "400", "401", "403", "429", "503"} <= set(described["responses"])
    assert {parameter["name"] for parameter in described["parameters"]} == {"range", "tz", "compare", "format"}


async def test_the_statistics_can_be_served_alone(settings: ExporterSettings) -> None:
    clock = ManualClock(T)
    async with running_exporter(settings, clock, create_stats_app(settings, clock=clock)) as exporter:
        assert (await exporter.get(f"{STATS}?range=today", **cookie(ANNA))).status == 200
        assert (await exporter.get(f"{STATS}?range=never", **cookie(ANNA))).status == 400
        assert (await exporter.get("/metrics")).status == 404


async def test_pages_of_allowed_origins_may_read_statistics_and_no_others(settings: ExporterSettings) -> None:
    app = "https://app.example.org"
    chosen = settings.model_copy(update={"allowed_origins": (app,)})
    async with running_exporter(chosen, ManualClock(T)) as exporter:
        allowed = await exporter.get(STATS, Origin=app, **cookie(ANNA))
        assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, app)
        assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Origin" in allowed.headers["Vary"]
        unknown = await exporter.get(STATS, Origin=app)
        assert (unknown.status, unknown.headers["Access-Control-Allow-Origin"]) == (401, app)
        stranger = await exporter.get(STATS, Origin="https://elsewhere.example.org", **cookie(ANNA))
        assert "Access-Control-Allow-Origin" not in stranger.headers
        assert "Access-Control-Allow-Origin" not in (await exporter.get("/healthz", Origin=app)).headers


async def test_the_statistics_beside_a_gateway_answer_allowed_origins_too(settings: ExporterSettings) -> None:
    app = "https://app.example.org"
    chosen = settings.model_copy(update={"allowed_origins": (app,)})
    async with running_exporter(chosen, app=create_stats_app(chosen)) as exporter:
        answer = await exporter.get(STATS, Origin=app, **cookie(ANNA))
        assert answer.headers["Access-Control-Allow-Origin"] == app


async def test_without_allowed_origins_no_page_of_another_origin_may_read(exporter: Exporter) -> None:
    answer = await exporter.get(STATS, Origin="https://app.example.org", **cookie(ANNA))
    assert "Access-Control-Allow-Origin" not in answer.headers
