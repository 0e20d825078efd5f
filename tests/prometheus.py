"""Prometheus and Alertmanager with the committed configuration, at the ports of a stack of a test."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from tests.stacks import until

CONFIGURATION = Path(__file__).parents[1] / "infra" / "deploy" / "prometheus"
DASHBOARDS = Path(__file__).parents[1] / "infra" / "deploy" / "grafana" / "dashboards"
ALERTMANAGER_CONFIGURATION = CONFIGURATION.parent / "alertmanager" / "alertmanager.yml"
PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="Prometheus is not installed; it comes with Debian's package prometheus"
)

needs_alertmanager = pytest.mark.skipif(
    ALERTMANAGER is None,
    reason="Alertmanager is not installed; it comes with Debian's package prometheus-alertmanager",
)


def panels() -> dict[str, list[str]]:
    """The queries of every panel of every dashboard, by its title, with Grafana's variables filled in."""
    variables = {"$instance": ".+", "$__rate_interval": "1m", "$__range": "10m"}
    found: dict[str, list[str]] = {}
    for file in DASHBOARDS.glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                expression: str = target["expr"]
                for name, value in variables.items():
                    expression = expression.replace(name, value)
                found.setdefault(panel["title"], []).append(expression)
    return found


class Prometheus:
    """What a running one knows."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        async with self._session.get(f"{self._url}/api/v1/{path}?{urlencode(parameters)}") as response:
            answer = json.loads(await response.text())
        assert answer["status"] == "success", answer
        return answer["data"]

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that an instant query returns."""
        found = (await self.ask("query", query=expression))["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        return [rule for group in (await self.ask("rules"))["groups"] for rule in group["rules"]]


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Mapping[str, Sequence[int]], alertmanager_port: int | None = None
) -> AsyncIterator[Prometheus]:
    """One that scrapes and evaluates every second; `targets` are the ports of each job.

    With the port of an Alertmanager, alerts need not last before they fire.
    """
    shutil.copytree(CONFIGURATION, folder / "config")
    file = folder / "config" / "prometheus.yml"
    text = re.sub(r"_interval: \d+s", "_interval: 1s", file.read_text())
    for job, ports in targets.items():
        addresses = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        text, changed = re.subn(rf"(job_name: {job}\n(?: +.*\n)*? +- targets: )\[.*\]", rf"\g<1>[{addresses}]", text)
        assert changed == 1, job
    (port,) = free_ports(1)
    # Nobody else's Alertmanager hears of a test.
    file.write_text(text.replace("127.0.0.1:9093", f"127.0.0.1:{alertmanager_port or port}"))
    if alertmanager_port is not None:
        alerts = folder / "config" / "alerts.yml"
        alerts.write_text(re.sub(r"for: \d+[mh]", "for: 0s", alerts.read_text()))
    assert PROMETHEUS is not None
    command = [
        PROMETHEUS,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    async with _running(command, folder / "prometheus.log", f"http://127.0.0.1:{port}") as session:
        yield Prometheus(f"http://127.0.0.1:{port}", session)


@asynccontextmanager
async def alertmanager(folder: Path, webhook_port: int) -> AsyncIterator[int]:
    """One with the committed configuration, whose receiver is at a port of this machine; gives its own port."""
    text = ALERTMANAGER_CONFIGURATION.read_text().replace("127.0.0.1:9095", f"127.0.0.1:{webhook_port}")
    file = folder / "alertmanager.yml"
    file.write_text(re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", text))
    (port,) = free_ports(1)
    assert ALERTMANAGER is not None
    command = [
        ALERTMANAGER,
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with _running(command, folder / "alertmanager.log", f"http://127.0.0.1:{port}"):
        yield port


@asynccontextmanager
async def _running(command: Sequence[str], log_file: Path, url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A program of Prometheus's family, ready, and a session to talk to it."""
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, preexec_fn=die_with_parent())
    try:
        async with aiohttp.ClientSession() as session:

            async def is_ready() -> bool:
                assert process.returncode is None, f"{command[0]} ended; see {log_file}"
                try:
                    async with session.get(f"{url}/-/ready") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until(is_ready)
            yield session
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
