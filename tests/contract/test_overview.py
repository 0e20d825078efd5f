"""The overview: who sees its numbers, what they look like, and that the page itself is files alone."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import clickhouse_connect
import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from infra.errors import WrongUse
from infra.settings import load
from tests.exporter import (
    EventRow,
    Exporter,
    ManualClock,
    SessionRow,
    insert_events,
    insert_sessions,
    running_exporter,
)
from tests.raw_http import exchange, statuses
from tests.servers import ClickHouseAddress

OVERVIEW = "/api/overview"
TOKEN = "the token of the operators"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
PROBLEM = "application/problem+json"
T = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
"""Noon of this day: recent sessions are chosen by ClickHouse's clock."""
ANNA, BRUNO = uuid.uuid4(), uuid.uuid4()


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """One database for the module: these tests only look at it."""
    with clickhouse.own_database() as name:
        yield name


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseAddress, database: str) -> ExporterSettings:
    settings = ExporterSettings(**clickhouse.settings(database), operator_token=SecretStr(TOKEN))
    migrate(settings)
    yesterday = T - timedelta(days=1)
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        insert_sessions(
            client,
            [
                SessionRow(ANNA, started_at=T - timedelta(minutes=30), study_ms=20 * 60_000, counts={"page_views": 2}),
                SessionRow(BRUNO, started_at=yesterday - timedelta(hours=1), study_ms=15 * 60_000),
            ],
        )
        insert_events(
            client,
            [
                EventRow(ANNA, "flashcard_review", T - timedelta(minutes=10)),
                EventRow(ANNA, "maestro_selected", T - timedelta(minutes=30), label="archimede"),
                EventRow(BRUNO, "quiz_complete", yesterday - timedelta(hours=1)),
            ],
        )
    return settings


@pytest.fixture(scope="module")
async def exporter(settings: ExporterSettings) -> AsyncIterator[Exporter]:
    async with running_exporter(settings, ManualClock(T)) as running:
        await running.board.refresh()
        yield running


def instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def test_the_numbers_have_this_shape(exporter: Exporter) -> None:
    answer = await exporter.get(OVERVIEW, **OPERATOR)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "private, no-store"
    found = answer.json()
    health = found.pop("health")
    today = T.date()
    days = [{"date": str(today - timedelta(days=back)), "sessions": 0, "studyMinutes": 0} for back in range(6, -1, -1)]
    days[-1] |= {"sessions": 1, "studyMinutes": 20}
    days[-2] |= {"sessions": 1, "studyMinutes": 15}
    assert found == {
        "generatedAt": instant(T),
        "readAt": instant(T),
        "stale": False,
        "timeZone": "UTC",
        "today": str(today),
        "until": instant(T),
        "yesterdayUntil": instant(T - timedelta(days=1)),
        "activeUsers": [
            {"period": "1h", "users": 1, "dayBefore": 0},
            {"period": "24h", "users": 1, "dayBefore": 1},
            {"period": "7d", "users": 2, "dayBefore": None},
        ],
        "studyTime": {"today": 20, "yesterday": 15, "days": days},
        "features": [
            {"feature": "flashcards", "today": 1, "yesterday": 0},
            {"feature": "quizzes", "today": 0, "yesterday": 1},
            {"feature": "mind_maps", "today": 0, "yesterday": 0},
        ],
        "maestros": [{"maestro": "archimede", "today": 1, "yesterday": 0}],
        "sinceBeginning": {"events": 3, "sessions": 2, "studyMinutes": 35},
    }
    assert isinstance(health, dict)
    assert health.pop("version")
    assert health == {
        "clickhouse": {"readable": True, "readAt": instant(T), "seconds": 0, "failures": 0},
        "newestEvent": {
            "occurredAt": instant(T - timedelta(minutes=10)),
            "receivedAt": instant(T - timedelta(minutes=10) + timedelta(seconds=1)),
        },
        "erasures": {"unswept": 0, "oldestAt": None},
        "closedDay": None,
    }


async def test_the_openapi_document_describes_the_answer(exporter: Exporter) -> None:
    document = (await exporter.get("/openapi.json")).json()
    answer = (await exporter.get(OVERVIEW, **OPERATOR)).json()
    Draft202012Validator({"$ref": "#/components/schemas/OverviewModel", **document}).validate(answer)
    paths = document["paths"]
    assert isinstance(paths, dict)
    assert {"200", "401", "403", "429", "503"} <= set(paths[OVERVIEW]["get"]["responses"])
    assert "/" not in paths


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "token-missing"),
        ({"Cookie": f"convergio_uid={ANNA}"}, 401, "token-missing"),
        ({"Authorization": "Basic YTpi"}, 401, "token-missing"),
        ({"Authorization": "Bearer guessed"}, 403, "token-wrong"),
        ({"Authorization": "Bearer "}, 403, "token-wrong"),
    ],
)
async def test_without_the_operator_token_there_are_no_numbers(
    exporter: Exporter, headers: dict[str, str], status: int, kind: str
) -> None:
    answer = await exporter.get(OVERVIEW, **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, PROBLEM)
    assert answer.json()["type"] == f"urn:convergio:problem:{kind}"
    # No scheme that makes a browser ask by itself: the page has a form of its own.
    assert answer.headers.get("WWW-Authenticate", "Bearer").startswith("Bearer")


async def test_where_no_operator_token_is_configured_the_answer_says_what_to_do(settings: ExporterSettings) -> None:
    closed = settings.model_copy(update={"operator_token": None})
    async with running_exporter(closed, ManualClock(T)) as exporter:
        for headers in ({}, {"Authorization": "Bearer None"}):
            answer = await exporter.get(OVERVIEW, **headers)
            assert (answer.status, answer.json()["type"]) == (403, "urn:convergio:problem:operators-disabled")
            assert "CONVERGIO_OPERATOR_TOKEN" in str(answer.json()["detail"])


async def test_open_it_is_for_everyone(settings: ExporterSettings) -> None:
    is_open = settings.model_copy(update={"overview": "open", "operator_token": None})
    async with running_exporter(is_open, ManualClock(T)) as exporter:
        await exporter.board.refresh()
        for headers in ({}, OPERATOR):
            assert (await exporter.get(OVERVIEW, **headers)).status == 200
        assert (await exporter.get("/api/telemetry/stats", **OPERATOR)).status == 403


async def test_off_there_is_neither_page_nor_numbers(settings: ExporterSettings) -> None:
    off = settings.model_copy(update={"overview": "off"})
    async with running_exporter(off, ManualClock(T)) as exporter:
        for path in ("/", OVERVIEW, "/assets/overview.js"):
            assert (await exporter.get(path, **OPERATOR)).status == 404


@pytest.mark.parametrize("overview", ["open", "token"])
async def test_strangers_of_one_address_are_limited_and_operators_are_not(
    settings: ExporterSettings, overview: str
) -> None:
    few = settings.model_copy(
        update={
            "overview": overview,
            "stats_address_requests_per_second": 0.001,
            "stats_address_requests_burst": 2,
        }
    )
    async with running_exporter(few, ManualClock(T)) as exporter:
        await exporter.board.refresh()
        answers = [await exporter.get(OVERVIEW, Authorization="Bearer guessed") for _ in range(3)]
        let_in = 200 if overview == "open" else 403
        assert [answer.status for answer in answers] == [let_in, let_in, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        if overview == "token":
            assert [(await exporter.get(OVERVIEW, **OPERATOR)).status for _ in range(5)] == [200] * 5


async def test_no_page_of_another_origin_can_read_it(settings: ExporterSettings) -> None:
    app = "https://app.example.org"
    chosen = settings.model_copy(update={"overview": "open", "allowed_origins": (app,)})
    async with running_exporter(chosen, ManualClock(T)) as exporter:
        await exporter.board.refresh()
        answer = await exporter.get(OVERVIEW, Origin=app)
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_before_clickhouse_was_ever_read_the_numbers_are_503(settings: ExporterSettings) -> None:
    away = settings.model_copy(update={"clickhouse_port": 1})
    async with running_exporter(away, ManualClock(T)) as exporter:
        for _ in range(2):
            answer = await exporter.get(OVERVIEW, **OPERATOR)
            assert (answer.status, answer.json()["type"]) == (503, "urn:convergio:problem:clickhouse-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert (await exporter.get("/")).status == 200


async def test_the_page_is_for_everyone_and_obeys_the_policy_it_is_sent_with(exporter: Exporter) -> None:
    """Every file its HTML names is there, and no script or style stands in the HTML itself."""
    page = await exporter.get("/")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'(?:src|href)="\.?(/[^"]+)"', page.text)
    assert {path.rpartition(".")[2] for path in named} >= {"js", "css"}
    for path in ("/", *named):
        answer = await exporter.get(path)
        assert answer.status == 200, path
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        known = await exporter.get(path, If_None_Match=answer.headers["ETag"])
        assert (known.status, known.headers["Cache-Control"]) == (304, "no-cache")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page.text)


@pytest.mark.parametrize(
    "path",
    [
        "/assets",
        "/assets/",
        "/assets/..",
        "/assets/../index.html",
        "/assets/%2e%2e/index.html",
        "/assets/..%2f..%2fapp.py",
        "/assets/%00",
        "/index.html",
        "/app.py",
    ],
)
async def test_no_path_leads_to_anything_but_the_pages_files(exporter: Exporter, path: str) -> None:
    sent = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert statuses(await exchange(exporter.port, sent)) == [404]


@pytest.mark.parametrize(
    ("name", "value"), [("CONVERGIO_OVERVIEW", "everyone"), ("CONVERGIO_OVERVIEW_TIME_ZONE", "Europe/Roma")]
)
def test_a_bad_setting_is_one_line(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongUse, match=name) as refused:
        load()
    assert "\n" not in str(refused.value)
