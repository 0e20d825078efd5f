"""TLS in front of a plain server, as a load balancer or the server itself has it in production."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.ports import HOST
from tests.certificates import Authority


@dataclass
class TlsRelay:
    """Listens with TLS and hands every byte on."""

    port: int
    context: ssl.SSLContext
    connections: set[asyncio.StreamWriter] = field(default_factory=set)

    def show(self, certificate: Path) -> None:
        """New connections are shown this certificate; those that are open are cut."""
        self.context.load_cert_chain(certificate)
        for connection in self.connections:
            connection.transport.abort()


@asynccontextmanager
async def tls_relay(authority: Authority, certificate: Path, target: int) -> AsyncIterator[TlsRelay]:
    """A relay to a port of this machine, for as long as the context lasts."""
    context = authority.context(certificate)
    relay = TlsRelay(0, context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.connections.add(writer)
        with contextlib.suppress(OSError):
            of_target, to_target = await asyncio.open_connection(HOST, target)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, to_target))
                    both.create_task(_pump(of_target, writer))
            finally:
                to_target.close()
        relay.connections.discard(writer)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with server:
        relay.port = server.sockets[0].getsockname()[1]
        yield relay
        for connection in list(relay.connections):
            connection.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
