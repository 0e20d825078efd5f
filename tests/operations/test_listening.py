"""Services listen on IPv6 addresses as on others: port check, log lines, drain, and the local stack."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.stack import StackConfig, stages
from tests.commands import COMMAND, Convergio
from tests.gateway import create_topic, until

SERVICES = {"ingest": "INGEST", "export": "EXPORTER"}
NOBODY = {"clickhouse_port": "1", "log_level": "info"}


@asynccontextmanager
async def running(
    command: str, settings: dict[str, str], log: Path
) -> AsyncIterator[tuple[Convergio, asyncio.subprocess.Process]]:
    """A service of the command line, and the command line with its settings."""
    convergio = Convergio({**NOBODY, **settings})
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, command, env=convergio.environment, stderr=output, preexec_fn=die_with_parent()
        )
    try:
        yield convergio, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("command", SERVICES)
@pytest.mark.parametrize(
    ("host", "reached", "written"),
    [("::", ("::1", "127.0.0.1"), "[::]"), ("[::1]", ("::1",), "[::1]")],
)
async def test_a_service_listens_says_where_refuses_a_taken_port_and_stops(
    kafka_bootstrap: str, tmp_path: Path, command: str, host: str, reached: tuple[str, ...], written: str
) -> None:
    (port,) = free_ports(1)
    prefix = SERVICES[command].lower()
    settings = {
        "kafka_bootstrap": kafka_bootstrap,
        "events_topic": await create_topic(kafka_bootstrap),
        f"{prefix}_host": host,
        f"{prefix}_port": str(port),
    }
    log = tmp_path / "log"
    async with running(command, settings, log) as (convergio, process):
        for client in reached:
            await until(answers_ok(port, "/healthz", client))
        assert f"http://{written}:{port}" in log.read_text()
        refused = await convergio(command, code=4)
        assert f"{written}:{port} cannot be listened on" in refused.errors
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert not await answers_ok(port, "/healthz", reached[0])()
    assert "Traceback" not in log.read_text()


async def test_traffic_is_simulated_against_a_gateway_at_an_ipv6_address(kafka_bootstrap: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = {
        "kafka_bootstrap": kafka_bootstrap,
        "events_topic": await create_topic(kafka_bootstrap),
        "ingest_host": "::",
        "ingest_port": str(port),
    }
    async with running("ingest", settings, tmp_path / "log") as (convergio, _):
        await until(answers_ok(port, "/readyz", "::1"))
        result = await convergio("simulate", "--events", "20", "--users", "2")
        assert "0 unanswered" in result.output


def test_the_local_stack_listens_where_the_settings_say_and_asks_there(tmp_path: Path) -> None:
    config = StackConfig(tmp_path, ingest=2, ingest_host="::", exporter_host="::1", processor_host="0.0.0.0")
    assert config.gateways == ["http://[::1]:8000", "http://[::1]:8001"]
    assert config.exporter == "http://[::1]:9464"
    hosts = {
        name: value
        for stage in stages(config, {name: ["java"] for name in config.kafka.names})
        for service in stage.services
        for name, value in service.environment.items()
        if name in ("CONVERGIO_INGEST_HOST", "CONVERGIO_EXPORTER_HOST", "CONVERGIO_PROCESSOR_HOST")
    }
    assert hosts == {
        "CONVERGIO_INGEST_HOST": "::",
        "CONVERGIO_EXPORTER_HOST": "::1",
        "CONVERGIO_PROCESSOR_HOST": "0.0.0.0",
    }
