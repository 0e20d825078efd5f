"""Runs the gateway: uvicorn, made ready for a rolling restart.

On SIGTERM (or Ctrl-C): `/readyz` says 503 and every answer closes its connection; after the drain delay the
listener closes; requests under way are answered; the producer is flushed; the process exits with 0.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Awaitable
from socket import (
    AF_INET6,
    AI_PASSIVE,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
    getaddrinfo,
    socket,
)
from types import FrameType
from typing import Final

import uvicorn

from ingest.app import App, create_app
from ingest.body import Receive
from ingest.connection import ConnectionLimits, GatewayProtocol
from ingest.events_route import Scope, Send
from ingest.fleet import Fleet
from ingest.problems import Problem
from ingest.settings import GatewaySettings
from schemas.addresses import is_all_ipv6, url
from schemas.logs import configure

log = logging.getLogger(__name__)

LAST_CALL_SECONDS: Final = 0.2
"""Time given, once the listener is closed, to requests already on their way over open connections."""

SHUTDOWN_MARGIN_SECONDS: Final = 5.0

OTHER_FILES: Final = 100
"""Open files that are no client's connection: Kafka's brokers, the listener, connections being refused."""


class Draining:
    """Any ASGI application, and while shutting down: not ready, and no connection is kept."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.active = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not self.active or scope["type"] != "http":
            return self._app(scope, receive, send)
        return self._drain(scope, receive, send)

    async def _drain(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        if scope["path"] == "/readyz":
            problem = Problem("draining", "The gateway is shutting down; use another one.", retry_after=1)
            headers, body = problem.answer()
            await send_and_close({"type": "http.response.start", "status": problem.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self._app(scope, receive, send_and_close)


class _Server(uvicorn.Server):
    """uvicorn with a drain before its shutdown, and 0 as the end of an ordinary stop."""

    def __init__(self, config: uvicorn.Config, draining: Draining, delay: float, fleet: Fleet) -> None:
        super().__init__(config)
        self._draining = draining
        self._delay = delay
        self._drained_at: float | None = None
        self._fleet = fleet

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Opens the listener, once the application is ready for it."""
        if self._fleet.lifeline is not None:
            asyncio.get_running_loop().add_reader(self._fleet.lifeline, self._orphaned)
        await super().startup(sockets)
        if self.started:
            self._fleet.listening()
            log.info("listening", extra={"url": url(self.config.host, self.config.port)})

    def _orphaned(self) -> None:
        """The parent of the workers has ended without a word."""
        assert self._fleet.lifeline is not None
        asyncio.get_running_loop().remove_reader(self._fleet.lifeline)
        log.warning("the parent of this worker has ended")
        self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal handler. A second Ctrl-C ends at once, without waiting for anyone."""
        # Signals are not kept for later: uvicorn would raise them again, and the exit code would not be 0.
        if self._draining.active and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
            return
        self._draining.active = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; true ends the main loop."""
        if self._draining.active:
            now = asyncio.get_running_loop().time()
            if self._drained_at is None:
                self._drained_at = now + self._delay
                self._let_connections_end()
                log.info("draining", extra={"seconds": self._delay})
            if now >= self._drained_at:
                self.should_exit = True
        return await super().on_tick(counter)

    def _let_connections_end(self) -> None:
        """Requests that began before the drain close their connections as well when they are answered."""
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Closes the listener, gives requests on their way a moment, then ends as uvicorn does."""
        for server in self.servers:
            server.close()
        self._fleet.closed()
        if not self.force_exit:
            await asyncio.sleep(LAST_CALL_SECONDS)
        await super().shutdown(sockets)
        log.info("stopped")


def _allowed_connections(wanted: int) -> int:
    """How many connections the process may have open; raises its limit on open files for them as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = max(1, soft - OTHER_FILES)
    log.warning("fewer connections than asked for", extra={"max_connections": allowed, "open_files": soft})
    return allowed


def _listeners(host: str, port: int) -> list[socket]:
    """Sockets for every address of the host, bound to the port beside those of other workers.

    The kernel shares connections out among those that listen; a socket that is only bound gets none.
    """
    listeners = []
    for family, kind, protocol, _, address in getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE):
        listener = socket(family, kind, protocol)
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        if family == AF_INET6:
            listener.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, not is_all_ipv6(host))
        listener.bind(address)
        listeners.append(listener)
    return listeners


def _sockets(config: uvicorn.Config, fleet: Fleet) -> list[socket] | None:
    """The sockets to listen on; None where uvicorn may open its own."""
    if fleet.size > 1:
        try:
            return _listeners(config.host, config.port)
        except OSError as error:
            log.error("the address cannot be listened on", extra={"reason": str(error)})
            sys.exit(3)
    # asyncio would listen on IPv6 alone.
    return [config.bind_socket()] if is_all_ipv6(config.host) else None


def serve(settings: GatewaySettings, app: App | None = None, fleet: Fleet | None = None) -> None:
    """Runs until SIGTERM or Ctrl-C and returns once everything is answered and flushed.

    `app` is the gateway by default; a composition that holds it may be given, and the fleet that it was made for. Exits
    with 3 when the address is taken.
    """
    configure("ingest", settings.log_level)
    fleet = fleet or Fleet()
    limits = ConnectionLimits.of(settings, fleet)
    limits = limits._replace(connections=_allowed_connections(limits.connections))
    draining = Draining(create_app(settings, fleet) if app is None else app)
    config = uvicorn.Config(
        draining,
        host=settings.ingest_host,
        port=settings.ingest_port,
        loop="uvloop",
        http=GatewayProtocol.within(limits),
        ws="none",
        lifespan="on",
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.ack_timeout_seconds + SHUTDOWN_MARGIN_SECONDS),
    )
    # What is loaded by now stays; and requests make no cycles, so looking for some is rarely worth it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    _Server(config, draining, settings.drain_delay_seconds, fleet).run(_sockets(config, fleet))
