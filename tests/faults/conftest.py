"""Fixtures of the fault tests: how long to search, what a run found, and processors in pieces.

`make faults SEED=7 MINUTES=15 TOGETHER=1` sets CONVERGIO_TEST_SEED, _MINUTES and _TOGETHER; without them a run is
short, and from a seed of its own (`tests/seed.py`). What a test adds to `reports` is printed at the end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse.migrate import migrate
from processors.settings import ProcessorSettings
from processors.sink import Sink
from tests.faults.jobs import no_stops, stop_jobs_at_steps
from tests.faults.owners import Owner, StartSleeper
from tests.faults.views import empty_every_table
from tests.in_process import Processor
from tests.servers import ClickHouseAddress

SHORT_MINUTES = 0.3
SHORT_CAMPAIGN_MINUTES = 0.2
"""One round, or two: the campaign finishes the one that it has begun."""
MANY = 10
_REPORTS = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def minutes() -> float:
    """How long to go on injecting faults."""
    return float(os.environ.get("CONVERGIO_TEST_MINUTES", SHORT_MINUTES))


@pytest.fixture(scope="session")
def campaign_minutes() -> float:
    """The same, where a stack of many processes goes through it."""
    return float(os.environ.get("CONVERGIO_TEST_MINUTES", SHORT_CAMPAIGN_MINUTES))


@pytest.fixture(scope="session")
def together() -> int:
    """How many faults may come at once."""
    return int(os.environ.get("CONVERGIO_TEST_TOGETHER", MANY))


@pytest.fixture
def reports(pytestconfig: pytest.Config) -> list[str]:
    """What is added here is printed at the end of the run, also of a good one."""
    return pytestconfig.stash.setdefault(_REPORTS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in config.stash.get(_REPORTS, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(report)


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseAddress) -> Iterator[ProcessorSettings]:
    """A retention of one day: few day partitions, and days that are soon closed."""
    database = f"test_{uuid.uuid4().hex[:12]}"
    settings = ProcessorSettings(**clickhouse.settings(database), retention_days=1)
    migrate(settings)
    yield settings
    with clickhouse_connect.get_client(**clickhouse.client_options) as client:
        client.command(f"DROP DATABASE IF EXISTS {database} SYNC")


@pytest.fixture
def client(clickhouse: ClickHouseAddress, settings: ProcessorSettings) -> Iterator[Client]:
    database = settings.clickhouse_database
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        empty_every_table(client)
        yield client


@pytest.fixture
def processor(settings: ProcessorSettings, client: Client) -> Iterator[Processor]:
    processor = Processor(settings)
    yield processor
    processor.sink.close()


@pytest.fixture
def start_sleeper(settings: ProcessorSettings, client: Client) -> Iterator[StartSleeper]:
    """Starts owners that stop at every step and statement."""
    sink, owners = Sink(settings), list[Owner]()

    def start() -> Owner:
        owner = Owner("sleeper", settings, sink, lambda: datetime.now(UTC))
        owners.append(owner)
        return owner

    stop_jobs_at_steps()
    yield start
    for owner in owners:
        owner.end()
    no_stops()
    sink.close()
