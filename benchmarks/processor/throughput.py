"""How fast one processor process empties a topic: `python -m benchmarks.processor.throughput [--runs N]`.

Fills a topic of four partitions with batches of study sessions, starts one processor as production does, and
divides the events by the time between its first tenth and its last. Kafka, ClickHouse and the processor share the
machine; nothing is sent meanwhile. Every run has an empty database, and ends by comparing the stored events with
the sent ones.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from aiokafka import AIOKafkaProducer

from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.kafka.topics import create_topics
from infra.local.clickhouse import LocalClickHouse
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor
from infra.settings import Settings
from schemas.envelope import EventRow, encode_events, headers, message_key, partition_for
from schemas.events import CATEGORIES

PARTITIONS = 4
_ACTIONS = [(category, action) for category, actions in CATEGORIES.items() for action in actions]


def batches(events: int, per_message: int, users: int) -> list[tuple[str, bytes]]:
    """Messages as the gateway writes them: a batch of one user's session each, a few seconds between events."""
    source = random.Random(7)
    now = datetime.now(UTC)
    made = []
    for _ in range(events // per_message):
        user = str(UUID(int=source.randrange(users), version=4))
        session = str(UUID(int=source.getrandbits(128), version=4))
        at = now - timedelta(seconds=source.uniform(1200, 7 * 86_400))
        rows = []
        for _ in range(per_message):
            at += timedelta(seconds=source.uniform(1, 20))
            category, action = source.choice(_ACTIONS)
            rows.append(
                EventRow(
                    event_id=str(UUID(int=source.getrandbits(128), version=4)),
                    user_id=user,
                    session_id=session,
                    category=category,
                    action=action,
                    label="archimede",
                    value=1.5,
                    metadata={"path": "/maestri"},
                    occurred_at=at,
                    received_at=now,
                )
            )
        made.append((user, encode_events(rows)))
    return made


async def run(directory: Path, messages: list[tuple[str, bytes]], events: int) -> float:
    """Events a second of one run."""
    kafka_port, controller_port, clickhouse_port, processor_port = free_ports(4)
    kafka = LocalKafka(directory, kafka_port, controller_port=controller_port)
    engine = LocalClickHouse(directory / "clickhouse", clickhouse_port)
    settings = Settings(
        kafka_bootstrap=kafka.bootstrap,
        clickhouse_port=clickhouse_port,
        processor_port=processor_port,
        partitions=PARTITIONS,
        data_dir=str(directory / "faust"),
    )
    environment = {
        "CONVERGIO_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "CONVERGIO_CLICKHOUSE_PORT": str(clickhouse_port),
        "CONVERGIO_PROCESSOR_PORT": str(processor_port),
        "CONVERGIO_DATA_DIR": settings.data_dir,
    }
    servers = [
        Service("kafka", kafka.commands()["kafka"], ready=kafka.is_ready),
        Service("clickhouse", engine.command(), ready=answers_ok(clickhouse_port, "/ping")),
    ]
    processor = Service(
        "processor",
        [sys.executable, "-m", "infra.cli", "process"],
        environment=environment,
        ready=answers_ok(processor_port, "/readyz"),
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(held := DataDir(directory))
        await stack.enter_async_context(Supervisor(held, [Stage(servers)]))
        await asyncio.to_thread(migrate, settings)
        await create_topics(settings)
        await _fill(settings, messages)
        await stack.enter_async_context(Supervisor(held, [Stage([processor])]))
        rate = await _rate(processor_port, events)
        with connect(settings) as client:
            stored = int(client.query("SELECT count() FROM events").result_rows[0][0])
        if stored != events:
            raise SystemExit(f"{events} events sent but {stored} stored")
        return rate


async def _fill(settings: Settings, messages: list[tuple[str, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=20, max_batch_size=1 << 20)
    await producer.start()
    for user, value in messages:
        await producer.send(
            settings.events_topic,
            value,
            key=message_key(user),
            partition=partition_for(user, PARTITIONS),
            headers=headers("events"),
        )
    await producer.stop()


async def _rate(port: int, events: int) -> float:
    seen: list[tuple[float, float]] = []
    while not seen or seen[-1][1] < events:
        seen.append((time.monotonic(), await asyncio.to_thread(_stored, port)))
        await asyncio.sleep(0.25)
    started, first = next(sample for sample in seen if sample[1] >= events / 10)
    ended, last = next(sample for sample in seen if sample[1] >= events)
    return (last - first) / (ended - started)


def _stored(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text: str = response.read().decode()
    name = 'convergio_processor_events_total{outcome="stored"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def main() -> None:
    """Prints the minimum, the median and the maximum over the runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--per-message", type=int, default=50)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    messages = batches(options.events, options.per_message, options.users)
    rates = []
    for number in range(options.runs):
        with tempfile.TemporaryDirectory() as directory:
            rates.append(asyncio.run(run(Path(directory), messages, options.events)))
        sys.stdout.write(f"run {number + 1}: {rates[-1]:,.0f} events/s\n")
    sys.stdout.write(
        f"one processor, {options.per_message} events a message: "
        f"min {min(rates):,.0f}, median {statistics.median(rates):,.0f}, max {max(rates):,.0f} events/s\n"
    )


if __name__ == "__main__":
    main()
