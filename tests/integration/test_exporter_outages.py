"""The exporter through the absence of ClickHouse, and as a process of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import clickhouse_connect
import pytest
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from infra.local.clickhouse import LocalClickHouse
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from tests.exporter import ManualClock, SessionRow, insert_sessions, running_exporter
from tests.gateway import until
from tests.servers import ClickHouseAddress
from tests.suspension import suspend

OPERATOR_TOKEN = SecretStr("the token of the operators")
SERVE = "from exporter import ExporterSettings, serve; serve(ExporterSettings())"


@asynccontextmanager
async def started(local: LocalClickHouse) -> AsyncIterator[asyncio.subprocess.Process]:
    """A ClickHouse of the test's own, to be stopped or paused."""
    process = await asyncio.create_subprocess_exec(
        *local.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent()
    )
    try:
        await until(answers_ok(local.port, "/ping"))
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        await process.wait()


@pytest.fixture
def local(tmp_path: Path) -> LocalClickHouse:
    (port,) = free_ports(1)
    return LocalClickHouse(tmp_path / "clickhouse", port)


async def test_the_exporter_outlives_clickhouse_and_finds_it_again(local: LocalClickHouse) -> None:
    settings = ExporterSettings(clickhouse_port=local.port, refresh_seconds=60, stale_seconds=90)
    clock = ManualClock()
    async with running_exporter(settings, clock) as exporter:
        await exporter.board.refresh()
        assert (await exporter.get("/metrics")).status == 503
        async with started(local):
            await asyncio.to_thread(migrate, settings)
            with clickhouse_connect.get_client(port=local.port, database=settings.clickhouse_database) as client:
                insert_sessions(client, [SessionRow(uuid.uuid4())])
            samples = await exporter.samples()
            assert samples['convergio_sessions_total{period="all"}'] == 1
            assert samples["convergio_up"] == 1
            failures = samples["convergio_exporter_refresh_failures_total"]

        clock.advance(60)
        samples = await exporter.samples()
        assert samples["convergio_up"] == 0
        assert samples["convergio_exporter_refresh_failures_total"] == failures + 4, "two parts, each read twice"
        assert samples['convergio_sessions_total{period="all"}'] == 1, "what was read stands until it is stale"
        clock.advance(60)
        answer = await exporter.get("/metrics")
        assert (answer.status, answer.lines) == (503, ["stale: ClickHouse was last read 120 s ago"])

        async with started(local):
            samples = await exporter.samples()
            assert samples["convergio_up"] == 1
            assert samples['convergio_sessions_total{period="all"}'] == 1


async def test_a_clickhouse_that_does_not_answer_is_given_up_while_scrapes_go_on(local: LocalClickHouse) -> None:
    settings = ExporterSettings(clickhouse_port=local.port, refresh_seconds=60, stale_seconds=90)
    async with started(local) as server:
        await asyncio.to_thread(migrate, settings)
        impatient = settings.model_copy(update={"refresh_timeout_seconds": 2.0, "lifetime_timeout_seconds": 2.0})
        async with running_exporter(impatient) as exporter:
            await until(lambda: _refreshes(exporter.board.refresh, lambda: exporter.board.lifetime.healthy))
            suspend(server.pid)
            attempt = asyncio.create_task(exporter.board.refresh())
            assert (await exporter.get("/metrics")).status == 200, "a scrape does not wait for ClickHouse"
            await attempt
            assert not exporter.board.windows.healthy
            server.send_signal(signal.SIGCONT)
            await until(lambda: _refreshes(exporter.board.refresh, lambda: exporter.board.windows.healthy))


async def test_while_statistics_wait_for_clickhouse_all_further_ones_are_refused_and_scrapes_go_on(
    local: LocalClickHouse,
) -> None:
    settings = ExporterSettings(
        clickhouse_port=local.port, refresh_seconds=60, stale_seconds=90, stats_slots=3, operator_token=OPERATOR_TOKEN
    )
    async with started(local) as server:
        await asyncio.to_thread(migrate, settings)
        async with running_exporter(settings) as exporter:
            await until(lambda: _refreshes(exporter.board.refresh, lambda: exporter.board.lifetime.healthy))
            suspend(server.pid)

            async def ask(**headers: str) -> int:
                return (await exporter.get("/api/telemetry/stats", **(headers or strangers_cookie()))).status

            asked = [asyncio.create_task(ask()) for _ in range(10)]
            operator = asyncio.create_task(ask(Authorization=f"Bearer {OPERATOR_TOKEN.get_secret_value()}"))
            waiting = {*asked, operator}
            refused: set[asyncio.Task[int]] = set()
            while len(refused) < 7:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
            assert [task.result() for task in refused] == [503] * 7
            assert operator in waiting, "the operator has a slot of their own"
            answer = await exporter.get("/api/telemetry/stats", **strangers_cookie())
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert answer.json()["type"] == "urn:convergio:problem:busy"
            assert (await exporter.get("/metrics")).status == 200
            assert (await exporter.get("/healthz")).status == 200
            server.send_signal(signal.SIGCONT)
            assert [await task for task in waiting] == [200] * 4
            assert await ask() == 200
            assert (await exporter.samples())['convergio_exporter_stats_refused_total{reason="busy"}'] == 8


async def test_the_process_serves_and_ends_with_success_on_sigterm(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed; it makes this test's certificate")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    request = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    making = await asyncio.create_subprocess_exec(openssl, *request.split(), stderr=subprocess.DEVNULL)
    assert await making.wait() == 0
    (port,) = free_ports(1)
    environment = {
        "CONVERGIO_CLICKHOUSE_HOST": clickhouse.host,
        "CONVERGIO_CLICKHOUSE_PORT": str(clickhouse.port),
        "CONVERGIO_CLICKHOUSE_USER": clickhouse.username,
        "CONVERGIO_CLICKHOUSE_PASSWORD": clickhouse.password,
        "CONVERGIO_CLICKHOUSE_DATABASE": database,
        "CONVERGIO_EXPORTER_PORT": str(port),
        "CONVERGIO_EXPORTER_TLS_CERT": str(certificate),
        "CONVERGIO_EXPORTER_TLS_KEY": str(key),
        "CONVERGIO_STATS_ADDRESS_REQUESTS_BURST": "1",
        "CONVERGIO_STATS_ADDRESS_REQUESTS_PER_SECOND": "0.001",
    }
    await asyncio.to_thread(
        migrate,
        ExporterSettings(
            clickhouse_host=clickhouse.host,
            clickhouse_port=clickhouse.port,
            clickhouse_user=clickhouse.username,
            clickhouse_database=database,
        ).model_copy(update={"clickhouse_password": SecretStr(clickhouse.password)}),
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, env={**os.environ, **environment}, preexec_fn=die_with_parent()
    )
    try:
        trust = ssl.create_default_context(cafile=certificate)
        trust.check_hostname = False
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:

            async def ready() -> bool:
                try:
                    async with session.get(f"https://127.0.0.1:{port}/readyz") as response:
                        return response.status == 200
                except aiohttp.ClientConnectorError:
                    return False

            await until(ready)
            async with session.get(f"https://127.0.0.1:{port}/metrics") as response:
                assert "convergio_up 1.0" in (await response.text()).splitlines()
            statistics = f"https://127.0.0.1:{port}/api/telemetry/stats"
            for claimed, status in [("192.0.2.1", 401), ("192.0.2.2", 429)]:
                async with session.get(statistics, headers={"X-Forwarded-For": claimed}) as response:
                    assert response.status == status, "only trusted proxies are believed"
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def strangers_cookie() -> dict[str, str]:
    return {"Cookie": f"convergio_uid={uuid.uuid4()}"}


async def _refreshes(refresh: Callable[[], Awaitable[None]], healthy: Callable[[], bool]) -> bool:
    await refresh()
    return healthy()
