"""The users that we ship, under the engine's own access control: each does its part, whatever its profile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.audit import stored
from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.clickhouse.requirements import AUDITOR, EXPORTER, PROCESSOR, Requirements, check_server
from infra.errors import Failure
from infra.local.ports import HOST, free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from processors.housekeeping import Housekeeping
from processors.metrics import ProcessorMetrics
from processors.settings import ProcessorSettings
from processors.sink import Sink
from schemas.settings import SharedSettings
from schemas.sql import migrations
from tests.closing import close_days, write_retention_announced_in_time
from tests.commands import COMMAND, Convergio
from tests.conftest import MakeTopic
from tests.events import erasure, expected_sessions, message, sent
from tests.exporter import ManualClock, running_exporter
from tests.gateway import until
from tests.in_process import FlushFailed, Processor
from tests.integration.test_flush import sessions
from tests.limited_clickhouse import LimitedClickHouse, User
from tests.processors import Pipeline
from tests.servers import running
from tests.shipped_users import shipped_users
from tests.sweeping import swept

HOSTILE = {
    "final": "1",
    "use_query_cache": "1",
    "query_cache_nondeterministic_function_handling": "save",
    "query_cache_system_table_handling": "save",
    "async_insert": "1",
    "wait_for_async_insert": "0",
    "aggregate_functions_null_for_empty": "1",
    "empty_result_for_aggregation_by_empty_set": "1",
    "prefer_column_name_to_alias": "1",
    "data_type_default_nullable": "1",
    "materialized_views_ignore_errors": "1",
    "input_format_allow_errors_num": "100",
    "input_format_skip_unknown_fields": "0",
    "date_time_input_format": "basic",
    "max_partitions_per_insert_block": "1",
    "session_timezone": "Pacific/Kiritimati",
    "output_format_json_quote_64bit_integers": "1",
    "output_format_json_named_tuples_as_objects": "1",
    "enable_named_columns_in_function_tuple": "1",
    "output_format_json_map_as_array_of_tuples": "1",
    "date_time_output_format": "unix_timestamp",
    "join_use_nulls": "1",
    "apply_mutations_on_fly": "1",
    "do_not_merge_across_partitions_select_final": "1",
    "insert_quorum": "2",
    "max_query_size": "20000",
}
"""A profile of the strangest values."""


@dataclass(frozen=True)
class Server:
    """A ClickHouse with the shipped users, and the users of a test."""

    port: int
    users: Mapping[str, User]

    def settings(self, who: str) -> dict[str, Any]:
        """Settings of ours for a user."""
        user = self.users[who]
        return {
            "clickhouse_port": self.port,
            "clickhouse_user": user.name,
            "clickhouse_password": SecretStr(user.password),
        }

    def admin(self, database: str = "convergio") -> Client:
        return clickhouse_connect.get_client(host=HOST, port=self.port, database=database)


@asynccontextmanager
async def server(data_dir: Path, *changed: User) -> AsyncIterator[Server]:
    users = shipped_users()
    users |= {user.name: user for user in changed}
    (port,) = free_ports(1)
    engine = LimitedClickHouse(data_dir, port, list(users.values()))
    async with running(Service("clickhouse", engine.command(), ready=answers_ok(port, "/ping")), data_dir):
        yield Server(port, users)


async def process_and_read(clickhouse: Server, writer: str, reader: str, auditor: str = "auditor") -> None:
    """Stores, repeats, erases, sweeps and closes days as one user, and reads what is left as another."""
    settings = ProcessorSettings(**clickhouse.settings(writer), retention_check_seconds=0.01)
    processor = Processor(settings)
    user, session = sent().user, sent().session
    kept = [sent(user, session=session, minutes_ago=minutes) for minutes in (12, 11, 10)]
    gone = [sent(minutes_ago=minutes) for minutes in (9, 8)]
    old = [sent(minutes_ago=60 * 24 * (settings.retention_days + days)) for days in (4, 5)]

    def work() -> None:
        processor.flush(message([*kept, *gone], 1), message(old, 2))
        processor.restart()
        processor.flush(message([*kept, kept[0]], 3), *(erasure(event.user, 4 + n) for n, event in enumerate(gone)))
        swept(processor.sink)
        assert sorted(close_days(processor.sink, datetime.now(UTC), settings.retention_days)) == sorted(
            {event.at.date().isoformat() for event in old}
        )

    await asyncio.to_thread(work)
    with clickhouse.admin() as admin:
        assert admin.query("SELECT count() FROM events_data").result_rows == [(len(kept),)]
        assert sessions(admin) == expected_sessions(kept)
        assert admin.query("SELECT sessions, events FROM lifetime").result_rows == [(5, 7)]
    exporter_settings = ExporterSettings(
        **clickhouse.settings(reader), refresh_seconds=60, stale_seconds=90, overview="open"
    )
    async with running_exporter(exporter_settings, ManualClock(datetime.now(UTC))) as exporter:
        samples = await exporter.samples()
        assert samples['convergio_sessions_total{period="all"}'] == 5
        assert samples['convergio_sessions_total{period="1h"}'] == 1
        assert samples['convergio_users_active{period="7d"}'] == 1
        answer = await exporter.get("/api/telemetry/stats", Cookie=f"convergio_uid={user}")
        assert answer.status == 200
        assert cast("dict[str, int]", answer.json()["totals"])["sessions"] == 1
        overview = await exporter.get("/api/overview")
        assert overview.status == 200
        assert cast("dict[str, int]", overview.json()["sinceBeginning"])["sessions"] == 5
        assert cast("dict[str, str]", overview.json()["health"])["closedDay"] == max(
            event.at.date().isoformat() for event in old
        )
    await asyncio.to_thread(read_for_an_audit, SharedSettings(**clickhouse.settings(auditor)), len(kept))


def read_for_an_audit(settings: SharedSettings, events: int) -> None:
    """What `convergio audit` reads."""
    with connect(settings) as client:
        assert sum(len(rows) for _, rows in stored.events_by_user(client)) == events
        assert stored.physical_copies(client) == 0
        assert len(stored.erasures(client)) == 2
        assert stored.session_count(client) == 1
        assert stored.session_differences(client, settings.session_gap_seconds * 1000) == []


async def prepared(clickhouse: Server, migrator: str = "migrator") -> None:
    """Creates the database and its tables."""
    with clickhouse.admin("default") as admin:
        admin.command("CREATE DATABASE convergio")
    settings = SharedSettings(**clickhouse.settings(migrator))
    assert await asyncio.to_thread(migrate, settings) == migrations()
    assert await asyncio.to_thread(migrate, settings) == []


def named(who: str, name: str, **settings: str) -> User:
    """The shipped user under another name, with further settings."""
    user = shipped_users()[who]
    return replace(user, name=name, settings={**user.settings, **settings})


def refusal(clickhouse: Server, who: str, required: Requirements) -> str:
    """What the start check says, after the server's address."""
    with pytest.raises(Failure) as raised:
        check_server(SharedSettings(**clickhouse.settings(who)), required)
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)
    return str(raised.value).removeprefix(f"ClickHouse at {HOST}:{clickhouse.port} ")


async def test_each_user_does_its_part_with_the_shipped_grants(tmp_path: Path) -> None:
    async with server(tmp_path) as clickhouse:
        await prepared(clickhouse)
        for who, required in (("processor", PROCESSOR), ("exporter", EXPORTER), ("auditor", AUDITOR)):
            await asyncio.to_thread(check_server, SharedSettings(**clickhouse.settings(who)), required)
        await process_and_read(clickhouse, "processor", "exporter")


async def test_no_profile_changes_what_a_statement_means(tmp_path: Path) -> None:
    changed = [named(who, f"strange_{who}", **HOSTILE) for who in ("migrator", "processor", "exporter", "auditor")]
    changed[2:] = [replace(user, settings={**user.settings, "readonly": "0"}) for user in changed[2:]]
    async with server(tmp_path, *changed) as clickhouse:
        await prepared(clickhouse, "strange_migrator")
        with clickhouse.admin() as admin:
            nullable = "SELECT table, name FROM system.columns WHERE database = 'convergio' AND type LIKE '%Nullable%'"
            assert admin.query(nullable).result_rows == []
        await process_and_read(clickhouse, "strange_processor", "strange_exporter", "strange_auditor")


async def test_a_limit_of_a_profile_fails_a_flush_and_never_cuts_what_it_reads(tmp_path: Path) -> None:
    limited = named(
        "processor", "limited", max_rows_to_read="1", read_overflow_mode="break", result_overflow_mode="break"
    )
    async with server(tmp_path, limited) as clickhouse:
        await prepared(clickhouse)
        events = [sent(minutes_ago=minutes) for minutes in (3, 2, 1)]
        full = Processor(ProcessorSettings(**clickhouse.settings("processor")))
        await asyncio.to_thread(full.flush, message(events, 1))
        cut = Processor(ProcessorSettings(**clickhouse.settings("limited")))
        with pytest.raises(FlushFailed, match="TOO_MANY_ROWS"):
            await asyncio.to_thread(cut.flush, message(events, 2))
        with clickhouse.admin() as admin:
            assert admin.query("SELECT count() FROM events_data").result_rows == [(3,)]


@pytest.mark.parametrize("readonly", ["0", "1", "2"])
async def test_the_exporter_works_whatever_its_user_may_change(tmp_path: Path, readonly: str) -> None:
    reader = named("exporter", "a_reader", readonly=readonly, session_timezone="America/St_Johns")
    async with server(tmp_path, reader) as clickhouse:
        await prepared(clickhouse)
        await asyncio.to_thread(check_server, SharedSettings(**clickhouse.settings("a_reader")), EXPORTER)
        await process_and_read(clickhouse, "processor", "a_reader")


async def test_a_reader_that_may_not_change_a_wrong_setting_is_refused_by_name(tmp_path: Path) -> None:
    wrong = named("exporter", "wrong", result_overflow_mode="break")
    async with server(tmp_path, wrong) as clickhouse:
        await prepared(clickhouse)
        said = await asyncio.to_thread(refusal, clickhouse, "wrong", EXPORTER)
        assert said == (
            "cannot be used: its user has result_overflow_mode='break' and may not change it; "
            "set result_overflow_mode='throw' in the user's settings profile"
        )
        settings = ExporterSettings(**clickhouse.settings("wrong"), refresh_seconds=60, stale_seconds=90)
        async with running_exporter(settings) as exporter:
            await exporter.board.refresh()
            assert (await exporter.get("/readyz")).status == 503
        result = await Convergio(command_settings(clickhouse, "wrong"))("export", code=1)
        assert result.errors.count("\n") == 1
        assert "result_overflow_mode='break'" in result.errors


async def test_a_start_names_what_a_user_lacks(tmp_path: Path) -> None:
    writer = shipped_users()["processor"]
    poor = replace(writer, name="poor", grants=["GRANT SELECT, INSERT ON convergio.*"])
    async with server(tmp_path, poor, named("processor", "reading", readonly="1")) as clickhouse:
        assert await asyncio.to_thread(refusal, clickhouse, "poor", PROCESSOR) == (
            "does not allow poor what it needs; run GRANT ALTER DELETE ON convergio.* TO poor"
        )
        assert "readonly='1'" in await asyncio.to_thread(refusal, clickhouse, "reading", PROCESSOR)
        result = await Convergio(command_settings(clickhouse, "poor"))("process", code=1)
        assert result.errors.count("\n") == 1
        assert "GRANT ALTER DELETE ON convergio.* TO poor" in result.errors
        stranger = {**command_settings(clickhouse, "poor"), "clickhouse_password": "wrong"}
        for service in ("process", "export"):
            result = await Convergio(stranger)(service, code=1)
            assert "refuses the user poor; are CONVERGIO_CLICKHOUSE_USER" in result.errors


async def test_a_database_is_created_only_if_there_is_none(tmp_path: Path) -> None:
    migrator = shipped_users()["migrator"]
    creator = replace(migrator, name="creator", grants=[*migrator.grants, "GRANT CREATE DATABASE ON convergio.*"])
    async with server(tmp_path, creator) as clickhouse:
        command = Convergio(command_settings(clickhouse, "migrator"))
        result = await command("migrate", "--no-topics", code=1)
        assert result.errors.count("\n") == 1
        assert "no database convergio that convergio_migrator may see" in result.errors
        assert "GRANT CREATE DATABASE ON convergio.* TO convergio_migrator" in result.errors
        result = await command.with_settings(clickhouse_user="creator")("migrate", "--no-topics")
        assert "applied 001_tables.sql" in result.output
        assert "up to date" in (await command("migrate", "--no-topics")).output
        result = await Convergio(command_settings(clickhouse, "processor"))("migrate", "--no-topics", code=1)
        assert "GRANT CREATE TABLE ON convergio.* TO convergio_processor" in result.errors


async def test_a_service_whose_clickhouse_is_away_starts_and_is_not_ready(pipeline: Pipeline) -> None:
    (nobody,) = free_ports(1)
    away = {"CONVERGIO_CLICKHOUSE_PORT": str(nobody)}
    await pipeline.send(message([sent()], 0))
    async with pipeline.processor([*COMMAND, "process"], away) as process:
        await pipeline.until_trouble("readyz", "a flush is tried again")
        assert await pipeline.trouble("healthz") == ""
        assert process.returncode is None
    (port,) = free_ports(1)
    async with pipeline.processor([*COMMAND, "export"], {**away, "CONVERGIO_EXPORTER_PORT": str(port)}) as process:
        await until(answers_ok(port, "/healthz"))
        assert not await answers_ok(port, "/readyz")()
        assert process.returncode is None


async def test_a_partition_that_is_too_large_to_drop_is_named_once_and_the_other_days_are_closed(
    tmp_path: Path,
    kafka_bootstrap: str,
    make_topic: MakeTopic,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    careful = named("processor", "careful", max_partition_size_to_drop="100000")
    async with server(tmp_path, careful) as clickhouse:
        await prepared(clickhouse)
        topic = await make_topic("events")
        await make_topic("events.retention", retention_ms="-1")
        settings = ProcessorSettings(
            **clickhouse.settings("careful"),
            retention_check_seconds=0.05,
            kafka_bootstrap=kafka_bootstrap,
            events_topic=topic,
        )
        await write_retention_announced_in_time(settings)
        minutes = 60 * 24 * (settings.retention_days + 10)
        large = [sent(minutes_ago=minutes) for _ in range(4000)]
        small = [sent(minutes_ago=minutes + 60 * 24) for _ in range(2)]
        await asyncio.to_thread(Processor(settings).flush, message(large, 1), message(small, 2))
        kept: list[float] = []
        metrics = ProcessorMetrics()
        monkeypatch.setattr(metrics.kept_days, "set", kept.append)
        housekeeping = Housekeeping(settings, Sink(settings), metrics, lambda: datetime.now(UTC))
        running = asyncio.create_task(housekeeping.run())
        try:
            await until(lambda: asyncio.sleep(0, kept[-3:] == [1, 1, 1]))
        finally:
            housekeeping.stop()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert line.__dict__["day"] == large[0].at.date().isoformat()
        assert "max_partition_size_to_drop" in line.__dict__["remedy"]
        with clickhouse.admin() as admin:
            assert admin.query("SELECT count() FROM events_data").result_rows == [(len(large),)]
            assert admin.query("SELECT count() FROM sessions_data").result_rows == [(0,)]
            assert admin.query("SELECT count() FROM events").result_rows == [(0,)]
            assert admin.query("SELECT events FROM lifetime").result_rows == [(len(large) + len(small),)]


def command_settings(clickhouse: Server, who: str) -> dict[str, str]:
    """For the command line."""
    user = clickhouse.users[who]
    return {
        "clickhouse_port": str(clickhouse.port),
        "clickhouse_user": user.name,
        "clickhouse_password": user.password,
        "processor_port": str(free_ports(1)[0]),
        "exporter_port": str(free_ports(1)[0]),
    }
