"""Analysts see what the views show, never the tables; and the statements that we ship are ClickHouse's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from infra.clickhouse.client import connect
from processors.settings import ProcessorSettings
from schemas.settings import SharedSettings
from tests.events import erasure, message, sent
from tests.in_process import Processor
from tests.operations.test_clickhouse_users import Server, prepared, server
from tests.shipped_users import shipped_users, statements

_ACCESS_DENIED, _READONLY, _TOO_MANY_ROWS = 497, 164, 396
VIEWS = [
    found[1] for view in statements("analyst_views.sql") if (found := re.search(r"convergio_analysis\.(\w+)", view))
]


def analyst_of(clickhouse: Server) -> Client:
    return connect(SharedSettings(**clickhouse.settings("analyst"), clickhouse_database="convergio_analysis"))


def refused(client: Client, statement: str) -> int | None:
    with pytest.raises(DatabaseError) as error:
        client.command(statement)
    return error.value.code


async def test_an_analyst_reads_every_view_and_no_table(tmp_path: Path) -> None:
    async with server(tmp_path) as clickhouse:
        await prepared(clickhouse)
        kept, gone = sent(minutes_ago=2), sent(minutes_ago=1)
        processor = Processor(ProcessorSettings(**clickhouse.settings("processor")))
        await asyncio.to_thread(processor.flush, message([kept, gone], 1), erasure(gone.user, 2))
        await asyncio.to_thread(look_around, clickhouse, kept.user, gone.user)


def look_around(clickhouse: Server, kept: str, gone: str) -> None:
    with clickhouse.admin() as admin:
        admin.command("CREATE DATABASE convergio_analysis")
        for _ in range(2):
            for statement in statements("analyst_views.sql"):
                admin.command(statement)
        tables = [row[0] for row in admin.query("SHOW TABLES FROM convergio").result_rows]
        shown = {view: admin.query(f"SELECT * FROM convergio.{view}").result_rows for view in VIEWS}
        assert admin.query("SELECT count() FROM convergio.events_data").result_rows == [(2,)]
    with analyst_of(clickhouse) as analyst:
        for view in VIEWS:
            rows = analyst.query(f"SELECT * FROM {view}").result_rows
            assert len(rows) == len(shown[view]), view
            assert view == "rolling_windows" or sorted(map(str, rows)) == sorted(map(str, shown[view]))
        assert [str(user) for (user,) in analyst.query("SELECT user_id FROM events").result_rows] == [kept]
        assert analyst.query(f"SELECT count() FROM events WHERE user_id = '{gone}'").result_rows == [(0,)]
        for table in tables:
            assert refused(analyst, f"SELECT * FROM convergio.{table}") == _ACCESS_DENIED, table
        assert refused(analyst, "INSERT INTO events (user_id) VALUES (generateUUIDv4())") in (_ACCESS_DENIED, _READONLY)
        assert refused(analyst, "DROP VIEW events") in (_ACCESS_DENIED, _READONLY)
        comments = (
            "SELECT count() FROM system.columns WHERE database = 'convergio' AND table = 'sessions' AND comment != ''"
        )
        assert analyst.query(comments).result_rows[0][0] > 5


async def test_an_analyst_cannot_lift_the_limits(tmp_path: Path) -> None:
    async with server(tmp_path) as clickhouse:
        await prepared(clickhouse)
        limits = shipped_users()["analyst"].settings
        assert {"max_execution_time", "max_memory_usage", "max_threads", "max_result_rows"} <= limits.keys()

        def lift() -> None:
            with analyst_of(clickhouse) as analyst:
                for name in limits:
                    value = "'break'" if name == "result_overflow_mode" else "0"
                    assert refused(analyst, f"SELECT 1 SETTINGS {name} = {value}") == _READONLY, name
                assert refused(analyst, "SELECT number FROM numbers(2000000)") == _TOO_MANY_ROWS

        with clickhouse.admin() as admin:
            admin.command("CREATE DATABASE convergio_analysis")
        await asyncio.to_thread(lift)


def test_the_pages_views_are_those_of_analysts() -> None:
    page = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text()
    assert re.findall(r"(?m)^\| `(\w+)` \|", page) == VIEWS
    assert len(VIEWS) == len(statements("analyst_views.sql"))


async def test_every_shipped_statement_is_one_of_clickhouse(tmp_path: Path) -> None:
    async with server(tmp_path) as clickhouse:
        with clickhouse.admin("default") as admin:
            for statement in (*statements("users.sql"), *statements("analyst_views.sql")):
                admin.command(f"EXPLAIN AST {statement}")
            known = {row[0] for row in admin.query("SELECT name FROM system.settings").result_rows}
            for user in shipped_users().values():
                assert user.settings.keys() <= known
            (forgotten,) = [each for each in statements("users.sql") if "${EXPORTER_SHA256}" in each]
            assert refused(admin, forgotten) == 36  # BAD_ARGUMENTS: no hash, so no user with a password that is known


def test_nobody_but_the_migrator_changes_tables_and_nobody_grants() -> None:
    users = shipped_users()
    assert {*users} == {"migrator", "processor", "exporter", "auditor", "viewer", "analyst"}
    grants = {name: " ".join(user.grants) for name, user in users.items()}
    assert not any("GRANT OPTION" in granted or "ALL" in granted for granted in grants.values())
    assert [name for name, granted in grants.items() if re.search("CREATE|DROP|ALTER TABLE", granted)] == ["migrator"]
    assert [name for name, granted in grants.items() if "INSERT" in granted] == ["migrator", "processor"]
