"""How long a scrape takes while a crowd asks for statistics, and how soon those that are refused know it.

    python -m benchmarks.exporter.stats_crowd --crowd 200

starts an embedded ClickHouse in a directory of its own, fills it, starts an exporter as a process and prints
milliseconds: scrapes alone; then scrapes while each of the crowd asks for its own statistics, all at once, and again
a second after each response. All come from one address, so the first of them meet the slots (503) and later ones
mostly the rate (429). `--no-rate-limits` leaves the slots alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import clickhouse_connect

from benchmarks.exporter.refresh import clickhouse, fill, summary, timed
from exporter import ExporterSettings
from infra.clickhouse.migrate import migrate
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok, until

PAUSE_SECONDS = 1.0
SCRAPE_EVERY_SECONDS = 0.1
STATS = "/api/telemetry/stats?range=30d&compare=previous"


@asynccontextmanager
async def exporter(changes: Mapping[str, str]) -> AsyncIterator[str]:
    """The address of an exporter process."""
    (port,) = free_ports(1)
    environment = {**os.environ, "CONVERGIO_EXPORTER_PORT": str(port), **changes}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", "export", env=environment, preexec_fn=die_with_parent()
    )
    try:
        await until(answers_ok(port, "/readyz"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def scrape(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(address + "/metrics") as response:
        response.raise_for_status()
        await response.read()


async def crowd(address: str, size: int, scrapes: int) -> tuple[list[float], dict[str, list[float]]]:
    """Milliseconds of each scrape during the crowd, and of the crowd's responses by status."""
    taken: defaultdict[str, list[float]] = defaultdict(list)
    ended = asyncio.Event()
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections) as asking, aiohttp.ClientSession() as scraping:

        async def ask(user: uuid.UUID) -> None:
            while not ended.is_set():
                began = time.perf_counter()
                async with asking.get(address + STATS, headers={"Cookie": f"convergio_uid={user}"}) as response:
                    await response.read()
                taken[str(response.status)].append((time.perf_counter() - began) * 1000)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_SECONDS):
                        await ended.wait()

        during: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            for _ in range(size):
                tasks.create_task(ask(uuid.uuid4()))
            for _ in range(scrapes):
                during += await timed(lambda: scrape(scraping, address), 1)
                await asyncio.sleep(SCRAPE_EVERY_SECONDS)
            ended.set()
    return during, taken


async def measure(settings: ExporterSettings, size: int, scrapes: int, *, rate_limits: bool) -> dict[str, list[float]]:
    changes = {
        "CONVERGIO_CLICKHOUSE_PORT": str(settings.clickhouse_port),
        "CONVERGIO_RATE_LIMIT_ENABLED": str(rate_limits),
    }
    async with exporter(changes) as address, aiohttp.ClientSession() as session:
        alone = await timed(lambda: scrape(session, address), scrapes)
        during, taken = await crowd(address, size, scrapes)
    statuses = {f"statistics answered {status}": times for status, times in sorted(taken.items())}
    return {"scrape alone": alone, "scrape during the crowd": during, **statuses}


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--crowd", type=int, default=200, help="clients that ask for statistics all the time")
    parser.add_argument("--sessions", type=int, default=300_000)
    parser.add_argument("--scrapes", type=int, default=100)
    parser.add_argument("--no-rate-limits", action="store_true", help="the slots alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convergio-bench-") as temporary:
        async with clickhouse(Path(temporary)) as port:
            settings = ExporterSettings(clickhouse_port=port)
            await asyncio.to_thread(migrate, settings)
            with clickhouse_connect.get_client(port=port, database=settings.clickhouse_database) as client:
                await asyncio.to_thread(fill, client, arguments.sessions)
            results = await measure(
                settings, arguments.crowd, arguments.scrapes, rate_limits=not arguments.no_rate_limits
            )
    report = {"milliseconds": {name: summary(taken) for name, taken in results.items()}}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
