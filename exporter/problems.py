"""Errors of the statistics as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The question cannot be answered",
    401: "The request names no user",
    403: "The token is not valid",
    503: "ClickHouse cannot be read",
}


class Problem(BaseModel):
    """The body of an error."""

    type: str = Field(examples=["urn:convergio:problem:wrong-range"])
    title: str
    status: int
    detail: str = Field(description="What to do about it.")


_TYPES = {400: "wrong-question", 401: "identity-missing", 403: "token-wrong", 503: "clickhouse-unavailable"}

RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"description": title, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
    for status, title in TITLES.items()
}
"""For the OpenAPI document."""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error's answer; `status` is one of `TITLES`."""
    body = Problem(type=f"urn:convergio:problem:{_TYPES[status]}", title=TITLES[status], status=status, detail=detail)
    return JSONResponse(
        body.model_dump(), status, {"Cache-Control": "private, no-store", **(headers or {})}, MEDIA_TYPE
    )
