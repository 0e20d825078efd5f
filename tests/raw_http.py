"""HTTP by hand, for what no honest client would send."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")


class Connection:
    """One TCP connection to a gateway; nothing is sent but what the test writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = b""

    async def send(self, data: bytes) -> bool:
        """Sends; false if the other side has closed the connection."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return True

    def send_eof(self) -> None:
        """Says that nothing more will come."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def read_some(self, seconds: float = 20.0) -> bytes:
        """The next bytes; empty when the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            data = await asyncio.wait_for(self._reader.read(65536), seconds)
            self.received += data
            return data
        return b""

    async def read_to_end(self, seconds: float = 20.0) -> bytes:
        """Everything until the other side closes the connection, which it must do within `seconds`."""
        async with asyncio.timeout(seconds):
            while await self.read_some(seconds):
                pass
        return self.received

    def reset(self) -> None:
        """Drops the connection without a goodbye."""
        self._writer.transport.abort()


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def exchange(port: int, data: bytes, *, eof: bool = False) -> bytes:
    """Sends all of `data` and returns everything that comes back until the connection is closed."""
    async with connection(port) as opened:
        sending = asyncio.create_task(opened.send(data))
        try:
            if eof:
                await sending
                opened.send_eof()
            return await opened.read_to_end()
        finally:
            sending.cancel()


def statuses(received: bytes) -> list[int]:
    """The statuses of the answers in what came back."""
    return [int(status) for status in STATUS_LINE.findall(received)]


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST of JSON as it goes over the wire; the connection is kept unless a header says otherwise."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body
