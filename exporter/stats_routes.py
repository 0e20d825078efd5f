"""GET /api/telemetry/stats: one user's statistics by cookie, everybody's by operator token."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.admission import Admission, Refused
from exporter.auth import Audience, Denied
from exporter.problems import problem, refusal, responses
from exporter.queries import ReadError
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock
from exporter.stats import RangeError, csv_text, last_days, parse_range, time_zone
from exporter.stats_model import StatsModel, stats_model
from exporter.stats_query import Statistics, StatsReader
from schemas.http_headers import Protected
from schemas.negotiation import preferred
from schemas.origins import AllowedOrigins
from schemas.requests import head_as_get, header_text, request_headers
from schemas.score import SCORE_DAYS

PATH = "/api/telemetry/stats"
METHODS = b"GET, HEAD, OPTIONS"

_CSV_HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="statistics.csv"',
}

_AUDIENCE = "convergio.audience"
"""Where the scope of an admitted request says whose statistics it may read."""

_PROBLEMS = responses(
    "wrong-question", "identity-missing", "token-wrong", "rate-limited", "busy", "clickhouse-unavailable"
)

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "private, no-store", "Vary": "Accept, Authorization, Cookie, Origin"}


class Question(BaseModel):
    """What may be asked. There is no way to name a user: whose statistics they are is never a parameter."""

    model_config = ConfigDict(extra="forbid")

    range: str = Field(
        "7d",
        description="`today`, `7d`, `30d` (calendar days that end today), or two ISO dates, both included.",
        examples=["today", "2026-05-01/2026-05-31"],
    )
    tz: str = Field("UTC", description="IANA time zone of the days.", examples=["Europe/Rome"])
    compare: Literal["previous"] | None = Field(
        None, description="`previous`: also the totals of the preceding range of as many days, and the changes."
    )
    format: Literal["json", "csv"] | None = Field(
        None, description="Wins over the Accept header; CSV holds the series per day."
    )


def _stats_router(settings: ExporterSettings, reader: StatsReader, clock: Clock) -> APIRouter:
    """The route alone; `serve_statistics` gives it to an application."""
    router = APIRouter()

    @router.get(
        PATH,
        response_model=StatsModel,
        responses={200: {"content": {"text/csv": {}}, "description": "The statistics"}, **_PROBLEMS},
    )
    async def stats(request: Request, question: Annotated[Question, Query()]) -> Response:
        """Statistics of the calling user (cookie `convergio_uid`), or of all with the operator token as bearer."""
        now = clock()
        who: Audience = request.scope[_AUDIENCE]
        is_csv = _wants_csv(question, header_text(request_headers(request.scope["headers"]), b"accept"))
        try:
            zone = time_zone(question.tz)
            days = parse_range(question.range, zone, now, settings.stats_max_days)

            def render(statistics: Statistics) -> str:
                if is_csv:
                    return csv_text(statistics.days)
                scope: Literal["me", "all"] = "all" if who.user is None else "me"
                model = stats_model(statistics, days, scope, datetime.fromtimestamp(now, UTC))
                return model.model_dump_json(by_alias=True)

            body = await reader.read(
                who, days, last_days(SCORE_DAYS, zone, now), compare=question.compare is not None, render=render
            )
        except RangeError as wrong:
            return problem("wrong-question", str(wrong))
        except ReadError as error:
            log.warning("statistics failed", extra={"reason": str(error)})
            detail = "Statistics are not available right now; try again shortly."
            return problem("clickhouse-unavailable", detail, {"Retry-After": "5"})
        if is_csv:
            return Response(body, headers={**HEADERS, **_CSV_HEADERS})
        return Response(body, media_type="application/json", headers=HEADERS)

    return router


def serve_statistics(
    app: FastAPI, settings: ExporterSettings, reader: StatsReader, admission: Admission, clock: Clock
) -> None:
    """Gives an application the route, to pages of the allowed origins too.

    Parameters it does not know or understand are answered with a 400 that says which, and HEAD as GET, on every route.
    """
    app.include_router(_stats_router(settings, reader, clock))
    app.add_middleware(_Admitted, admission=admission)
    app.add_middleware(_StatisticsCors, origins=settings.allowed_origins)
    app.add_middleware(Protected)
    app.add_middleware(_HeadAsGet)

    @app.exception_handler(RequestValidationError)
    async def wrong(_request: Request, error: RequestValidationError) -> Response:
        details = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
        return problem("wrong-question", "; ".join(details))


class _Admitted:
    """Lets requests for statistics through while there is room, and answers the others before anything is done."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        try:
            with self._admission.admit(scope) as who:
                await self._app({**scope, _AUDIENCE: who}, receive, send)
        except (Denied, Refused) as error:
            await refusal(error, "identity-missing")(scope, receive, send)


class _StatisticsCors:
    """Lets pages of the allowed origins read their user's statistics. Metrics are not for pages."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._allowed = AllowedOrigins(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        headers = request_headers(scope["headers"])
        if scope["method"] == "OPTIONS":
            cors = self._allowed.preflight_headers(headers, METHODS)
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", METHODS), *cors]})
            await send({"type": "http.response.body"})
            return
        cors = self._allowed.response_headers(headers)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *cors]
            await send(message)

        await self._app(scope, receive, send_with_cors if cors else send)


class _HeadAsGet:
    """Lets an application answer HEAD wherever it answers GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(head_as_get(scope), receive, send)


def create_stats_app(settings: ExporterSettings, *, clock: Clock = time.time) -> FastAPI:
    """The statistics alone, as an ASGI application to compose into another origin.

    It connects when first asked; its lifespan, where the host runs it, closes the connections. `clock` is for tests.
    """
    reader = StatsReader(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await reader.close()

    app = FastAPI(title="convergio statistics", lifespan=lifespan, openapi_url=None)
    serve_statistics(app, settings, reader, Admission(settings), clock)
    return app


def _wants_csv(question: Question, accept: str) -> bool:
    if question.format is not None:
        return question.format == "csv"
    return preferred(accept, ("application/json", "text/csv")) == 1
