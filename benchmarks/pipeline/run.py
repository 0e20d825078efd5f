"""What a user of the whole pipeline waits for, and what it stores.

    python -m benchmarks.pipeline.run [--events N] [--probes N]

starts the local stack as `convergio up` does and prints the time from a 202 to the moment the event stands in the
exporter's `/metrics` (one event at a time, on an idle stack), and the compressed bytes that ClickHouse keeps for an
event (simulated traffic over a week, after merging).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aiohttp

from infra.clickhouse.client import connect
from infra.local.ports import free_ports
from infra.local.stack import LocalStack, StackConfig
from infra.settings import Settings

_SESSIONS = re.compile(r'^convergio_sessions_total\{period="all"\} (\S+)$', re.MULTILINE)


async def visible_after(http: aiohttp.ClientSession, config: StackConfig) -> float:
    """Seconds from the 202 for an event of a new session to the scrape that counts it."""
    before = await _sessions(http, config)
    now = datetime.now(UTC).isoformat()
    event = {
        "eventId": str(uuid4()),
        "sessionId": str(uuid4()),
        "timestamp": now,
        "category": "navigation",
        "action": "page_view",
    }
    body = {"userId": str(uuid4()), "sentAt": now, "events": [event]}
    async with http.post(f"{config.gateways[0]}/api/telemetry/events", json=body) as answer:
        answer.raise_for_status()
    acknowledged = time.monotonic()
    while await _sessions(http, config) == before:  # noqa: ASYNC110 - what is waited for is another process
        await asyncio.sleep(0.01)
    return time.monotonic() - acknowledged


async def _sessions(http: aiohttp.ClientSession, config: StackConfig) -> float:
    async with http.get(f"{config.exporter}/metrics") as answer:
        found = _SESSIONS.search(await answer.text())
    return float(found[1]) if found else 0.0


async def simulate(config: StackConfig, events: int) -> None:
    """Sends a week of simulated traffic, and waits until all of it is stored."""
    environment = {
        **os.environ,
        "CONVERGIO_KAFKA_BOOTSTRAP": config.kafka.bootstrap,
        "CONVERGIO_CLICKHOUSE_PORT": str(config.clickhouse_port),
    }
    traffic = ["simulate", "--url", config.gateways[0], "--events", str(events), "--days", "7", "--seed", "1"]
    for arguments in (traffic, ["audit"]):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "infra.cli", *arguments),
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait() != 0:
            raise SystemExit(f"convergio {arguments[0]} failed")


def footprint(config: StackConfig) -> list[tuple[str, int, float]]:
    """By table: rows, and compressed bytes a row once merged."""
    with connect(Settings(clickhouse_port=config.clickhouse_port)) as client:
        for table in ("events_data", "sessions_data"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        rows = client.query(
            "SELECT table, sum(rows), sum(data_compressed_bytes) FROM system.parts"
            " WHERE active AND database = currentDatabase() AND table IN ('events_data', 'sessions_data')"
            " GROUP BY table ORDER BY table"
        ).result_rows
    return [(str(table), int(count), size / count) for table, count, size in rows]


async def run(directory: Path, events: int, probes: int) -> None:
    """Measures and prints."""
    ingest, exporter, kafka, _, clickhouse, processor, audit = free_ports(7)
    config = StackConfig(
        directory,
        ingest_port=ingest,
        exporter_port=exporter,
        kafka_port=kafka,
        clickhouse_port=clickhouse,
        processor_port=processor,
        audit_port=audit,
        extra_env={"CONVERGIO_RATE_LIMIT_ENABLED": "false"},
    )
    async with LocalStack(config), aiohttp.ClientSession() as http:
        waits = sorted([await visible_after(http, config) for _ in range(probes)])
        sys.stdout.write(
            f"from 202 to /metrics, {probes} events one by one: min {waits[0]:.2f} s, "
            f"median {statistics.median(waits):.2f} s, max {waits[-1]:.2f} s\n"
        )
        await simulate(config, events)
        for table, rows, size in await asyncio.to_thread(footprint, config):
            sys.stdout.write(f"{table}: {rows:,} rows, {size:.1f} compressed bytes a row\n")


def main() -> None:
    """Reads the options and runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--probes", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory), options.events, options.probes))


if __name__ == "__main__":
    main()
