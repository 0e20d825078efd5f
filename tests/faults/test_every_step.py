"""A processor that dies at a step of its work, and again at the same step when it comes back: every step in turn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.failpoints import Action
from tests.faults.injections import STEPS
from tests.faults.leavers import Leavers
from tests.faults.loads import load
from tests.faults.rig import OPERATOR_TOKEN, running_rig
from tests.faults.verdict import judge
from tests.oracle import read_ledger


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_processor_that_dies_twice_at_any_step_loses_nothing_and_doubles_nothing(
    tmp_path: Path, seed: int
) -> None:
    ledger = tmp_path / "ledger.ndjson"
    async with running_rig(tmp_path / "stack") as rig:
        leavers = Leavers(rig.stack.origin, OPERATOR_TOKEN, seed)
        async with load(rig.stack, ledger, rate=200, seed=seed), asyncio.TaskGroup() as tasks:
            tasks.create_task(leavers.run())
            for step in STEPS:
                dead = len(rig.points.spent) + 2
                rig.points.arm(step, Action.KILL, times=2)
                while len(rig.points.spent) < dead:  # noqa: ASYNC110 - the event is another process's death
                    await asyncio.sleep(0.1)
                await rig.until_caught_up()
            leavers.stop()
        verdict = await judge(rig.stack, [*read_ledger(ledger), *leavers.shown], leavers.erased)
    assert verdict.good, str(verdict)
