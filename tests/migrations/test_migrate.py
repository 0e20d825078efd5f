"""The database as `convergio migrate` leaves it."""

from __future__ import annotations

import clickhouse_connect
import pytest

from infra.clickhouse.migrate import MigrationError, migrate
from schemas.events import ACTION_COLUMNS
from schemas.settings import SharedSettings
from schemas.sql import migrations
from tests.servers import ClickHouseAddress


@pytest.fixture
def shared_settings(clickhouse: ClickHouseAddress, database: str) -> SharedSettings:
    return SharedSettings(
        **clickhouse.settings(database),
    )


def rows(clickhouse: ClickHouseAddress, database: str, query: str) -> list[tuple[object, ...]]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        return [tuple(row) for row in client.query(query).result_rows]


def test_the_first_run_applies_everything_and_the_second_nothing(shared_settings: SharedSettings) -> None:
    assert migrate(shared_settings) == migrations()
    assert migrate(shared_settings) == []


def test_every_table_and_every_column_has_a_comment(
    shared_settings: SharedSettings, clickhouse: ClickHouseAddress, database: str
) -> None:
    migrate(shared_settings)
    tables = "SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''"
    columns = "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''"
    assert rows(clickhouse, database, tables) == []
    assert rows(clickhouse, database, columns) == []


def test_sessions_and_totals_count_every_action(
    shared_settings: SharedSettings, clickhouse: ClickHouseAddress, database: str
) -> None:
    migrate(shared_settings)
    for table in ("sessions_data", "totals_data", "sessions", "lifetime", "lifetime_sums"):
        query = f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{table}'"
        assert {name for (name,) in rows(clickhouse, database, query)} >= set(ACTION_COLUMNS.values())


def test_a_file_that_was_edited_after_it_was_applied_is_refused(
    shared_settings: SharedSettings, clickhouse: ClickHouseAddress, database: str
) -> None:
    migrate(shared_settings)
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        client.command(
            "INSERT INTO schema_migrations SELECT version, name, repeat('0', 64), applied_at + 1 FROM schema_migrations"
        )
    with pytest.raises(MigrationError, match=r"001_tables\.sql was edited after it had been applied"):
        migrate(shared_settings)
