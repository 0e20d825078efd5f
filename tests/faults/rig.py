"""A stack that can be hurt: three brokers, fail points in its processors, and wires that break."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaError

from infra.local.restarts import RestartPolicy
from infra.settings import Settings
from processors.offsets import OffsetReader
from tests.faults.failpoints import CONVERGIO_WITH_FAIL_POINTS, FailPoints
from tests.faults.wire import Wire
from tests.stacks import PORTS, RunningStack, free_block, running_stack, until
from tests.suspension import suspend

OPERATOR_TOKEN = "operators-of-the-fault-tests"
SETTINGS = {
    "CONVERGIO_OPERATOR_TOKEN": OPERATOR_TOKEN,
    "CONVERGIO_RATE_LIMIT_ENABLED": "false",
    "CONVERGIO_ACK_TIMEOUT_SECONDS": "4",
    "CONVERGIO_SESSION_TIMEOUT_SECONDS": "6",
    # Few enough that most users are read back from ClickHouse again and again.
    "CONVERGIO_CACHE_EVENTS": "500",
    "CONVERGIO_RETENTION_CHECK_SECONDS": "5",
    "CONVERGIO_ERASURE_SWEEP_SECONDS": "2",
    "CONVERGIO_AUDIT_RECHECK_SECONDS": "2",
}
QUICK = RestartPolicy(first_delay=0.1, factor=1.0)
"""What dies is back at once, however often it dies."""


@dataclass
class Rig:
    """A running stack with everything that can be done to it."""

    stack: RunningStack
    points: FailPoints
    clickhouse: Wire
    """Between ClickHouse and all who use it, but for the questions of tests."""
    gateways: list[Wire]
    """Between clients and each gateway."""
    reader: OffsetReader
    kafka_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by faults after which the brokers could not stand another one."""
    poison: int = 0
    """Messages that have to end as dead letters."""

    @property
    def urls(self) -> list[str]:
        """Where clients reach the gateways, through the wires."""
        return [f"http://127.0.0.1:{wire.port}" for wire in self.gateways]

    async def pid(self, service: str) -> int:
        """The process of a service, as soon as it has one."""
        found: list[int] = []

        def runs() -> bool:
            with contextlib.suppress(OSError, ValueError):
                found.append(self.stack.pid(service))
            return bool(found)

        await until(runs)
        return found[-1]

    async def signal(self, service: str, number: signal.Signals) -> int:
        """Sends a signal to a service and returns the process it went to."""
        pid = await self.pid(service)
        send(pid, number)
        return pid

    @contextlib.asynccontextmanager
    async def paused(self, service: str) -> AsyncIterator[None]:
        """SIGSTOP for as long as the context lasts; whoever kills it meanwhile may."""
        pid = await self.pid(service)
        with contextlib.suppress(ProcessLookupError):
            suspend(pid)
        try:
            yield
        finally:
            send(pid, signal.SIGCONT)

    async def until_caught_up(self) -> None:
        """Returns once everything that Kafka held at the call is stored and committed, while traffic goes on."""
        partitions = range(Settings().partitions)
        ends: dict[int, int] = {}

        async def passed() -> bool:
            try:
                now = await asyncio.wait_for(self.reader.read(partitions), 10)
            except (KafkaError, OSError, TimeoutError):
                await self.reader.close()
                return False
            if not ends:
                ends.update({partition: progress.end for partition, progress in now.items()})
            return all(now[partition].committed >= end for partition, end in ends.items())

        await until(passed, seconds=180)


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@contextlib.asynccontextmanager
async def running_rig(data_dir: Path, **changes: str) -> AsyncIterator[Rig]:
    """A rig with two gateways and three processors; `changes` are settings."""
    points = FailPoints(data_dir / "fail-points")
    first = free_block(PORTS)
    wires = first + PORTS - 5
    settings = {
        **SETTINGS,
        **points.environment,
        **{f"CONVERGIO_{name.upper()}": value for name, value in changes.items()},
        "CONVERGIO_CLICKHOUSE_PORT": str(wires),
    }
    async with contextlib.AsyncExitStack() as opened:
        clickhouse = await opened.enter_async_context(Wire(wires, first + 20))
        stack = await opened.enter_async_context(
            running_stack(
                data_dir,
                first_port=first,
                policy=QUICK,
                ingest=2,
                processors=3,
                brokers=3,
                extra_env=settings,
                convergio=CONVERGIO_WITH_FAIL_POINTS,
            )
        )
        assert clickhouse.target == stack.config.clickhouse_port
        gateways = [
            await opened.enter_async_context(Wire(wires + 1 + number, stack.config.ingest_port + number))
            for number in range(stack.config.ingest)
        ]
        reader = OffsetReader(Settings(kafka_bootstrap=stack.config.kafka.bootstrap))
        opened.push_async_callback(reader.close)
        yield Rig(stack, points, clickhouse, gateways, reader)
