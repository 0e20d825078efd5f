"""A backup of ClickHouse that is restored as docs/operations.md says: Kafka brings what the backup lacks."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest

from infra.clickhouse.migrate import migrate
from tests.events import erasure, message, sent
from tests.integration.test_delivery import commit
from tests.processors import DEADLINE_SECONDS, Pipeline
from tests.servers import ClickHouseAddress

VIEWS = ("events", "sessions", "users", "lifetime")


def shown(pipeline: Pipeline) -> dict[str, list[tuple[Any, ...]]]:
    return {view: pipeline.rows(f"SELECT * FROM {view} ORDER BY ALL") for view in VIEWS}


def command(pipeline: Pipeline, *statements: str) -> None:
    with clickhouse_connect.get_client(**pipeline.clickhouse.client_options) as client:
        for statement in statements:
            client.command(statement)


def tables(pipeline: Pipeline) -> list[str]:
    """Those that hold rows."""
    return [
        str(name)
        for (name,) in pipeline.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        )
    ]


@pytest.fixture
def backup(pipeline: Pipeline, clickhouse: ClickHouseAddress) -> Iterator[str]:
    """A database for copies of all rows: the embedded engine has no folder for `BACKUP`."""
    with clickhouse.own_database() as name:
        command(pipeline, f"CREATE DATABASE {name}")
        yield name


def back_up(pipeline: Pipeline, backup: str) -> None:
    database = pipeline.settings.clickhouse_database
    for table in tables(pipeline):
        command(pipeline, f"CREATE TABLE {backup}.{table} AS {database}.{table}")
        command(pipeline, f"INSERT INTO {backup}.{table} SELECT * FROM {database}.{table}")


def restore(pipeline: Pipeline, backup: str) -> None:
    """Makes the database anew, with the rows of the backup."""
    database = pipeline.settings.clickhouse_database
    command(pipeline, f"DROP DATABASE {database} SYNC")
    migrate(pipeline.settings)
    for table in tables(pipeline):
        command(pipeline, f"TRUNCATE TABLE {database}.{table}")
        command(pipeline, f"INSERT INTO {database}.{table} SELECT * FROM {backup}.{table}")


async def processed(pipeline: Pipeline) -> dict[str, list[tuple[Any, ...]]]:
    """What is shown once a processor has committed everything and has left its group."""
    async with pipeline.processor() as process:
        await pipeline.until_committed()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)
    return await asyncio.to_thread(shown, pipeline)


async def test_events_and_erasures_since_the_backup_come_back_from_kafka_and_nothing_counts_twice(
    pipeline: Pipeline, backup: str
) -> None:
    erased, stays = sent(minutes_ago=9), sent(minutes_ago=8)
    await pipeline.send(message([erased], 0))
    await pipeline.send(message([stays], 1))
    before = await processed(pipeline)
    assert len(before["events"]) == 2
    await asyncio.to_thread(back_up, pipeline, backup)

    await pipeline.send(erasure(erased.user, 2))
    later = sent(stays.user, session=stays.session, minutes_ago=7)
    await pipeline.send(message([later, sent(erased.user, minutes_ago=6)], 3))
    right = await processed(pipeline)
    assert len(right["events"]) == 3

    await asyncio.to_thread(restore, pipeline, backup)
    assert await asyncio.to_thread(shown, pipeline) == before
    await commit(pipeline, 0)
    assert await processed(pipeline) == right
