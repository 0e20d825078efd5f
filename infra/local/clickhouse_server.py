"""ClickHouse's HTTP interface in front of the embedded engine: `python -m infra.local.clickhouse_server`.

For one machine and for tests. clickhouse-connect and curl talk to it as to a server; answers are buffered and
never compressed, a session_id is accepted but holds no state between requests.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import signal
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import uvicorn

from infra.errors import Unavailable
from infra.local.clickhouse_engine import Answer, Engine
from infra.local.clickhouse_errors import ClickHouseError
from infra.local.clickhouse_request import Statement, read_statement
from infra.local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope


THREADS_PER_LANE = 8
"""Statements at once in each lane; inserts have a lane of their own, so no slow query holds them up."""
KEEP_ALIVE_SECONDS = 3600
"""Longer than clients keep a connection: one closed under an insert would leave its outcome unknown."""
DRAIN_SECONDS = 30

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
}


class ClickHouseHttp:
    """The ASGI application. With `user` given, requests must carry it and `password`."""

    def __init__(self, engine: Engine, user: str | None = None, password: str = "") -> None:
        self._engine = engine
        self._credentials = None if user is None else (user, password)
        self._reads = ThreadPoolExecutor(THREADS_PER_LANE, "read")
        self._inserts = ThreadPoolExecutor(THREADS_PER_LANE, "insert")

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        body = await _read_body(receive)
        if body is None:
            return
        is_probe = scope["path"] == "/ping" or (scope["path"] == "/" and not scope["query_string"] and not body)
        if is_probe:
            await _respond(send, 200, b"Ok.\n", {"content-type": "text/html; charset=UTF-8"})
        elif scope["path"] != "/":
            await _respond(send, 404, f"There is no handle {scope['path']}\n".encode(), {})
        else:
            await self._answer_statement(scope, body, send)

    async def _answer_statement(self, scope: HTTPScope, body: bytes, send: ASGISendCallable) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        query_id = asked.get("query_id", [str(uuid.uuid4())])[0]
        answer_headers = {"x-clickhouse-query-id": query_id, "x-clickhouse-timezone": "UTC"}
        try:
            statement = read_statement(scope["method"], scope["query_string"], headers, body)
            self._authenticate(statement)
            answer = await self._execute(statement)
        except ClickHouseError as error:
            answer_headers["x-clickhouse-exception-code"] = str(error.code)
            answer_headers["content-type"] = "text/plain; charset=UTF-8"
            await _respond(send, error.status, f"{error}\n".encode(), answer_headers)
            return
        content_type = _CONTENT_TYPES.get(statement.output_format, "application/octet-stream")
        answer_headers["content-type"] = content_type
        answer_headers["x-clickhouse-format"] = statement.output_format
        answer_headers["x-clickhouse-summary"] = _summary(answer)
        await _respond(send, 200, answer.body, answer_headers)

    async def _execute(self, statement: Statement) -> Answer:
        lane = self._inserts if statement.writes else self._reads
        return await asyncio.get_running_loop().run_in_executor(lane, self._engine.execute, statement)

    def _authenticate(self, statement: Statement) -> None:
        """Raises ClickHouseError 516 unless the credentials match."""
        if self._credentials is None:
            return
        given = (statement.user, statement.password)
        pairs = (f"{name}\0{key}".encode() for name, key in (given, self._credentials))
        if not hmac.compare_digest(*pairs):
            raise ClickHouseError.of(
                516,
                "AUTHENTICATION_FAILED",
                f"{statement.user}: Authentication failed: password is incorrect, or there is no user with such name",
            )


def _summary(answer: Answer) -> str:
    """X-ClickHouse-Summary: every number is a string."""
    numbers = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": answer.written_rows,
        "written_bytes": answer.written_bytes,
        "result_rows": answer.result_rows,
        "result_bytes": len(answer.body),
        "elapsed_ns": answer.elapsed_ns,
    }
    return json.dumps({name: str(number) for name, number in numbers.items()})


async def _read_body(receive: ASGIReceiveCallable) -> bytes | None:
    """The whole body, or None if the client went away before it had sent all."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _respond(send: ASGISendCallable, status: int, body: bytes, headers: dict[str, str]) -> None:
    headers["content-length"] = str(len(body))
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def serve(open_engine: Callable[[], Engine], port: int, user: str | None = None, password: str = "") -> None:
    """Serves until SIGTERM or SIGINT, then answers what is in flight and closes the engine."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains on these and then raises them again; by then there is nothing left to do.
        signal.signal(sign, lambda *_: None)
    with open_engine() as engine:
        uvicorn.run(
            ClickHouseHttp(engine, user, password),
            host=HOST,
            port=port,
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="clickhouse_server", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where the tables live, kept between runs")
    parser.add_argument("--port", type=int, default=8123, help="HTTP port on 127.0.0.1")
    parser.add_argument("--user", help="require this user name")
    parser.add_argument("--password", default="", help="the required user's password")
    options = parser.parse_args()
    try:
        serve(lambda: Engine(options.data_dir), options.port, options.user, options.password)
    except Unavailable as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
