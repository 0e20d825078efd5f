"""Every kind of fault at random, under load: nothing lost, nothing twice, every number equal to the oracle's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import campaign
from tests.faults.rig import running_rig


@pytest.mark.timeout(7200)
async def test_faults_at_random_lose_nothing_and_double_nothing(
    tmp_path: Path, seed: int, campaign_minutes: float, together: int, reports: list[str]
) -> None:
    async with running_rig(tmp_path / "stack") as rig:
        outcome = await campaign.run(rig, seed, tmp_path, seconds=campaign_minutes * 60, together=together)
    reports.append(str(outcome))
    assert outcome.good, str(outcome)
