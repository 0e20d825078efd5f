"""A gateway as a process of its own, as production runs it, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports

KIB = 1024


class Process:
    """`python -m ingest` with a client for it."""

    def __init__(self, port: int, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        self.port = port
        self.process = process
        self.session = session
        self.url = f"http://127.0.0.1:{port}"

    async def status(self, path: str) -> int:
        """The status of a GET, 0 if nobody answers."""
        try:
            async with self.session.get(self.url + path) as response:
                return response.status
        except aiohttp.ClientConnectionError:
            return 0

    async def is_ready(self) -> bool:
        return await self.status("/readyz") == 200

    async def is_alive(self) -> bool:
        return await self.status("/healthz") == 200

    async def sample(self, series: str) -> float:
        """One sample of its own metrics; `series` as written there, with labels."""
        async with self.session.get(self.url + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return float(next(line for line in lines if line.startswith(series + " ")).rpartition(" ")[2])

    def memory_high_water(self) -> int:
        """The most physical memory the process ever had, in bytes."""
        return self._memory("VmHWM")

    def memory(self) -> int:
        """The physical memory the process has, in bytes."""
        return self._memory("VmRSS")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None, status
        return int(found[1]) * KIB


@asynccontextmanager
async def gateway_process(
    bootstrap: str,
    topic: str,
    log: Path,
    *,
    port: int | None = None,
    open_files: int | None = None,
    command: Sequence[str] = (sys.executable, "-m", "ingest"),
    **changes: str,
) -> AsyncIterator[Process]:
    """A gateway, on a free port unless told which; killed at the end if it has not ended by then.

    `open_files` is the most files it may open, whatever it asks for.
    """
    if port is None:
        (port,) = free_ports(1)
    environment = {
        "CONVERGIO_KAFKA_BOOTSTRAP": bootstrap,
        "CONVERGIO_EVENTS_TOPIC": topic,
        "CONVERGIO_INGEST_PORT": str(port),
        "CONVERGIO_RATE_LIMIT_ENABLED": "false",
        **{f"CONVERGIO_{name.upper()}": value for name, value in changes.items()},
    }
    bound_to_parent = die_with_parent()

    def prepare() -> None:
        if bound_to_parent is not None:
            bound_to_parent()
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files // 2, open_files))

    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment},
            stderr=output,
            preexec_fn=prepare,
        )
    try:
        # A gateway that soon closes idle connections may be closing the one that a request is sent over.
        connector = aiohttp.TCPConnector(force_close="keep_alive_seconds" in changes)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Process(port, process, session)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
