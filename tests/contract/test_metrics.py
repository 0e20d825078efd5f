"""What Prometheus and the people who write rules rely on: names, HELP, TYPE, labels, formats, status codes."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import shutil
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Never

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from schemas.metrics import FAMILIES
from tests.certificates import Authority
from tests.exporter import Exporter, ManualClock, SessionRow, insert_sessions, running_exporter
from tests.gateway import until
from tests.servers import ClickHouseAddress

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"

THE_FIVE_FAMILIES = """\
# HELP convergio_users_active Number of active users
# TYPE convergio_users_active gauge
convergio_users_active{period="1h"} 1.0
convergio_users_active{period="24h"} 1.0
convergio_users_active{period="7d"} 1.0
# HELP convergio_sessions_total Total study sessions
# TYPE convergio_sessions_total counter
convergio_sessions_total{period="24h"} 1.0
convergio_sessions_total{period="1h"} 1.0
convergio_sessions_total{period="7d"} 1.0
convergio_sessions_total{period="all"} 1.0
# HELP convergio_study_minutes_total Total study minutes
# TYPE convergio_study_minutes_total counter
convergio_study_minutes_total{period="24h"} 1.5
convergio_study_minutes_total{period="1h"} 1.5
convergio_study_minutes_total{period="7d"} 1.5
convergio_study_minutes_total{period="all"} 1.5
# HELP convergio_feature_usage_total Feature usage counts
# TYPE convergio_feature_usage_total counter
convergio_feature_usage_total{feature="flashcards"} 3.0
convergio_feature_usage_total{feature="quizzes"} 2.0
convergio_feature_usage_total{feature="mind_maps"} 1.0
# HELP convergio_maestro_usage_total Maestro selection counts
# TYPE convergio_maestro_usage_total counter
convergio_maestro_usage_total{maestro="archimede"} 2.0
"""

PASSWORD = SecretStr("correct horse")
TOKEN = SecretStr("a token of the scrape")


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """One database for the module: these tests only look at it."""
    with clickhouse.own_database() as name:
        yield name


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseAddress, database: str) -> ExporterSettings:
    settings = ExporterSettings(
        **clickhouse.settings(database),
    )
    migrate(settings)
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        _fill(client)
    return settings


def _fill(client: Client) -> None:
    counts = {"flashcards": 3, "quizzes": 2, "mind_maps": 1, "maestro_selections": 2}
    insert_sessions(
        client,
        [SessionRow(uuid.uuid4(), study_ms=90_000, events=8, counts=counts, maestros={"archimede": 2})],
    )


@pytest.fixture(scope="module")
async def exporter(settings: ExporterSettings) -> AsyncIterator[Exporter]:
    async with running_exporter(settings) as running:
        await running.board.refresh()
        yield running


@pytest.mark.parametrize("path", ["/metrics", "/api/metrics"])
async def test_the_five_families_are_word_for_word_what_was_agreed(exporter: Exporter, path: str) -> None:
    answer = await exporter.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.startswith(THE_FIVE_FAMILIES)


async def test_every_declared_family_is_shown_in_order_and_nothing_else(exporter: Exporter) -> None:
    lines = (await exporter.get("/metrics")).lines
    assert [line for line in lines if line.startswith("# HELP")] == [
        f"# HELP {family.name} {family.help}" for family in FAMILIES
    ]
    assert [line for line in lines if line.startswith("# TYPE")] == [
        f"# TYPE {family.name} {family.type}" for family in FAMILIES
    ]
    labels = {family.name: set(family.labels) for family in FAMILIES}
    for line in lines:
        if not line.startswith("#"):
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            assert set(re.findall(r'(\w+)="', line)) == labels[name], line


async def test_no_created_series_and_no_user_id_is_shown(exporter: Exporter) -> None:
    for accept in ("", "application/openmetrics-text"):
        text = (await exporter.get("/metrics", Accept=accept)).text
        assert not re.search(r"^\w+_created\b", text, re.MULTILINE)
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)


async def test_openmetrics_is_what_its_parser_reads(exporter: Exporter) -> None:
    answer = await exporter.get("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("\n# EOF\n")
    families = list(text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]
    assert [(family.name, family.type) for family in families] == [
        (family.name.removesuffix("_total") if family.type == "counter" else family.name, family.type)
        for family in FAMILIES
    ]
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert samples["convergio_sessions_total", "all"] == 1
    assert samples["convergio_events_total", "flashcard_review", "education"] == 3


async def test_both_formats_show_the_same_values(exporter: Exporter) -> None:
    plain = (await exporter.get("/metrics")).lines
    modern = (await exporter.get("/metrics", Accept="application/openmetrics-text")).lines
    assert [line for line in plain if not line.startswith("#")] == [line for line in modern if not line.startswith("#")]


async def test_a_client_that_takes_gzip_gets_the_same_bytes_compressed(exporter: Exporter) -> None:
    plain = await exporter.get("/metrics")
    packed = await exporter.get("/metrics", Accept_Encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


async def test_promtool_objects_to_nothing_but_the_agreed_unit_of_study_minutes(exporter: Exporter) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")
    text = (await exporter.get("/metrics")).body
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe)
    _, complaints = await process.communicate(text)
    # That name is the user's and stays.
    assert complaints.decode().splitlines() == [
        'convergio_study_minutes_total use base unit "seconds" instead of "minutes"'
    ]


@pytest.mark.parametrize(
    ("changes", "authorization", "status"),
    [
        ({}, None, 200),
        ({}, "Bearer whatever", 200),
        ({"exporter_token": TOKEN}, None, 401),
        ({"exporter_token": TOKEN}, "Bearer wrong", 401),
        ({"exporter_token": TOKEN}, "Bearer è sbagliato", 401),
        ({"exporter_token": TOKEN}, f"Bearer {TOKEN.get_secret_value()}", 200),
        ({"exporter_token": TOKEN}, f"bearer {TOKEN.get_secret_value()}", 200),
        ({"exporter_token": TOKEN}, "Basic " + b64encode(b"prometheus:correct horse").decode(), 401),
        ({"basic": True}, None, 401),
        ({"basic": True}, "Basic " + b64encode(b"prometheus:correct horse").decode(), 200),
        ({"basic": True}, "Basic " + b64encode(b"prometheus:wrong").decode(), 401),
        ({"basic": True}, "Basic " + b64encode(b"someone:correct horse").decode(), 401),
        ({"basic": True}, "Basic " + b64encode(b"prometheus").decode(), 401),
        ({"basic": True}, "Basic not base64", 401),
        ({"basic": True}, "Basic " + b64encode(b"\xff\xfe").decode(), 401),
        ({"basic": True}, f"Bearer {TOKEN.get_secret_value()}", 401),
        ({"basic": True, "exporter_token": TOKEN}, f"Bearer {TOKEN.get_secret_value()}", 200),
        ({"basic": True, "exporter_token": TOKEN}, "Basic " + b64encode(b"prometheus:correct horse").decode(), 200),
    ],
)
async def test_a_scrape_needs_one_of_the_configured_credentials(
    settings: ExporterSettings, changes: dict[str, object], authorization: str | None, status: int
) -> None:
    if changes.pop("basic", False):
        changes |= {"exporter_user": "prometheus", "exporter_password": PASSWORD}
    async with running_exporter(settings.model_copy(update=changes)) as exporter:
        await exporter.board.refresh()
        headers = {} if authorization is None else {"Authorization": authorization}
        for path in ("/metrics", "/api/metrics"):
            answer = await exporter.get(path, **headers)
            assert answer.status == status
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert (await exporter.get("/healthz")).status == 200
        assert (await exporter.get("/readyz")).status == 200


async def test_before_the_first_reading_a_scrape_fails_with_one_clear_line(settings: ExporterSettings) -> None:
    away = settings.model_copy(
        update={"clickhouse_port": 9, "refresh_timeout_seconds": 5.0, "lifetime_timeout_seconds": 5.0}
    )
    async with running_exporter(away) as exporter:
        await exporter.board.refresh()
        for path in ("/metrics", "/readyz"):
            answer = await exporter.get(path)
            assert (answer.status, answer.lines) == (503, ["not ready: ClickHouse has not been read yet"])
        assert (await exporter.get("/healthz")).status == 200


async def test_numbers_older_than_allowed_are_not_shown_as_the_truth(settings: ExporterSettings) -> None:
    clock = ManualClock()
    slow = settings.model_copy(update={"refresh_seconds": 600.0})
    async with running_exporter(slow, clock) as exporter:
        await exporter.board.refresh()
        clock.advance(settings.stale_seconds)
        assert (await exporter.get("/metrics")).status == 200
        clock.advance(1)
        for path in ("/metrics", "/readyz"):
            answer = await exporter.get(path)
            assert (answer.status, answer.lines) == (503, ["stale: ClickHouse was last read 31 s ago"])
        await exporter.board.refresh()
        assert (await exporter.get("/metrics")).status == 200


async def test_sums_that_took_long_to_read_are_stale_at_the_same_age_as_all_others(settings: ExporterSettings) -> None:
    clock = ManualClock()
    async with running_exporter(settings.model_copy(update={"refresh_seconds": 600.0}), clock) as exporter:
        await exporter.board.refresh()
        sums = exporter.board.lifetime.reading
        assert sums is not None
        exporter.board.lifetime.reading = replace(sums, seconds=10.0)
        clock.advance(settings.stale_seconds + 1)
        await exporter.board.windows.refresh()
        answer = await exporter.get("/metrics")
        assert (answer.status, answer.lines) == (503, ["stale: ClickHouse was last read 31 s ago"])


async def test_the_exporters_own_certificate_is_shown_as_it_was_at_the_start(
    settings: ExporterSettings, tmp_path: Path
) -> None:
    """It stays in use until a restart: a new file must not end the alert."""
    series = 'convergio_certificate_expires_timestamp_seconds{file="exporter_tls"}'
    in_use, later = (Authority(tmp_path / name) for name in ("in use", "later"))
    file = tmp_path / "certificate.pem"
    short = in_use.client("exporter", not_after=datetime.now(UTC) + timedelta(days=3))
    file.write_bytes(short.read_bytes())
    async with running_exporter(settings.model_copy(update={"exporter_tls_cert": str(file)})) as exporter:
        shown = (await exporter.samples())[series]
        file.write_bytes(later.file.read_bytes())
        assert (await exporter.samples())[series] == shown
    async with running_exporter(settings.model_copy(update={"exporter_tls_cert": str(file)})) as exporter:
        assert (await exporter.samples())[series] > shown


class BreakableClock(ManualClock):
    broken = False

    def __call__(self) -> float:
        if self.broken:
            raise TypeError("no time")
        return super().__call__()


async def broken(*_: object) -> Never:
    raise TypeError("nobody expected this")


async def test_healthz_says_why_readings_fail_if_a_restart_may_help(
    settings: ExporterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_exporter(settings.model_copy(update={"refresh_seconds": 600.0})) as exporter:
        await exporter.board.refresh()
        with monkeypatch.context() as patch:
            patch.setattr(exporter.board.lifetime, "_read", broken)
            await exporter.board.refresh()
            answer = await exporter.get("/healthz")
            assert (answer.status, answer.lines) == (503, ["the last reading of the lifetime failed with TypeError"])
            assert "convergio_up 0.0" in (await exporter.get("/metrics")).lines
        await exporter.board.refresh()
        assert (await exporter.get("/healthz")).status == 200
        assert "convergio_up 1.0" in (await exporter.get("/metrics")).lines


async def test_healthz_knows_that_the_refreshing_has_ended(settings: ExporterSettings) -> None:
    clock = BreakableClock()
    async with running_exporter(settings.model_copy(update={"refresh_seconds": 0.05}), clock) as exporter:
        await exporter.board.refresh()
        clock.broken = True

        # Unhealthy for another reason at first: the reading fails before the refreshing ends.
        async def ended() -> bool:
            answer = await exporter.get("/healthz")
            return (answer.status, answer.lines) == (503, ["the refreshing has ended"])

        await until(ended)


async def test_numbers_that_can_no_longer_be_rendered_grow_old_like_others(
    settings: ExporterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    async with running_exporter(settings.model_copy(update={"refresh_seconds": 600.0}), clock) as exporter:
        await exporter.board.refresh()
        monkeypatch.setattr("exporter.board.Exposition.of", lambda _: 1 / 0)
        clock.advance(31)
        await exporter.board.refresh()
        answer = await exporter.get("/metrics")
        assert (answer.status, answer.lines) == (503, ["stale: ClickHouse was last read 31 s ago"])
        assert "ZeroDivisionError" in (await exporter.get("/healthz")).text


def test_the_document_explains_every_family() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for family in FAMILIES:
        section = re.search(rf"^### `{family.name}`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        assert section is not None, f"docs/metrics.md has no section on {family.name}"
        assert re.search(rf"^\w+ · {family.type}\b|^{family.type}\b", section[1].strip()), family.name
        for label in family.labels:
            assert f"`{label}`" in section[1], f"docs/metrics.md does not explain {label} of {family.name}"
        assert "```promql" in section[1], f"docs/metrics.md has no example for {family.name}"


def test_the_document_explains_nothing_that_is_not_shown() -> None:
    shown = {family.name for family in FAMILIES}
    assert set(re.findall(r"^### `(\w+)`", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)) == shown


async def test_every_example_query_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")
    blocks = re.findall(r"```promql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    examples = [line for block in blocks for line in block.splitlines() if not line.startswith("#")]
    assert len(examples) >= len(FAMILIES)
    # Rules in JSON, which is YAML, too.
    rules = [{"record": f"example:{number}", "expr": example} for number, example in enumerate(examples)]
    file = tmp_path / "examples.yml"
    file.write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}))
    process = await asyncio.create_subprocess_exec(
        promtool, "check", "rules", file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
