"""ClickHouse as the exporter sees it: a few SQL files, parameters, rows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, cast

import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import Error as ClickHouseServerError

from schemas.clickhouse import READING, sayable, tls_files, tls_refusal, unmet
from schemas.metrics import OTHER_MAESTROS
from schemas.settings import SharedSettings
from schemas.tls import ClientContext

Query = Literal[
    "windows",
    "freshness",
    "lifetime",
    "lifetime_maestros",
    "stats_sessions",
    "stats_events",
    "stats_maestros",
    "stats_score",
    "overview_events",
    "overview_maestros",
    "overview_study",
    "overview_upkeep",
]
"""The name of a file in `exporter/sql`."""

Parameter = bool | int | str | Sequence[int] | Sequence[str]
Row = dict[str, object]


# The response comes once it is complete; more names than fit into this many bytes are sorted on disk.
_QUERY_SETTINGS = {"wait_end_of_query": "1", "max_bytes_before_external_group_by": "200000000"}


class _Answer(msgspec.Struct):
    """JSON ends, so a response that was cut off is not taken for an empty one."""

    data: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_Answer).decode


class ReadError(Exception):
    """ClickHouse could not be read: away, too slow, not migrated or not fit. Trying again later is the remedy."""


class Reader:
    """Runs the exporter's queries; connects when first needed and again after any failure.

    One reader serves concurrent queries. Readers share no connections, and no response is read in the event loop's
    shared threads, so that queries of one never wait behind those of another. `timeout` is in seconds and bounds
    each query, connecting included, on both sides: a query that is given up here is stopped in ClickHouse, too.
    `threads` bounds what one query may use of ClickHouse's processors. Settings that the user may not change are the
    user's own.
    """

    def __init__(self, settings: SharedSettings, timeout: float, threads: int | None = None) -> None:
        self._settings = settings
        self._timeout = timeout
        self._query_settings = {"max_execution_time": str(max(1, round(timeout))), **_QUERY_SETTINGS}
        if threads is not None:
            self._query_settings["max_threads"] = str(threads)
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def rows(self, query: Query, parameters: Mapping[str, Parameter] | None = None) -> list[Row]:
        """The rows a query returns, by column name. Raises `ReadError`."""
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._connect()
                return list(_decode(await client.raw_query(_SQL[query], dict(parameters or {}), fmt="JSON")).data)
        except TimeoutError as error:
            raise ReadError(f"ClickHouse did not answer {query} within {self._timeout:g} s") from error
        except ReadError:
            raise
        except Exception as error:
            # Beside its own errors the driver lets through those of HTTP, and whatever decoding half an answer of a
            # server that is going down comes to.
            raise ReadError(f"ClickHouse could not answer {query}: {_reason(error)}") from error

    async def row(self, query: Query, parameters: Mapping[str, Parameter] | None = None) -> Row:
        """The only row of a query that returns exactly one. Raises `ReadError`."""
        rows = await self.rows(query, parameters)
        if len(rows) != 1:
            raise ReadError(f"ClickHouse answered {query} with {len(rows)} rows instead of one")
        return rows[0]

    async def close(self) -> None:
        """Closes the connections; a later query opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connect(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await self._connected()
            return self._client

    async def _connected(self) -> AsyncClient:
        settings = self._settings
        client = AsyncClient(
            interface="https" if settings.clickhouse_secure else "http",
            host=settings.clickhouse_host,
            port=settings.clickhouse_port,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            database=settings.clickhouse_database,
            connect_timeout=self._timeout,
            send_receive_timeout=self._timeout,
            # Its threads are shared by the whole process.
            compress=False,
            # Names may be too many for an address.
            form_encode_query_params=True,
            autogenerate_session_id=False,
        )
        if settings.clickhouse_secure:
            # The driver would read the CA file once, and add it to the system's CAs.
            client._backend.connector_kwargs["ssl"] = ClientContext(tls_files(settings))
        try:
            await client.__aenter__()
            lacks = unmet(client.server_version, client.server_settings, READING)
            if lacks is not None:
                raise ReadError(f"ClickHouse cannot be used: {lacks}")
        except BaseException:
            await client.close()
            raise
        said = {**READING.said, **self._query_settings}
        for name in sayable(client.server_settings, said):
            client.set_client_setting(name, said[name])
        return client


def integer(row: Row, column: str) -> int:
    """A whole number of a row."""
    return int(cast("int | str", row[column]))


def maestro_counts(row: Row) -> dict[str, int]:
    """The selections by maestro of a row that bounds them, most important first; `other` last if it counts anything."""
    # ClickHouse writes large numbers as texts, or not, as it is set up.
    selections = map(int, cast("list[int | str]", row["selections"]))
    counts = dict(zip(cast("list[str]", row["maestros"]), selections, strict=True))
    other = integer(row, "other")
    return {**counts, OTHER_MAESTROS: other} if other else counts


def _reason(error: Exception) -> str:
    """Why a query failed, without the server's text: that may quote what was asked, a user's id for example."""
    if isinstance(error, ClickHouseServerError) and error.code is not None:
        return f"error {error.code} {error.name or ''}".rstrip()
    if why := tls_refusal(error):
        return f"it {why}"
    return f"{type(error).__name__}: is it running and reachable?"


_SQL: dict[str, str] = {
    file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
    for file in (files("exporter") / "sql").iterdir()
    if file.name.endswith(".sql")
}
