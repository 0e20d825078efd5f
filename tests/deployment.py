"""The services as processes of their own, each with settings of its own, as in production."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from tests.commands import COMMAND, Convergio
from tests.gateway import EVENTS
from tests.stacks import until


@dataclass(frozen=True)
class RunningService:
    """A service that is ready."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def post(self, batch: Mapping[str, Any], path: str = EVENTS) -> int:
        """The status of a POST."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.post(url, json=batch) as response:
            return response.status

    async def get(self, path: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return await response.text()

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


PORT_SETTINGS = {"ingest": "ingest_port", "process": "processor_port", "export": "exporter_port", "audit": "audit_port"}


@asynccontextmanager
async def service(
    name: str, settings: Mapping[str, str], folder: Path, *options: str, ready: str = "/readyz"
) -> AsyncIterator[RunningService]:
    """`convergio NAME`, once the path `ready` answers 200; ended with SIGTERM."""
    (port,) = free_ports(1)
    own = {PORT_SETTINGS[name]: str(port), "data_dir": str(folder / "faust")}
    log = folder / f"{name}-{port}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            name,
            *options,
            env=Convergio({**settings, **own}).environment,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(),
        )
    running = RunningService(process, port, log)
    answers = answers_ok(port, ready)

    async def is_ready() -> bool:
        assert process.returncode is None, await asyncio.to_thread(log.read_text)
        return await answers()

    try:
        await until(is_ready)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 40)
        except TimeoutError:
            process.kill()
            await process.wait()
