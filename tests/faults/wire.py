"""A TCP connection that goes wrong: a proxy on the loopback address whose faults a test switches on and off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Self

from infra.local.ports import HOST

_CHUNK_BYTES = 256 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class _Connection:
    """One client's connection and ours to the server, on its behalf."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def reset(self) -> None:
        """Ends both ends with a RST, whatever is still under way."""
        for writer in (self.client, self.server):
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and not writer.is_closing():
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


@dataclass(eq=False)
class Wire:
    """Forwards `port` to `target`. Its faults concern requests and answers of protocols in which they alternate.

    `async with` it. Faults with a count wear off by themselves; the others last as long as their context.
    """

    port: int
    target: int
    _answers_to_lose: int = 0
    _answers_to_cut: int = 0
    _answers_to_spare: int = 0
    _kept_share: float = 0.5
    _requests_to_cut: int = 0
    _delay_seconds: float = 0.0
    _held: tuple[bytes, ...] = ()
    _release: asyncio.Event = field(default_factory=asyncio.Event)
    _caught: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[_Connection] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._go_deaf()
        self._release.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose_answers(self, count: int) -> None:
        """The next answers never arrive: the connection breaks when they begin. What was asked is done."""
        self._answers_to_lose += count

    def cut_answers(self, count: int, kept_share: float = 0.5, after: int = 0) -> None:
        """The next answers break off, `after` so many whole ones, and the connection closes as if that were all."""
        self._answers_to_cut += count
        self._answers_to_spare = after
        self._kept_share = kept_share

    def cut_requests(self, count: int) -> None:
        """The next requests break off in the middle."""
        self._requests_to_cut += count

    def forget(self) -> None:
        """Takes back the counted faults that nothing has run into."""
        self._answers_to_lose = self._answers_to_cut = self._answers_to_spare = self._requests_to_cut = 0

    @property
    def faults_left(self) -> int:
        """Counted faults that nothing has run into yet."""
        return self._answers_to_lose + self._answers_to_cut + self._requests_to_cut

    @contextlib.contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """Every answer takes so much longer."""
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    @contextlib.asynccontextmanager
    async def refused(self) -> AsyncIterator[None]:
        """Every connection is broken, and new ones are refused."""
        await self._go_deaf()
        try:
            yield
        finally:
            await self._listen()

    @contextlib.asynccontextmanager
    async def held(self, *parts: bytes) -> AsyncIterator[asyncio.Event]:
        """The next request that contains `parts` stays on its way until the context ends; the event says it is there.

        It then arrives, also if its sender has given it up.
        """
        self._held, self._release, self._caught = parts, asyncio.Event(), asyncio.Event()
        try:
            yield self._caught
        finally:
            self._held = ()
            self._release.set()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=_CHUNK_BYTES)

    async def _go_deaf(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_server, server = await asyncio.open_connection(HOST, self.target, limit=_CHUNK_BYTES)
        except OSError:
            client.transport.abort()
            return
        connection = _Connection(client, server)
        self._connections.add(connection)
        requests = asyncio.create_task(self._forward_requests(reader, connection))
        answers = asyncio.create_task(self._forward_answers(from_server, connection))
        for task in (requests, answers):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.wait((requests, answers))
        self._connections.discard(connection)
        connection.client.close()
        connection.server.close()

    async def _forward_requests(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._held and all(part in chunk for part in self._held):
                    self._held = ()
                    self._caught.set()
                    await self._release.wait()
                if self._requests_to_cut:
                    self._requests_to_cut -= 1
                    await _write(connection.server, chunk[: len(chunk) // 2])
                    connection.reset()
                    return
                await _write(connection.server, chunk)
            if connection.server.can_write_eof():
                connection.server.write_eof()

    async def _forward_answers(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if self._answers_to_lose:
                    self._answers_to_lose -= 1
                    connection.reset()
                    return
                if self._answers_to_cut and self._answers_to_spare:
                    self._answers_to_spare -= 1
                elif self._answers_to_cut:
                    self._answers_to_cut -= 1
                    await _write(connection.client, chunk[: int(len(chunk) * self._kept_share)])
                    # A reset would make the client's system forget what has arrived; a close delivers it.
                    connection.client.close()
                    return
                await _write(connection.client, chunk)
            connection.client.close()


async def _write(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    writer.write(chunk)
    await writer.drain()
