"""The first gateway's address: the study app's files, and everything else still the gateway's or the exporter's."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

import pytest

import infra.study_app
from exporter import ExporterSettings, create_stats_app
from infra.origin import Origin
from infra.study_app import StudyApp, is_built
from ingest import create_app
from tests.gateway import Gateway, batch, create_topic, running_gateway, settings
from tests.raw_http import exchange, statuses
from tests.servers import ClickHouseAddress

PAGE = b'<!doctype html><script type="module" src="./assets/study.js"></script>'
SCRIPT = b"console.log('study');" * 1000
SECRET = b"what lies beside the page is nobody's business"
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page, with a file beside it that is not part of it."""
    beside = tmp_path_factory.mktemp("web")
    (beside / "secret.txt").write_bytes(SECRET)
    web = beside / "web"
    (web / "assets/deep").mkdir(parents=True)
    (web / "index.html").write_bytes(PAGE)
    (web / "notes.txt").write_bytes(SECRET)
    (web / "assets/study.js").write_bytes(SCRIPT)
    (web / "assets/study.css").write_bytes(b"body { margin: 0 }")
    (web / "assets/escape.txt").symlink_to(beside / "secret.txt")
    return web


@pytest.fixture(scope="module")
async def origin(kafka_bootstrap: str, clickhouse: ClickHouseAddress, web: Path) -> AsyncIterator[Gateway]:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    gateway = create_app(chosen)
    statistics = create_stats_app(ExporterSettings(**clickhouse.settings("default")))
    async with running_gateway(chosen, app=Origin(gateway, statistics, StudyApp(gateway, web))) as running:
        yield running


async def test_the_bare_address_shows_the_page(origin: Gateway) -> None:
    for path in ("/", "/index.html", "/?lang=it"):
        answer = await origin.request("GET", path)
        assert (answer.status, answer.body) == (200, PAGE)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("name", "media_type"), [("study.js", "javascript"), ("study.css", "text/css")])
async def test_assets_say_what_they_are(origin: Gateway, web: Path, name: str, media_type: str) -> None:
    answer = await origin.request("GET", f"/assets/{name}")
    assert (answer.status, answer.body) == (200, (web / "assets" / name).read_bytes())
    assert media_type in answer.headers["Content-Type"]


@pytest.mark.parametrize("path", ["/", "/assets/study.js"])
async def test_the_page_is_confined_to_its_own_address(origin: Gateway, path: str) -> None:
    headers = (await origin.request("GET", path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_a_browser_asks_each_time_and_is_sent_only_what_changed(origin: Gateway, web: Path) -> None:
    first = await origin.request("GET", "/assets/study.js")
    assert first.headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": first.headers["ETag"]}
    unchanged = await origin.request("GET", "/assets/study.js", headers=known)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.headers["ETag"] == first.headers["ETag"]
    assert unchanged.headers["Cache-Control"] == "no-cache"

    script = web / "assets/study.js"
    script.write_bytes(b"rebuilt")
    try:
        changed = await origin.request("GET", "/assets/study.js", headers=known)
        assert (changed.status, changed.body) == (200, b"rebuilt")
    finally:
        script.write_bytes(SCRIPT)


@pytest.mark.parametrize("path", ["/", "/assets/study.js", "/assets/nothing.js", "/healthz", "/api/telemetry/stats"])
async def test_head_says_what_get_would_without_a_body(origin: Gateway, path: str) -> None:
    got, head = await origin.request("GET", path), await origin.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["Content-Length"] == str(len(got.body))
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/assets/study.js"])
async def test_files_can_only_be_read(origin: Gateway, method: str, path: str) -> None:
    answer = await origin.request(method, path, body=b"x")
    assert (answer.status, answer.headers["Content-Type"]) == (405, PROBLEM)
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret.txt",
        "/assets/../notes.txt",
        "/assets/../index.html",
        "/assets/%2e%2e/notes.txt",
        "/assets/..%2fnotes.txt",
        "/assets/..%5cnotes.txt",
        "/assets/deep/../../../secret.txt",
        "/assets//study.js",
        "/assets/./study.js",
        "//assets/study.js",
        "/assets/%00",
        "/assets/study.js%00.css",
        "/assets/" + "a" * 5000,
        "/assets/escape.txt",
        "/../secret.txt",
        "/notes.txt",
    ],
)
async def test_no_path_leads_to_anything_but_the_pages_files(origin: Gateway, path: str) -> None:
    sent = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    answer = await exchange(origin.port, sent)
    assert statuses(answer) == [404]
    assert PROBLEM.encode() in answer
    assert SECRET not in answer


@pytest.mark.parametrize(
    "path", ["/assets", "/assets/", "/assets/deep", "/assets/nothing.js", "/nothing", "/favicon.ico"]
)
async def test_what_is_not_there_is_the_gateways_404(origin: Gateway, path: str) -> None:
    answer = await origin.request("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, PROBLEM)
    assert "/docs" in answer.json["detail"]


async def test_everything_else_is_answered_as_before(origin: Gateway) -> None:
    assert (await origin.post(batch())).status == 202
    assert (await origin.request("POST", "/api/telemetry/identity")).json == {"optedOut": False}
    assert (await origin.request("GET", "/healthz")).status == 200
    assert b"/openapi.json" in (await origin.request("GET", "/docs")).body
    assert (await origin.request("GET", "/openapi.json")).json["info"]["version"] == version("convergio-telemetry")
    # Without a cookie there is nobody whose statistics could be shown, and the exporter says so.
    assert (await origin.request("GET", "/api/telemetry/stats")).status == 401


async def test_the_statistics_are_limited_there_as_well(kafka_bootstrap: str, web: Path) -> None:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    gateway = create_app(chosen)
    few = ExporterSettings(stats_address_requests_per_second=0.001, stats_address_requests_burst=1)
    async with running_gateway(chosen, app=Origin(gateway, create_stats_app(few), StudyApp(gateway, web))) as running:
        answers = [await running.request("GET", "/api/telemetry/stats") for _ in range(2)]
        assert [answer.status for answer in answers] == [401, 429]
        assert answers[1].headers["Content-Type"] == PROBLEM
        assert int(answers[1].headers["Retry-After"]) > 0
        assert (await running.post(batch())).status == 202


async def test_without_a_build_the_address_says_what_is_missing(kafka_bootstrap: str, tmp_path: Path) -> None:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    gateway = create_app(chosen)
    app = Origin(gateway, create_stats_app(ExporterSettings()), StudyApp(gateway, tmp_path / "web"))
    assert not is_built(tmp_path / "web")
    async with running_gateway(chosen, app=app) as running:
        for path in ("/", "/index.html"):
            answer = await running.request("GET", path)
            assert (answer.status, answer.headers["Content-Type"]) == (404, PROBLEM)
            assert "make client" in answer.json["detail"]
        assert (await running.request("GET", "/assets/study.js")).status == 404
        assert (await running.post(batch())).status == 202

        shutil.copytree(infra.study_app.BUILT, tmp_path / "web")
        assert (await running.request("GET", "/")).status == 200


async def test_the_built_page_obeys_the_policy_it_is_sent_with(kafka_bootstrap: str) -> None:
    """Every file its HTML names is there, and no script or style stands in the HTML itself."""
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    gateway = create_app(chosen)
    app = Origin(gateway, create_stats_app(ExporterSettings()), StudyApp(gateway))
    async with running_gateway(chosen, app=app) as running:
        html = (await running.request("GET", "/")).body.decode()
        named = re.findall(r'(?:src|href)="\.?(/[^"]+)"', html)
        assert {Path(path).suffix for path in named} >= {".js", ".css"}
        for path in named:
            assert (await running.request("GET", path)).status == 200, path
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", html)
