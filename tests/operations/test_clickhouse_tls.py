"""HTTPS to ClickHouse with a CA of one's own: who connects, and the one line for everything that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter import ExporterSettings
from exporter.queries import Reader, ReadError
from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.clickhouse.requirements import EXPORTER, PROCESSOR, check_server
from infra.errors import Failure
from infra.local.ports import HOST
from processors.settings import ProcessorSettings
from processors.sink import Sink, SinkUnavailable
from schemas.settings import SharedSettings
from tests.certificates import Authority, put_authorities
from tests.commands import Convergio
from tests.events import message, sent
from tests.exporter import ManualClock, running_exporter
from tests.in_process import Processor
from tests.servers import ClickHouseAddress
from tests.stacks import until
from tests.tls_relay import TlsRelay, tls_relay

CA = "CONVERGIO_CLICKHOUSE_CA_FILE"
HOST_SETTING = "CONVERGIO_CLICKHOUSE_HOST"


@dataclass(frozen=True)
class Secure:
    """ClickHouse behind TLS."""

    clickhouse: ClickHouseAddress
    authority: Authority
    relay: TlsRelay
    database: str

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {
            **self.clickhouse.settings(self.database),
            "clickhouse_host": HOST,
            "clickhouse_port": self.relay.port,
            "clickhouse_secure": True,
            "clickhouse_ca_file": str(self.authority.file),
            **changes,
        }

    def command(self, **changes: Any) -> Convergio:
        given = {**self.settings(**changes), "clickhouse_password": self.clickhouse.password}
        return Convergio({name: str(value) for name, value in given.items()})


@asynccontextmanager
async def secure(
    clickhouse: ClickHouseAddress, database: str, authority: Authority, certificate: Path
) -> AsyncIterator[Secure]:
    async with tls_relay(authority, certificate, clickhouse.port) as relay:
        yield Secure(clickhouse, authority, relay, database)


async def test_every_connection_uses_the_ca_file(clickhouse: ClickHouseAddress, database: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    async with secure(clickhouse, database, authority, authority.server()) as server:
        assert "up to date" in (await server.command()("migrate", "--no-topics")).output
        settings = ProcessorSettings(**server.settings())
        for required in (PROCESSOR, EXPORTER):
            await asyncio.to_thread(check_server, settings, required)
        await asyncio.to_thread(Processor(settings).flush, message([sent(), sent()], 1))
        assert await asyncio.to_thread(count, settings) == 2
        reading = ExporterSettings(**server.settings(), refresh_seconds=60, stale_seconds=90)
        async with running_exporter(reading, ManualClock(datetime.now(UTC))) as exporter:
            assert (await exporter.samples())['convergio_sessions_total{period="1h"}'] == 2


def count(settings: SharedSettings) -> int:
    with connect(settings) as client:
        return int(client.query("SELECT count() FROM events").result_rows[0][0])


async def test_a_server_that_ends_the_connection_before_it_says_anything_is_away_and_not_wrong(tmp_path: Path) -> None:
    """As a balancer does that has no server left."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ca = str(Authority(tmp_path).file)
        settings = SharedSettings(clickhouse_port=port, clickhouse_secure=True, clickhouse_ca_file=ca)
        await asyncio.to_thread(check_server, settings, EXPORTER)


async def said_by_all(server: Secure, **changes: Any) -> str:
    """What each way to connect says, which is the same."""
    settings = SharedSettings(**server.settings(**changes))
    with pytest.raises(Failure) as refused:
        await asyncio.to_thread(check_server, settings, EXPORTER)
    place, _, line = str(refused.value).partition(f":{server.relay.port} ")
    with pytest.raises(SinkUnavailable) as of_sink:
        await asyncio.to_thread(Sink(settings).texts, "clocks")
    assert str(of_sink.value) == f"ClickHouse {line}"
    reader = Reader(settings, 10)
    with pytest.raises(ReadError) as of_exporter:
        await reader.rows("windows", {"at_ms": 0})
    await reader.close()
    assert str(of_exporter.value) == f"ClickHouse could not answer windows: it {line}"
    for arguments, code in ((("migrate", "--no-topics"), 3), (("export",), 1)):
        result = await server.command(**changes)(*arguments, code=code)
        assert result.errors == f"convergio: {place}:{server.relay.port} {line}\n"
    return line


async def test_a_certificate_of_an_unknown_ca_is_named(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path / "authority"), Authority(tmp_path / "other")
    expected = f"shows a certificate of an unknown CA; does {CA} name the file with the right one?"
    async with secure(clickhouse, database, authority, authority.server()) as server:
        assert await said_by_all(server, clickhouse_ca_file=str(other.file)) == expected
        assert await said_by_all(server, clickhouse_ca_file="") == expected


async def test_a_certificate_that_has_expired_is_named(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    async with secure(clickhouse, database, authority, authority.expired()) as server:
        assert await said_by_all(server) == "shows a certificate that has expired; renew it on the server"


async def test_a_certificate_of_another_host_is_named(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    async with secure(clickhouse, database, authority, authority.server("clickhouse.example.org")) as server:
        assert await said_by_all(server) == (
            f"shows a certificate for another host; does {HOST_SETTING} name the host that it was made for?"
        )


async def test_a_server_without_tls_is_named(clickhouse: ClickHouseAddress, database: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    async with secure(clickhouse, database, authority, authority.server()) as server:
        plain = Secure(clickhouse, authority, TlsRelay(clickhouse.port, server.relay.context), database)
        assert await said_by_all(plain) == (
            "does not complete a TLS handshake (wrong version number); is CONVERGIO_CLICKHOUSE_SECURE right?"
        )


async def test_a_ca_file_that_cannot_be_used_stops_the_start(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    secured = Convergio({**clickhouse.command_settings(database), "clickhouse_secure": "true"})
    missing = tmp_path / "ca.pem"
    for command in ("export", "process"):
        result = await secured.with_settings(clickhouse_ca_file=str(missing))(command, code=2)
        assert result.errors == f"convergio: {CA}={missing} cannot be read: No such file or directory\n"
    insecure = secured.with_settings(clickhouse_ca_file=str(missing), clickhouse_secure="false")
    assert (
        "CONVERGIO_CLICKHOUSE_SECURE=false is without TLS; set CONVERGIO_CLICKHOUSE_SECURE=true"
        in (await insecure("export", code=2)).errors
    )


async def test_clickhouse_gets_a_certificate_of_another_ca_while_processor_and_exporter_are_connected(
    clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> None:
    old, new, ca_file = Authority(tmp_path / "old"), Authority(tmp_path / "new"), tmp_path / "ca.pem"
    put_authorities(ca_file, [old])
    async with tls_relay(old, old.server(), clickhouse.port) as relay:
        changed = {"clickhouse_port": relay.port, "clickhouse_secure": True, "clickhouse_ca_file": str(ca_file)}
        await asyncio.to_thread(migrate, SharedSettings(**clickhouse.settings(database)))
        settings = ProcessorSettings(**{**clickhouse.settings(database), **changed})
        sink, reader = Sink(settings), Reader(settings, 10)
        for believed, shown in (([old], old), ([old, new], old), ([old, new], new), ([new], new)):
            put_authorities(ca_file, believed)
            relay.show(shown.server())
            await until(lambda: answers(sink))
            await until(lambda: reads(reader))
        await reader.close()


async def answers(sink: Sink) -> bool:
    """Whether the connection is opened anew and answers; the first use of a cut one may fail."""
    try:
        return bool(await asyncio.to_thread(sink.texts, "clocks"))
    except SinkUnavailable:
        return False


async def reads(reader: Reader) -> bool:
    """The same for the exporter."""
    try:
        return bool(await reader.rows("freshness"))
    except ReadError:
        return False
