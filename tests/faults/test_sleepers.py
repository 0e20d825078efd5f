"""Processors that are paused until their partitions are given to another, and then wake up with what they had read."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.settings import Settings
from processors.offsets import OffsetReader
from tests.faults.loads import expect_every_number_exact, load, until_more_is_stored
from tests.stacks import RunningStack, running_stack, until

SETTINGS = {
    "CONVERGIO_SESSION_TIMEOUT_SECONDS": "6",
    # Few enough that most users are read back from ClickHouse again and again.
    "CONVERGIO_CACHE_EVENTS": "200",
}


async def until_all_is_committed(stack: RunningStack) -> None:
    """Returns once the one that is awake has taken over every partition and emptied it, while traffic goes on."""
    settings = Settings(kafka_bootstrap=stack.config.kafka.bootstrap)
    reader = OffsetReader(settings)
    partitions = range(settings.partitions)
    at_first = await reader.read(partitions)

    async def passed() -> bool:
        now = await reader.read(partitions)
        return all(now[partition].committed >= at_first[partition].end for partition in partitions)

    await until(passed)
    await reader.close()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_sleeper_that_wakes_up_corrupts_nothing(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    async with running_stack(tmp_path / "stack", processors=2, extra_env=SETTINGS) as stack:
        async with load(stack, ledger):
            for sleeper in ("processor-0", "processor-1"):
                await until_more_is_stored(stack)
                with stack.paused(sleeper):
                    await until_all_is_committed(stack)
                await until_more_is_stored(stack)
        await expect_every_number_exact(stack, ledger)
    assert not [event for event in stack.happenings if event.kind == "died"]
