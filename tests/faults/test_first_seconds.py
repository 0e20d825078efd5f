"""A partition that has records and no commit: no record is skipped, and no commit is ahead of what is stored.

A failure of the random schedules names the seed; CONVERGIO_TEST_SEED=that plays it first.
"""

from __future__ import annotations

import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from infra.local.ports import free_ports
from tests.faults.deliveries import Commits, Ledger, until_everything_is_committed
from tests.faults.fetch_in_hand import CONVERGIO_WITH_INTERRUPTIONS, Interruption, Kind
from tests.faults.first_seconds_play import Servers, explore
from tests.faults.wire import Wire
from tests.processors import DEADLINE_SECONDS, Pipeline, until
from tests.servers import ClickHouseAddress

PROCESSOR = (*CONVERGIO_WITH_INTERRUPTIONS, "process")
RECORDS = 50
TOGETHER = 3
"""Schedules at the same time."""
BEGINNING_SHARE = 0.5
"""Of the time that a run may take, how long new schedules begin: one takes about 15 s."""


@pytest.fixture
async def commits(pipeline: Pipeline) -> AsyncIterator[Commits]:
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.kafka_bootstrap)
    await admin.start()
    yield Commits.of(pipeline, admin)
    await admin.close()


async def send_to_both(ledger: Ledger, count: int) -> None:
    for partition in (0, 1):
        await ledger.send(partition, count)


async def until_members(pipeline: Pipeline, commits: Commits, count: int) -> None:
    """Waits until so many processors share the partitions."""

    async def shared() -> bool:
        return len(await commits.members() or ()) == count

    await until(shared, pipeline.log)


async def until_it_happened(pipeline: Pipeline, interruption: Interruption, processor: Process) -> None:
    async def happened() -> bool:
        return interruption.happened(processor.pid)

    await until(happened, pipeline.log)


async def expect_everything_delivered(ledger: Ledger, commits: Commits) -> None:
    await until_everything_is_committed(ledger, commits, DEADLINE_SECONDS)
    ledger.expect_everything_stored_once()


async def test_a_flow_that_stops_with_the_first_fetch_in_hand_skips_no_record(
    pipeline: Pipeline, commits: Commits, tmp_path: Path
) -> None:
    interruption, ledger = Interruption(Kind.ONCE, tmp_path / "interruption"), Ledger(pipeline)
    await send_to_both(ledger, RECORDS)
    async with pipeline.processor(PROCESSOR, interruption.environment) as processor:
        await until_it_happened(pipeline, interruption, processor)
        await send_to_both(ledger, 1)
        await expect_everything_delivered(ledger, commits)


@pytest.mark.parametrize("change", ["join", pytest.param("kill", marks=pytest.mark.long)])
async def test_a_rebalance_before_the_first_commit_with_a_fetch_in_hand_skips_no_record(
    pipeline: Pipeline, commits: Commits, tmp_path: Path, change: str
) -> None:
    interruption, ledger = Interruption(Kind.REBALANCE, tmp_path / "interruption"), Ledger(pipeline)
    await send_to_both(ledger, RECORDS)
    (port,) = free_ports(1)
    async with AsyncExitStack() as opened:
        clickhouse = await opened.enter_async_context(Wire(port, pipeline.settings.clickhouse_port))
        pipeline.settings.clickhouse_port = port
        # Nothing can be stored, so nothing is committed.
        async with clickhouse.refused():
            first = await opened.enter_async_context(pipeline.processor(PROCESSOR, interruption.environment))
            await until_members(pipeline, commits, 1)
            other = await opened.enter_async_context(pipeline.beside().processor(PROCESSOR, interruption.environment))
            await until_it_happened(pipeline, interruption, first)
            if change == "kill":
                await until_members(pipeline, commits, 2)
                first.send_signal(signal.SIGKILL)
                await until_it_happened(pipeline, interruption, other)
        await send_to_both(ledger, 1)
        await expect_everything_delivered(ledger, commits)


@pytest.mark.timeout(7200)
async def test_whoever_comes_and_goes_in_the_first_seconds_every_record_is_stored_once(
    kafka_bootstrap: str,
    clickhouse: ClickHouseAddress,
    tmp_path: Path,
    seed: int,
    minutes: float,
    reports: list[str],
) -> None:
    async with Servers.connected(kafka_bootstrap, clickhouse) as servers:
        outcome = await explore(seed, servers, tmp_path, together=TOGETHER, seconds=minutes * 60 * BEGINNING_SHARE)
    reports.append(f"first seconds from seed {seed}: {outcome}")
