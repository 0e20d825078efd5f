"""Errors of the statistics as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"

Kind = Literal["wrong-question", "identity-missing", "token-wrong", "rate-limited", "busy", "clickhouse-unavailable"]


class Shape(NamedTuple):
    """What is the same for every problem of one kind."""

    status: int
    title: str


TABLE: Final[dict[Kind, Shape]] = {
    "wrong-question": Shape(400, "The question cannot be answered"),
    "identity-missing": Shape(401, "The request names no user"),
    "token-wrong": Shape(403, "The token is not valid"),
    "rate-limited": Shape(429, "Too many requests"),
    "busy": Shape(503, "Too many requests are being answered"),
    "clickhouse-unavailable": Shape(503, "ClickHouse cannot be read"),
}


class Problem(BaseModel):
    """The body of an error."""

    type: str = Field(examples=["urn:convergio:problem:wrong-question"])
    title: str
    status: int
    detail: str = Field(description="What to do about it.")


RESPONSES: dict[int | str, dict[str, object]] = {
    status: {
        "description": "; or: ".join(shape.title for shape in TABLE.values() if shape.status == status),
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
    for status in dict.fromkeys(shape.status for shape in TABLE.values())
}
"""For the OpenAPI document."""


def problem(kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to an error."""
    shape = TABLE[kind]
    body = Problem(type=f"urn:convergio:problem:{kind}", title=shape.title, status=shape.status, detail=detail)
    return JSONResponse(
        body.model_dump(), shape.status, {"Cache-Control": "private, no-store", **(headers or {})}, MEDIA_TYPE
    )
