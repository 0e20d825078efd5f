"""Processors that come and go under load: partitions change hands every few seconds, and some come straight back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.faults.injections import join_and_leave
from tests.faults.loads import load
from tests.faults.rig import running_rig
from tests.faults.verdict import judge
from tests.oracle import read_ledger

GUESTS = 8


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_processors_that_join_and_leave_every_few_seconds_lose_nothing_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    ledger = tmp_path / "ledger.ndjson"
    rng = Random(seed)

    async def guests(number: int) -> None:
        await asyncio.sleep(number)
        for _ in range(GUESTS // 2):
            await join_and_leave(rig, rng)

    async with running_rig(tmp_path / "stack") as rig:
        async with load(rig.stack, ledger, rate=200, seed=seed):
            await asyncio.gather(guests(0), guests(3))
            await rig.until_caught_up()
        verdict = await judge(rig.stack, read_ledger(ledger))
    assert verdict.good, str(verdict)
