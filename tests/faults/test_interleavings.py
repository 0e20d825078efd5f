"""Seeded schedules of two processors that crash, sleep and do not know whether what they wrote was written.

A failure names the seed of its schedule; CONVERGIO_TEST_SEED=that repeats it first.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from processors.settings import ProcessorSettings
from processors.sink import Sink
from tests.faults.fates import Faults
from tests.faults.interleavings import Explorer
from tests.faults.views import empty_every_table

SCHEDULES_PER_MINUTE = 3
STEPS = 1500


@pytest.mark.timeout(7200)
def test_every_interleaving_ends_in_what_the_log_says(
    settings: ProcessorSettings, client: Client, seed: int, minutes: float, reports: list[str]
) -> None:
    sink, faults = Sink(settings), Faults()
    # Noon of today, so that a seed gives the same schedule at any hour.
    start_ms = int(datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).timestamp() * 1000)
    schedules = round(SCHEDULES_PER_MINUTE * minutes)
    for number in range(schedules):
        empty_every_table(client)
        Explorer(seed + number, settings, sink, client, faults, start_ms).run(STEPS)
    sink.close()
    reports.append(f"{schedules} schedules from seed {seed}: {faults}")
