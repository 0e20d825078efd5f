"""A partition that has records and no commit: whatever happens then, nothing is skipped and no commit is ahead."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.events import message, sent
from tests.faults.first_seconds import Schedule
from tests.faults.first_seconds_play import Outcome, Servers, play
from tests.faults.stopped_flow import COMMAND, STOPPED
from tests.processors import Pipeline
from tests.servers import ClickHouseAddress

RECORDS = 50
SECONDS_PER_MINUTE = 40.0
"""Of the minutes that a run may take, how long new schedules begin."""


@pytest.mark.parametrize("committed", [0, 10], ids=["without a commit", "with a commit"])
async def test_a_flow_that_stops_while_a_fetch_is_in_hand_skips_nothing(pipeline: Pipeline, committed: int) -> None:
    for _ in range(committed):
        await pipeline.send(message([sent()], 0))
    if committed:
        async with pipeline.processor():
            await pipeline.until_committed()
    for _ in range(RECORDS):
        await pipeline.send(message([sent()], 0))
    async with pipeline.processor(COMMAND):
        await pipeline.until_committed()
        await pipeline.send(message([sent()], 0))
        await pipeline.until_committed()
    assert STOPPED in pipeline.log.read_text()
    assert pipeline.stored() == committed + RECORDS + 1


@pytest.mark.timeout(7200)
async def test_whatever_comes_and_goes_in_the_first_seconds_no_record_is_skipped(
    kafka_bootstrap: str,
    clickhouse: ClickHouseAddress,
    tmp_path: Path,
    seed: int,
    minutes: float,
    reports: list[str],
) -> None:
    outcome, began = Outcome(), time.monotonic()
    async with Servers.connected(kafka_bootstrap, clickhouse) as servers:
        number = 0
        while not number or time.monotonic() - began < minutes * SECONDS_PER_MINUTE:
            both = [Schedule.draw(seed + number + place) for place in range(2)]
            await asyncio.gather(*(play(each, servers, tmp_path / str(each.seed)) for each in both))
            for each in both:
                outcome.add(each)
            number += len(both)
    reports.append(f"first seconds, from seed {seed}: {outcome}")
