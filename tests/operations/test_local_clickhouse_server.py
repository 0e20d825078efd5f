"""The embedded ClickHouse, asked by clickhouse-connect's own clients and by plain HTTP, killed and restarted."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from clickhouse_connect.driver.external import ExternalData

from infra.local.clickhouse import LocalClickHouse
from infra.local.ports import HOST, free_ports
from infra.local.probes import answers_ok, until

START_SECONDS = 60.0


@asynccontextmanager
async def serving(data_dir: Path, port: int, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that is ready. Killed at the end unless it has ended by then."""
    command = LocalClickHouse(data_dir, port).command()
    process = await asyncio.create_subprocess_exec(*command, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(START_SECONDS):
            await until(answers_ok(port, "/ping"))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True)
class Served:
    port: int
    client: Client

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body."""
        request = urllib.request.Request(f"http://{HOST}:{self.port}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    (port,) = free_ports(1)
    async with serving(tmp_path_factory.mktemp("clickhouse"), port):
        with clickhouse_connect.get_client(host=HOST, port=port) as client:
            yield Served(port, client)


@pytest.fixture
def client(server: Served) -> Client:
    return server.client


@pytest.fixture
def events(client: Client) -> str:
    """An empty table of this test's own."""
    name = f"events_{uuid.uuid4().hex[:8]}"
    client.command(
        f"CREATE TABLE {name} (id UUID, n UInt64, label String, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY n"
    )
    return name


@pytest.fixture
async def async_client(server: Served) -> AsyncIterator[AsyncClient]:
    async with await clickhouse_connect.get_async_client(host=HOST, port=server.port) as client:
        yield client


def code_of(error: pytest.ExceptionInfo[DatabaseError]) -> int | None:
    return error.value.code


class TestWhatTheClientsDo:
    def test_rows_come_back_as_they_were_inserted(self, client: Client, events: str) -> None:
        rows = [
            (uuid.uuid4(), number, f"\0\n\t'\\{number}èß✓", datetime(2026, 3, 1, 12, 0, 0, 123000, UTC))
            for number in range(1000)
        ]
        summary = client.insert(events, rows, column_names=["id", "n", "label", "at"])
        assert summary.written_rows == 1000
        found = client.query(f"SELECT id, n, label, at FROM {events} ORDER BY n", tz_mode="aware").result_rows
        assert found == rows

    def test_an_error_that_quotes_half_a_character_keeps_its_code(self, client: Client, events: str) -> None:
        for padding in ("", "a", "aa", "aaa"):
            row = f'{{"n":[],"label":"{padding}{"𐀀" * 100}"}}\n'.encode()
            with pytest.raises(DatabaseError, match="Cannot parse input") as refused:
                client.raw_insert(events, insert_block=row, fmt="JSONEachRow")
            assert code_of(refused) == 27

    def test_raw_rows_are_inserted_in_any_format(self, client: Client, events: str) -> None:
        client.raw_insert(events, ["n", "label"], b'{"n":1,"label":"a"}\n{"n":2,"label":"b"}', fmt="JSONEachRow")
        client.raw_insert(events, ["n", "label"], "3,c\n4,d\n", fmt="CSV")
        client.raw_insert(events, ["n", "label"], (part for part in (b"5\te\n6", b"\tf\n")), fmt="TabSeparated")
        assert client.command(f"SELECT sum(n), arraySort(groupArray(label)) FROM {events}") == [
            "21",
            "['a','b','c','d','e','f']",
        ]

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "lz4"])
    def test_inserts_may_be_compressed(self, server: Served, events: str, compression: str) -> None:
        with clickhouse_connect.get_client(host=HOST, port=server.port, compress=compression) as client:
            client.insert(events, [[number, "x" * 100] for number in range(5000)], column_names=["n", "label"])
            assert client.command(f"SELECT count() FROM {events}") == 5000

    def test_a_large_insert_becomes_one_part(self, client: Client, events: str) -> None:
        client.insert(events, [[number] for number in range(200_000)], column_names=["n"])
        assert client.command(f"SELECT count() FROM system.parts WHERE table = '{events}' AND active") == 1

    def test_typed_parameters_are_bound_by_the_engine(self, client: Client, events: str) -> None:
        wanted, other = uuid.uuid4(), uuid.uuid4()
        client.insert(events, [[wanted, "it's \\ a\ttab"], [other, ""]], column_names=["id", "label"])
        found = client.query(
            f"SELECT label FROM {events} WHERE id = {{id:UUID}} AND label = {{label:String}}",
            parameters={"id": wanted, "label": "it's \\ a\ttab"},
        )
        assert found.result_rows == [("it's \\ a\ttab",)]

    def test_parameters_too_long_for_an_address_are_sent_as_a_form(self, client: Client, events: str) -> None:
        ids = [uuid.uuid4() for _ in range(5000)]
        client.insert(events, [[each] for each in ids[:10]], column_names=["id"])
        found = client.query(f"SELECT count() FROM {events} WHERE id IN {{ids:Array(UUID)}}", parameters={"ids": ids})
        assert found.result_rows == [(10,)]

    def test_a_table_may_come_with_the_query(self, client: Client, events: str) -> None:
        client.insert(events, [[number] for number in range(10)], column_names=["n"])
        wanted = ExternalData(file_name="wanted.csv", data=b"3\n4\n99\n", fmt="CSV", structure="n UInt64")
        found = client.query(f"SELECT n FROM {events} WHERE n IN wanted ORDER BY n", external_data=wanted)
        assert found.result_rows == [(3,), (4,)]
        with pytest.raises(DatabaseError):
            client.query("SELECT * FROM wanted")

    def test_settings_hold_for_one_query(self, client: Client) -> None:
        setting = "SELECT getSetting('max_block_size')"
        default = client.command(setting)
        assert client.command(setting, settings={"max_block_size": 1234}) == 1234
        assert client.command(setting) == default

    def test_an_unknown_setting_is_clickhouse_s_own_error(self, server: Served) -> None:
        status, headers, body = server.ask("/?no_such_setting=1", b"SELECT 1")
        assert (status, headers["x-clickhouse-exception-code"]) == (404, "115")
        assert b"no_such_setting" in body

    def test_the_database_holds_for_one_query(self, client: Client) -> None:
        client.command("CREATE DATABASE IF NOT EXISTS other")
        assert client.command("SELECT currentDatabase()", settings={"database": "other"}) == "other"
        assert client.command("SELECT currentDatabase()") == "default"

    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("SELECT * FROM no_such_table", 60),
            ("SELECT no_such_column", 47),
            ("SELEC 1", 62),
            ("SELECT throwIf(1)", 395),
            ("USE no_such_database", 81),
            ("SELECT 1; SELECT 2", 62),
        ],
    )
    def test_errors_carry_clickhouse_s_code(self, client: Client, statement: str, code: int) -> None:
        with pytest.raises(DatabaseError) as raised:
            client.command(statement)
        assert code_of(raised) == code

    def test_a_bad_row_refuses_the_whole_insert(self, client: Client, events: str) -> None:
        with pytest.raises(DatabaseError) as raised:
            client.raw_insert(events, ["n"], b'{"n":1}\n{"n":"not a number"}\n', fmt="JSONEachRow")
        assert code_of(raised) == 27
        assert client.command(f"SELECT count() FROM {events}") == 0

    @pytest.mark.parametrize(
        ("setting", "code"),
        [
            ("parts_to_throw_insert = 1", 252),  # TOO_MANY_PARTS
            ("min_free_disk_bytes_to_perform_insert = 1e18", 243),  # NOT_ENOUGH_SPACE
        ],
    )
    def test_what_the_table_does_not_take_is_not_acknowledged(
        self, client: Client, events: str, setting: str, code: int
    ) -> None:
        client.command(f"SYSTEM STOP MERGES {events}")
        client.insert(events, [[1]], column_names=["n"])
        client.command(f"ALTER TABLE {events} MODIFY SETTING {setting}")
        with pytest.raises(DatabaseError) as raised:
            client.raw_insert(events, ["n"], b'{"n":2}\n', fmt="JSONEachRow")
        assert code_of(raised) == code
        with pytest.raises(DatabaseError):
            client.insert(events, [[3]], column_names=["n"])
        assert client.query(f"SELECT n FROM {events}").result_rows == [(1,)]

    def test_rows_that_break_a_constraint_are_not_acknowledged(self, client: Client, events: str) -> None:
        client.command(f"ALTER TABLE {events} ADD CONSTRAINT small CHECK n < 10")
        with pytest.raises(DatabaseError) as raised:
            client.raw_insert(events, ["n"], b'{"n":1}\n{"n":10}\n', fmt="JSONEachRow")
        assert code_of(raised) == 469
        assert client.command(f"SELECT count() FROM {events}") == 0

    def test_a_query_says_what_it_read(self, client: Client, events: str) -> None:
        client.insert(events, [[number] for number in range(10)], column_names=["n"])
        summary = client.query(f"SELECT sum(n) FROM {events}").summary
        assert summary["read_rows"] == "10"
        assert uuid.UUID(summary["query_id"])

    async def test_the_async_client_inserts_and_queries(self, async_client: AsyncClient, events: str) -> None:
        rows = [[uuid.uuid4(), number] for number in range(100)]
        summary = await async_client.insert(events, rows, column_names=["id", "n"])
        await async_client.raw_insert(events, ["n"], b'{"n":1000}', fmt="JSONEachRow")
        found = await async_client.query(
            f"SELECT count() FROM {events} WHERE id = {{id:UUID}}", parameters={"id": rows[7][0]}
        )
        assert (summary.written_rows, found.result_rows) == (100, [(1,)])
        with pytest.raises(DatabaseError) as raised:
            await async_client.query("SELECT * FROM no_such_table")
        assert code_of(raised) == 60

    async def test_inserts_do_not_wait_for_slow_queries(self, async_client: AsyncClient, events: str) -> None:
        slow = [asyncio.create_task(async_client.command("SELECT sleep(3)")) for _ in range(8)]
        await async_client.insert(events, [[1]], column_names=["n"])
        assert not any(task.done() for task in slow)
        await asyncio.gather(*slow)

    async def test_many_writers_and_readers_at_once_lose_nothing(self, async_client: AsyncClient, events: str) -> None:
        async def write(writer: int) -> None:
            for number in range(20):
                await async_client.insert(events, [[writer * 20 + number]], column_names=["n"])
                await async_client.query(f"SELECT count() FROM {events}")

        await asyncio.gather(*(write(writer) for writer in range(8)))
        found = await async_client.query(f"SELECT count(), uniqExact(n) FROM {events}")
        assert found.result_rows == [(160, 160)]


class TestPlainHttp:
    def test_get_answers_in_the_format_asked_for(self, server: Served) -> None:
        status, headers, body = server.ask("/?query=SELECT+1+AS+one&default_format=JSONEachRow&query_id=mine")
        assert (status, body) == (200, b'{"one":1}\n')
        assert headers["x-clickhouse-query-id"] == "mine"
        assert headers["x-clickhouse-timezone"] == "UTC"
        assert headers["x-clickhouse-format"] == "JSONEachRow"
        assert json.loads(headers["x-clickhouse-summary"])["result_rows"] == "1"

    def test_get_may_not_write(self, server: Served) -> None:
        status, headers, _ = server.ask("/?query=CREATE+TABLE+t+(a+UInt8)+ENGINE=Memory")
        assert (status, headers["x-clickhouse-exception-code"]) == (403, "164")

    @pytest.mark.parametrize("path", ["/ping", "/"])
    def test_a_probe_is_answered(self, server: Served, path: str) -> None:
        assert server.ask(path)[::2] == (200, b"Ok.\n")

    def test_other_paths_are_not_found(self, server: Served) -> None:
        assert server.ask("/dashboard")[0] == 404


async def test_a_user_may_be_required(tmp_path: Path) -> None:
    (port,) = free_ports(1)

    def knock(password: str) -> object:
        with clickhouse_connect.get_client(host=HOST, port=port, username="writer", password=password) as client:
            return client.command("SELECT 1")

    async with serving(tmp_path, port, "--user", "writer", "--password", "secret"):
        assert await asyncio.to_thread(knock, "secret") == 1
        with pytest.raises(DatabaseError) as raised:
            await asyncio.to_thread(knock, "wrong")
        assert code_of(raised) == 516


async def test_a_data_dir_is_served_by_one_process(tmp_path: Path) -> None:
    first, second = free_ports(2)
    async with serving(tmp_path, first):
        rival = await asyncio.create_subprocess_exec(
            *LocalClickHouse(tmp_path, second).command(), stderr=asyncio.subprocess.PIPE
        )
        _, said = await rival.communicate()
    assert rival.returncode == 1
    assert said.decode().splitlines() == [f"{tmp_path} is in use by another ClickHouse engine"]


async def test_what_was_acknowledged_survives_kill_9_again_and_again(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    acknowledged: set[int] = set()
    sent = 0

    def insert_until_it_dies() -> None:
        """One row at a time, and now and then many, until the connection breaks."""
        nonlocal sent
        with clickhouse_connect.get_client(host=HOST, port=port) as client:
            while True:
                rows = range(sent, sent + (5000 if sent % 7 == 0 else 1))
                sent = rows.stop
                try:
                    client.insert("kept", [[number] for number in rows], column_names=["n"])
                except ClickHouseError:
                    return
                acknowledged.update(rows)
                enough.set()

    for start in range(4):
        enough = threading.Event()
        async with serving(tmp_path, port) as process:
            with await asyncio.to_thread(clickhouse_connect.get_client, host=HOST, port=port) as client:
                if start == 0:
                    client.command("CREATE TABLE kept (n UInt64) ENGINE = ReplacingMergeTree ORDER BY n")
                stored = {row[0] for row in client.query("SELECT DISTINCT n FROM kept").result_rows}
                assert acknowledged <= stored
            writer = asyncio.create_task(asyncio.to_thread(insert_until_it_dies))
            await asyncio.to_thread(enough.wait, START_SECONDS)
            await asyncio.sleep(0.1 * start)  # each kill hits another moment
            process.kill()
            await writer
    assert len(acknowledged) > 4


async def test_sigterm_answers_what_is_in_flight_and_exits_with_0(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with (
        serving(tmp_path, port) as process,
        await clickhouse_connect.get_async_client(host=HOST, port=port) as client,
    ):
        in_flight = asyncio.create_task(client.command("SELECT sleep(3)"))

        async def in_the_engine() -> bool:
            running = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'"
            return await client.command(running) == 1

        async with asyncio.timeout(START_SECONDS):
            await until(in_the_engine)
        process.terminate()
        assert await in_flight == 0
        assert await process.wait() == 0
