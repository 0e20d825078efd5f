"""The ClickHouse engine in this process, by chDB: one statement in, one answer out, on any thread.

Every statement gets a connection of its own: what it sets, uses or creates
temporarily ends with it, as it does behind a server's HTTP interface. Acknowledged rows survive the death of
the process, like a server's: parts are renamed into place before the answer.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, Self, cast

from infra.errors import Unavailable
from infra.local.clickhouse_errors import ClickHouseError
from infra.local.clickhouse_request import ExternalTable, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

QUOTE = "'"
_NAME = re.compile(r"\w+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    read_rows: int
    read_bytes: int
    result_rows: int
    written_rows: int
    written_bytes: int
    elapsed_ns: int


class _Result(Protocol):
    """chDB's query result, as far as it is used here."""

    def bytes(self) -> bytes: ...
    def rows_read(self) -> int: ...
    def storage_rows_read(self) -> int: ...
    def storage_bytes_read(self) -> int: ...
    def rows_written(self) -> int: ...
    def bytes_written(self) -> int: ...


class Connection(Protocol):
    """chDB's connection, as far as it is used here. Its failures are RuntimeErrors with ClickHouse's text; a
    UnicodeDecodeError holds a text that quotes a row up to the middle of a character."""

    def query(self, sql: bytes | str, fmt: str = ..., *, params: dict[str, str] = ...) -> _Result: ...
    def close(self) -> None: ...


class Engine:
    """A data directory, open. Raises Unavailable when another process has it."""

    def __init__(self, data_dir: Path, options: Mapping[str, str] = MappingProxyType({})) -> None:
        """`options` are those of chDB's connections."""
        data_dir.mkdir(parents=True, exist_ok=True)
        # The kernel gives the lock back when its holder dies, however it dies: there is no stale lock.
        self._lock = (data_dir / "engine.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise Unavailable(f"{data_dir} is in use by another ClickHouse engine") from problem
        self._open = _load_chdb()
        # chDB takes a bare expression for a SELECT; a server does not.
        given = "&".join(f"{name}={value}" for name, value in {"implicit_select": "0", **options}.items())
        self._connection_string = f"{(data_dir / 'store').resolve()}?{given}"
        # The engine stops with its last connection, so one stays.
        self._anchor = self._open(self._connection_string)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._anchor.close()
        self._lock.close()

    def execute(self, statement: Statement) -> Answer:
        """Runs one statement to its end, blocking. Raises ClickHouseError."""
        started = time.perf_counter_ns()
        connection = self._open(self._connection_string)
        try:
            self._enter(connection, statement)
            _prepare(connection, statement)
            if statement.data_format is None:
                result = connection.query(statement.sql, statement.output_format, params=dict(statement.parameters))
                body = result.bytes()
            else:
                result = _insert(connection, statement.sql, statement.data_format, statement.data)
                body = b""
            return Answer(
                body=body,
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                result_rows=result.rows_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                elapsed_ns=time.perf_counter_ns() - started,
            )
        except UnicodeDecodeError as problem:
            raise ClickHouseError.from_engine(problem.object.decode(errors="replace")) from problem
        except RuntimeError as problem:
            raise ClickHouseError.from_engine(str(problem)) from problem
        finally:
            connection.close()

    def _enter(self, connection: Connection, statement: Statement) -> None:
        """Makes a new connection the user's. There is one user, who may do everything."""


def _load_chdb() -> Callable[[str], Connection]:
    # The engine takes its time zone from the process once, when it is loaded. A server's is UTC.
    os.environ["TZ"] = "UTC"
    time.tzset()
    chdb = importlib.import_module("chdb._chdb")
    return cast("Callable[[str], Connection]", chdb.connect)


def _prepare(connection: Connection, statement: Statement) -> None:
    if statement.database is not None:
        connection.query(f"USE {_quoted(statement.database, '`')}")
    for table in statement.external_tables:
        _create_external(connection, table)
    settings = dict(statement.settings)
    if statement.read_only:
        settings["readonly"] = "2"
    for name in settings:
        if not _NAME.match(name):
            raise ClickHouseError.of(115, "UNKNOWN_SETTING", f"Unknown setting {_quoted(name, QUOTE)}")
    if settings:
        changes = (f"{name} = {_quoted(value, QUOTE)}" for name, value in settings.items())
        connection.query(f"SET {', '.join(changes)}")


def _create_external(connection: Connection, table: ExternalTable) -> None:
    name = _quoted(table.name, "`")
    connection.query(f"CREATE TEMPORARY TABLE {name} ({table.structure})")
    _insert(connection, f"INSERT INTO {name}", table.format, table.data)


def _insert(connection: Connection, sql: bytes | str, data_format: str, data: bytes) -> _Result:
    """Inserts rows in a format. They reach the engine as a file: chDB's streaming insert swallows what goes wrong
    behind its parser (no space, too many parts, a constraint) and reports rows as written that were not.
    """
    statement = sql.encode() if isinstance(sql, str) else sql
    with _file_of(data) as path:
        source = f" FROM INFILE {_quoted(path, QUOTE)} FORMAT {data_format}"
        return connection.query(statement + source.encode())


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """A path under which the data can be read; in memory where the system can do that, so nothing of it is left."""
    if sys.platform == "linux":
        with open(os.memfd_create("insert"), "wb") as file:  # noqa: PTH123 - a descriptor, no path
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with NamedTemporaryFile(prefix="convergio-insert-") as file:
            file.write(data)
            file.flush()
            yield file.name


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
