"""Processes killed under load: what was answered 202 is stored, once, and every number is exact.

Runs against the local stack, whose supervisor starts again what dies, as an orchestrator does in production.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.loads import expect_every_number_exact, load, until_more_is_stored
from tests.stacks import running_stack

KILLED_IN_TURN = ("processor-0", "clickhouse", "ingest-0", "processor-1", "kafka")


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled_when_any_process_is_killed_under_load(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    async with running_stack(tmp_path / "stack", ingest=2, processors=2) as stack:
        async with load(stack, ledger):
            for service in KILLED_IN_TURN:
                await until_more_is_stored(stack)
                await stack.kill(service)
        await expect_every_number_exact(stack, ledger)
    died = [event.service for event in stack.happenings if event.kind == "died"]
    assert died == list(KILLED_IN_TURN), "each was killed once, and took no other along"
