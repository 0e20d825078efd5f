"""Brings a ClickHouse database to the newest version of `schemas/sql`."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from infra.clickhouse.client import connect, place
from infra.clickhouse.requirements import MIGRATOR, check_grants
from infra.errors import Failure
from schemas.settings import SharedSettings
from schemas.sql import Migration, migrations

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32 COMMENT 'Number of the SQL file',
    name String COMMENT 'Name of the SQL file',
    sha256 FixedString(64) COMMENT 'Of its text when it was applied',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied'
)
ENGINE = ReplacingMergeTree(applied_at) ORDER BY version
COMMENT 'Which SQL files this database has seen'
"""

_ACCESS_DENIED = 497
_UNKNOWN_DATABASE = 81


class MigrationError(Exception):
    """A migration could not be applied; the message says which and what to do."""


def migrate(settings: SharedSettings) -> list[Migration]:
    """Creates the database if there is none, applies what is missing, returns what was applied.

    Safe to run again and from several machines: every statement can be repeated. Raises `MigrationError` when
    a statement fails, or when a file that was applied has been edited since; `Failure` when the server or the user
    cannot be used for it.
    """
    with _connected(settings) as client:
        check_grants(client, settings, MIGRATOR)
        client.command(_LEDGER)
        applied = _applied(client)
        missing = []
        for migration in migrations():
            if migration.version not in applied:
                missing.append(migration)
            elif applied[migration.version] != _digest(migration):
                raise MigrationError(
                    f"migration {migration.version:03}_{migration.name}.sql was edited after it had been applied; "
                    "restore it and put the change into a new file"
                )
        for migration in missing:
            _apply(client, migration)
    return missing


def _connected(settings: SharedSettings) -> Client:
    try:
        return connect(settings, MIGRATOR.needs)
    except DatabaseError as error:
        if error.code != _UNKNOWN_DATABASE:
            raise
    _create_database(settings)
    return connect(settings, MIGRATOR.needs)


def _create_database(settings: SharedSettings) -> None:
    database = settings.clickhouse_database
    with connect(settings, MIGRATOR.needs, database=False) as client:
        try:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        except DatabaseError as error:
            if error.code != _ACCESS_DENIED:
                raise
            user = settings.clickhouse_user
            raise Failure(
                f"{place(settings)} has no database {database} that {user} may see, and {user} may not create it; "
                f"run CREATE DATABASE {database}, or GRANT CREATE DATABASE ON {database}.* TO {user}"
            ) from error


def _applied(client: Client) -> dict[int, str]:
    rows = client.query("SELECT version, sha256 FROM schema_migrations FINAL").result_rows
    return {int(version): digest.decode() for version, digest in rows}


def _apply(client: Client, migration: Migration) -> None:
    for statement in migration.statements:
        try:
            client.command(statement)
        except ClickHouseError as error:
            first_line = statement.splitlines()[0]
            raise MigrationError(
                f"migration {migration.version:03}_{migration.name}.sql failed at «{first_line}»: {error}"
            ) from error
    client.insert(
        "schema_migrations",
        [[migration.version, migration.name, _digest(migration).encode(), datetime.now(UTC)]],
        column_names=["version", "name", "sha256", "applied_at"],
    )


def _digest(migration: Migration) -> str:
    return sha256(migration.sql.encode()).hexdigest()
