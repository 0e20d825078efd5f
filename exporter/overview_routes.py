"""The overview: a page at `/`, and the numbers it shows at `/api/overview`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

from exporter.admission import Admission, Refused
from exporter.auth import Denied
from exporter.board import Board
from exporter.overview_model import OverviewModel, overview_model
from exporter.overview_reader import OverviewReader
from exporter.problems import problem, refusal, responses
from exporter.settings import ExporterSettings
from exporter.snapshot import Clock
from schemas.pages import PAGE_HEADERS

PATH: Final = "/api/overview"

BUILT: Final = Path(__file__).parent / "web"
"""What `make client` builds from `client/overview`."""

_HEADERS: Final = {"Cache-Control": "private, no-store", "Vary": "Authorization"}
_PROBLEMS: Final = responses(
    "token-missing", "token-wrong", "operators-disabled", "rate-limited", "clickhouse-unavailable"
)


def overview_router(
    settings: ExporterSettings, board: Board, reader: OverviewReader, admission: Admission, clock: Clock
) -> APIRouter:
    """The page, which holds no numbers and is for everyone, and its numbers, for whom `settings.overview` says."""
    router = APIRouter()
    files = StaticFiles(directory=BUILT, check_dir=False)
    is_open = settings.overview == "open"

    @router.get(PATH, response_model=OverviewModel, responses=_PROBLEMS)
    async def overview(request: Request) -> Response:
        """Today against yesterday until the same time of day, and the pipeline's health; for operators.

        Answered out of readings that all requests share.
        """
        if not is_open and settings.operator_token is None:
            detail = "Set CONVERGIO_OPERATOR_TOKEN, or CONVERGIO_OVERVIEW=open for everyone who reaches the exporter."
            return problem("operators-disabled", detail)
        try:
            admission.admit_to_overview(request.scope, everyone=is_open)
        except (Denied, Refused) as error:
            return refusal(error, "token-missing")
        today = await reader.newest()
        windows, lifetime, now = board.windows.reading, board.lifetime.reading, clock()
        if today is None or windows is None or lifetime is None:
            detail = "ClickHouse could not be read, or not in time; the exporter's log says why. Try again shortly."
            return problem("clickhouse-unavailable", detail, {"Retry-After": "5"})
        model = overview_model(
            now,
            windows,
            lifetime,
            today,
            stale=reader.is_stale(now) or board.is_stale(now),
            readable=board.windows.healthy and board.lifetime.healthy and reader.healthy,
            failures=board.windows.failures + board.lifetime.failures + reader.failures,
        )
        return Response(model.model_dump_json(by_alias=True), media_type="application/json", headers=_HEADERS)

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return await _file("index.html", request)

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        return await _file(f"assets/{name}", request)

    async def _file(path: str, request: Request) -> Response:
        response = await files.get_response(path, request.scope)
        response.headers.update(PAGE_HEADERS)
        return response

    return router
