"""Seeded schedules of two processors that crash, sleep and do not know whether what they wrote was written.

`CONVERGIO_TEST_SCHEDULES` says how many, `CONVERGIO_TEST_SEED` which is the first: one schedule of the seed that a
failure names repeats it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client

from processors.settings import ProcessorSettings
from processors.sink import Sink
from tests.faults.interleavings import Explorer, Faults
from tests.faults.views import empty_every_table

SEED = int(os.environ.get("CONVERGIO_TEST_SEED", "1"))
SCHEDULES = int(os.environ.get("CONVERGIO_TEST_SCHEDULES", "3"))
STEPS = 150


@pytest.mark.timeout(7200)
def test_every_interleaving_ends_in_what_the_log_says(
    settings: ProcessorSettings, client: Client, reports: list[str]
) -> None:
    sink, faults = Sink(settings), Faults()
    # Noon of today, so that a seed gives the same schedule at any hour.
    start_ms = int(datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).timestamp() * 1000)
    for seed in range(SEED, SEED + SCHEDULES):
        empty_every_table(client)
        Explorer(seed, settings, sink, client, faults, start_ms).run(STEPS)
    sink.close()
    reports.append(f"{SCHEDULES} schedules from seed {SEED}: {faults}")
