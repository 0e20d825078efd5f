"""How long a refresh and a scrape take with many sessions behind them.

    python -m benchmarks.exporter.refresh --sessions 30000000

starts an embedded ClickHouse in a directory of its own, fills it and prints milliseconds. There are a third as many
users as sessions; sessions are spread evenly over 89 days. A fifth of a percent of them, spread over all users, are
written again in each of a few later parts, as live ones are: no reader gets by without telling old rows from new.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvicorn
from clickhouse_connect.driver.client import Client

from exporter import ExporterSettings, create_app
from exporter.board import Board
from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.local.clickhouse import LocalClickHouse
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok, until
from schemas.clickhouse import WRITING
from schemas.events import ACTION_COLUMNS

ROWS_PER_INSERT = 1_000_000
LATER_PARTS = 4
OFTEN = {"page_views": 6, "route_changes": 4, "flashcards": 5, "quizzes": 2, "mind_maps": 2, "questions": 5}
"""Counts that most sessions have, with their largest value; one session in four has any of the others."""


def insert_statement(users: int, version: int) -> str:
    """The sessions with numbers in [first, end), as their `version`-th row."""
    counts = ",\n".join(
        f"toUInt32({'1' if column in OFTEN else f'cityHash64(number, {place}) % 4 = 0'}"
        f" ? cityHash64(number, {place}, 1) % {OFTEN.get(column, 2) + 1} : 0) AS {column}"
        for place, column in enumerate(ACTION_COLUMNS.values())
    )
    return f"""
    INSERT INTO sessions_data
        (user_id, session_id, epoch, started_at, last_event_at, study_ms, events,
         {", ".join(ACTION_COLUMNS.values())}, maestros)
    SELECT
        reinterpretAsUUID(MD5(concat('user', toString(cityHash64(number) % {users})))),
        reinterpretAsUUID(MD5(concat('session', toString(number)))),
        0,
        now64(3, 'UTC') - toIntervalMillisecond(900000 + cityHash64(number, 'start') % (89 * 86400000)) AS started,
        started + toIntervalMillisecond(cityHash64(number, 'length') % 900000 + {version}),
        cityHash64(number, 'study') % 900000 + {version},
        30 + {version},
        {counts},
        mapFromArrays(
            arrayMap(i -> concat('maestro-', toString((number + i) % 40)), range(maestro_selections)),
            arrayMap(i -> toUInt32(1), range(maestro_selections)))
    FROM numbers({{first:UInt64}}, {{rows:UInt64}})"""


INSERT_EVENTS = """
    INSERT INTO events_data (event_id, user_id, session_id, category, action, occurred_at, received_at)
    SELECT
        reinterpretAsUUID(MD5(concat('event', toString(number)))),
        reinterpretAsUUID(MD5(concat('user', toString(number)))),
        reinterpretAsUUID(MD5(concat('session', toString(number)))),
        'navigation', 'page_view',
        now64(3, 'UTC') - toIntervalMillisecond(cityHash64(number) % (2 * 86400000)) AS occurred, occurred
    FROM numbers({rows:UInt64})"""


def fill(client: Client, sessions: int) -> None:
    """Writes `sessions` sessions, then some of them again and again; and the events of two days."""
    users = max(1, sessions // 3)
    for first in range(0, sessions, ROWS_PER_INSERT):
        rows = min(ROWS_PER_INSERT, sessions - first)
        client.command(insert_statement(users, 0), {"first": first, "rows": rows})
    again = max(1000, sessions // 500)
    for version in range(1, LATER_PARTS + 1):
        first = version * sessions // (LATER_PARTS + 1)
        client.command(insert_statement(users, version), {"first": first, "rows": min(again, sessions - first)})
    client.command(INSERT_EVENTS, {"rows": sessions // 3})


@asynccontextmanager
async def clickhouse(data_dir: Path) -> AsyncIterator[int]:
    """The port of an embedded ClickHouse."""
    (port,) = free_ports(1)
    server = await asyncio.create_subprocess_exec(
        *LocalClickHouse(data_dir, port).command(), stderr=subprocess.DEVNULL, preexec_fn=die_with_parent()
    )
    try:
        await until(answers_ok(port, "/ping"))
        yield port
    finally:
        server.terminate()
        await server.wait()


async def timed(action: Callable[[], Awaitable[object]], runs: int) -> list[float]:
    """Milliseconds of each run."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        await action()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def scrapes(settings: ExporterSettings, port: int, runs: int) -> list[float]:
    """Milliseconds of each scrape over a kept connection, while the exporter refreshes as it always does."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, access_log=False, log_config=None))
    serving = asyncio.create_task(server._serve())
    try:
        await until(answers_ok(port, "/readyz"))
        async with aiohttp.ClientSession() as session:

            async def scrape() -> None:
                async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                    response.raise_for_status()
                    await response.read()

            await timed(scrape, 20)
            return await timed(scrape, runs)
    finally:
        server.should_exit = True
        await serving


async def measure(settings: ExporterSettings, runs: int) -> dict[str, list[float]]:
    board = Board(settings, time.time)
    try:
        await board.refresh()
        board.exposition()
        results = {
            "refresh of the windows": await timed(board.windows.refresh, runs),
            "refresh since the beginning": await timed(board.lifetime.refresh, max(3, runs // 3)),
        }
    finally:
        await board.close()
    (port,) = free_ports(1)
    results["scrape"] = await scrapes(settings, port, 100 * runs)
    return results


def summary(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "runs": len(ordered),
        "min": round(ordered[0], 2),
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
        "max": round(ordered[-1], 2),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=20, help="refreshes to time; a hundred scrapes for each")
    parser.add_argument("--data-dir", type=Path, help="kept afterwards, and not filled again if it is filled already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convergio-bench-") as temporary:
        async with clickhouse(arguments.data_dir or Path(temporary)) as port:
            settings = ExporterSettings(
                clickhouse_port=port, refresh_timeout_seconds=300, lifetime_timeout_seconds=900, stale_seconds=3600
            )
            await asyncio.to_thread(migrate, settings)
            with connect(settings, WRITING, patience=600) as client:
                if not client.command("SELECT count() FROM sessions_data"):
                    await asyncio.to_thread(fill, client, arguments.sessions)
                parts = client.query(
                    "SELECT table, count(), sum(rows) FROM system.parts"
                    " WHERE active AND database = currentDatabase() AND table LIKE '%\\_data'"
                    " GROUP BY table ORDER BY table"
                ).result_rows
            results = await measure(settings, arguments.runs)
    report = {
        "parts and rows": {table: [count, rows] for table, count, rows in parts},
        "milliseconds": {name: summary(taken) for name, taken in results.items()},
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
