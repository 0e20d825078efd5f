"""Processes killed under load: what was answered 202 is stored, once, and every number is exact.

Runs against the local stack, whose supervisor starts again what dies, as an orchestrator does in production.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.commands import COMMAND
from tests.oracle import Oracle, read_ledger
from tests.stacks import RunningStack, running_stack, until

KILLED_IN_TURN = ("processor-0", "clickhouse", "ingest-0", "processor-1", "kafka")


@contextlib.asynccontextmanager
async def load(stack: RunningStack, ledger: Path) -> AsyncIterator[None]:
    """Traffic for as long as the context lasts; every batch is kept until it is answered."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("simulate", "--rate", "300", "--users", "80", "--batch", "20", "--days", "3"),
        *("--duplicates", "0.1", "--late", "0.1", "--bad", "0.02", "--ledger", str(ledger)),
        *(part for url in stack.config.gateways for part in ("--url", url)),
        env=stack.convergio.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0, "a batch was not answered, or answered wrongly"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def stored_events(stack: RunningStack) -> int:
    ((count,),) = await stack.rows("SELECT count() FROM events")
    return int(count)


async def until_more_is_stored(stack: RunningStack) -> None:
    before = await stored_events(stack)

    async def more() -> bool:
        return await stored_events(stack) > before

    await until(more)


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled_when_any_process_is_killed_under_load(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    async with running_stack(tmp_path / "stack", ingest=2, processors=2) as stack:
        async with load(stack, ledger):
            for service in KILLED_IN_TURN:
                await until_more_is_stored(stack)
                await stack.kill(service)
        report = await stack.audit()
        oracle = Oracle(read_ledger(ledger))
        assert report["good"]
        assert report["unique"] == report["stored"] == len(oracle.events) > 1000
        assert await stack.event_rows() == oracle.event_rows()
        assert await stack.session_rows() == oracle.session_rows()
        ((sessions, study_ms),) = await stack.rows("SELECT sessions, study_ms FROM lifetime")
        assert sessions == len(oracle.sessions)
        assert study_ms == sum(session.study_ms for session in oracle.sessions.values())
    died = [event.service for event in stack.happenings if event.kind == "died"]
    assert died == list(KILLED_IN_TURN), "each was killed once, and took no other along"
