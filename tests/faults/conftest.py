"""One processor's settings, a freshly started processor and a reader, on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse.migrate import migrate
from processors.settings import ProcessorSettings
from tests.integration.test_flush import Processor
from tests.servers import ClickHouseAddress


@pytest.fixture
def settings(clickhouse: ClickHouseAddress, database: str) -> ProcessorSettings:
    """A retention of one day: few day partitions, and days that are soon closed."""
    settings = ProcessorSettings(**clickhouse.settings(database), retention_days=1)
    migrate(settings)
    return settings


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, settings: ProcessorSettings) -> Iterator[Client]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        yield client


@pytest.fixture
def processor(settings: ProcessorSettings) -> Iterator[Processor]:
    processor = Processor(settings)
    yield processor
    processor.sink.close()
