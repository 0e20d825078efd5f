"""Gateway and statistics at one address, as behind the load balancer in production.

/api/telemetry/stats   the exporter's statistics
everything else        the gateway; its hot route costs one comparison more
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from exporter import ExporterSettings, create_stats_app
from infra.settings import Settings
from ingest import GatewaySettings, create_app

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

STATISTICS_PATHS = frozenset({"/api/telemetry/stats"})


def create_origin(settings: Settings) -> App:
    """The gateway and the statistics as one ASGI application, each with its own settings.

    Raises `ValueError` for settings that contradict each other.
    """
    return Origin(create_app(settings.of(GatewaySettings)), create_stats_app(settings.of(ExporterSettings)))


class Origin:
    """Dispatches requests by path, and starts and stops both applications together."""

    def __init__(self, gateway: App, statistics: App) -> None:
        self._gateway = gateway
        self._statistics = statistics

    def __call__(self, scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            if scope["path"] in STATISTICS_PATHS:
                return self._statistics(scope, receive, send)
            return self._gateway(scope, receive, send)
        return self._live(scope, receive, send)

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        """The lifespan protocol towards the server; `_lifespan` is the same towards each application."""
        async with AsyncExitStack() as stack:
            await receive()
            try:
                await stack.enter_async_context(_lifespan(self._statistics, scope))
                await stack.enter_async_context(_lifespan(self._gateway, scope))
            except StartupFailed as failed:
                await send({"type": "lifespan.startup.failed", "message": str(failed)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


class StartupFailed(Exception):
    """One of the applications does not start; the message is its own."""


@asynccontextmanager
async def _lifespan(app: App, scope: Message) -> AsyncIterator[None]:
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.ensure_future(app(scope, to_app.get, from_app.put))
    await _answered(to_app, from_app, running, "startup")
    try:
        yield
    finally:
        await _answered(to_app, from_app, running, "shutdown")
        await running


async def _answered(
    to_app: asyncio.Queue[Message], from_app: asyncio.Queue[Message], running: asyncio.Future[None], phase: str
) -> None:
    await to_app.put({"type": f"lifespan.{phase}"})
    answer = asyncio.create_task(from_app.get())
    await asyncio.wait((answer, running), return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        answer.cancel()
        await running
        raise StartupFailed(f"it ended before its {phase} was complete")
    if answer.result()["type"] == f"lifespan.{phase}.failed":
        raise StartupFailed(str(answer.result().get("message", "")))
