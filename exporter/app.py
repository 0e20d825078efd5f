"""The exporter's HTTP: metrics for Prometheus, statistics and an overview for people, health for the platform."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from exporter.admission import Admission
from exporter.auth import Denied, admit_scrape
from exporter.board import Board, StaleError
from exporter.overview_reader import OverviewReader
from exporter.overview_routes import overview_router
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock
from exporter.stats_query import StatsReader
from exporter.stats_routes import serve_statistics
from schemas.exposition import OPENMETRICS, TEXT
from schemas.requests import header_text, request_headers

log = logging.getLogger(__name__)

_METRICS_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"description": "The metrics", "content": {TEXT: {}, OPENMETRICS: {}}},
    401: {"description": "The scrape's credentials are missing or wrong"},
    503: {"description": "There are no numbers young enough to show"},
}


def create_app(settings: ExporterSettings, *, clock: Clock = time.time) -> FastAPI:
    """The exporter as an ASGI application; it refreshes while its lifespan lasts. `clock` is for tests."""
    stats_reader = StatsReader(settings)
    admission = Admission(settings)
    board = Board(settings, clock, admission.refusals)
    overview_reader = OverviewReader(settings, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(board.run())
        task.add_done_callback(_say_why)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await board.close()
            await overview_reader.close()
            await stats_reader.close()

    app = FastAPI(title="convergio exporter", lifespan=lifespan, redoc_url=None)
    app.state.board = board

    async def metrics(request: Request) -> Response:
        """The metrics, as of the last refresh; the format follows the Accept header."""
        try:
            sent = request_headers(request.scope["headers"])
            admit_scrape(settings, sent)
            body, headers = board.exposition().negotiated(
                header_text(sent, b"accept"), header_text(sent, b"accept-encoding")
            )
        except Denied as denied:
            challenge = {"WWW-Authenticate": denied.challenge} if denied.challenge else {}
            return PlainTextResponse(denied.detail + "\n", denied.status, challenge)
        except StaleError as stale:
            return PlainTextResponse(f"{stale}\n", 503)
        return Response(body, headers=headers)

    for path in ("/metrics", "/api/metrics"):
        app.add_api_route(path, metrics, response_class=Response, responses=_METRICS_ANSWERS)

    @app.get("/healthz", response_class=PlainTextResponse, responses={503: {"description": "A restart may help"}})
    async def alive() -> Response:
        """The process lives and refreshes; while ClickHouse is away, too."""
        reason = board.unhealthy_reason()
        return PlainTextResponse("ok\n" if reason is None else f"{reason}\n", 200 if reason is None else 503)

    @app.get("/readyz", response_class=PlainTextResponse, responses={503: {"description": "Not yet, or stale"}})
    async def ready() -> Response:
        """There are numbers young enough to show."""
        try:
            board.exposition()
        except StaleError as stale:
            return PlainTextResponse(f"{stale}\n", 503)
        return PlainTextResponse("ok\n")

    if settings.overview != "off":
        app.include_router(overview_router(settings, board, overview_reader, admission, clock))
    serve_statistics(app, settings, stats_reader, admission, clock)
    return app


def _say_why(task: asyncio.Task[None]) -> None:
    """Only cancellation should end the refresh task; after anything else `/healthz` is 503."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the metrics are no longer refreshed", exc_info=error)
