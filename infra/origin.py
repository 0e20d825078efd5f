"""Gateway, statistics and study app at one address, as behind the load balancer in production.

/api/telemetry/stats               the exporter's statistics
/, /index.html, /assets/…          the study app
everything else                    the gateway; its hot route costs two comparisons more
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter import ExporterSettings, create_stats_app
from infra.settings import Settings
from infra.study_app import StudyApp
from ingest import GatewaySettings, create_app
from ingest.fleet import Fleet

API = "/api/"
STATISTICS_PATHS = frozenset({"/api/telemetry/stats"})


def create_origin(settings: Settings, fleet: Fleet | None = None) -> ASGIApp:
    """Gateway, statistics and study app as one ASGI application, each with its own settings.

    `fleet` is that of the gateway. Raises `ValueError` for settings that contradict each other.
    """
    gateway = create_app(settings.of(GatewaySettings), fleet)
    return Origin(gateway, create_stats_app(settings.of(ExporterSettings)), StudyApp(gateway))


class Origin:
    """Dispatches requests by path, and starts and stops gateway and statistics together."""

    def __init__(self, gateway: ASGIApp, statistics: ASGIApp, study_app: StudyApp) -> None:
        self._gateway = gateway
        self._statistics = statistics
        self._study_app = study_app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            path = scope["path"]
            if path in STATISTICS_PATHS:
                return self._statistics(scope, receive, send)
            if not path.startswith(API) and self._study_app.owns(path):
                return self._study_app(scope, receive, send)
            return self._gateway(scope, receive, send)
        return self._live(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
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
async def _lifespan(app: ASGIApp, scope: Scope) -> AsyncIterator[None]:
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
