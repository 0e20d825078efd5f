"""Prometheus with the committed configuration, at the ports of a stack of a test."""

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
PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="Prometheus is not installed; it comes with Debian's package prometheus"
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
async def prometheus(folder: Path, targets: Mapping[str, Sequence[int]]) -> AsyncIterator[Prometheus]:
    """One that scrapes and evaluates every second; `targets` are the ports of each job."""
    shutil.copytree(CONFIGURATION, folder / "config")
    file = folder / "config" / "prometheus.yml"
    text = re.sub(r"_interval: \d+s", "_interval: 1s", file.read_text())
    for job, ports in targets.items():
        addresses = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        text, changed = re.subn(rf"(job_name: {job}\n(?: +.*\n)*? +- targets: )\[.*\]", rf"\g<1>[{addresses}]", text)
        assert changed == 1, job
    file.write_text(text)
    (port,) = free_ports(1)
    assert PROMETHEUS is not None
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            PROMETHEUS,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),
        )
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}"

            async def is_ready() -> bool:
                assert process.returncode is None, (folder / "prometheus.log").read_text()
                try:
                    async with session.get(f"{url}/-/ready") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until(is_ready)
            yield Prometheus(url, session)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
