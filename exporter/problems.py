"""Errors of the statistics and the overview as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from exporter.admission import Refused
from exporter.auth import Denied
from schemas.metrics import StatsRefusal

MEDIA_TYPE = "application/problem+json"

Kind = Literal[
    "wrong-question",
    "identity-missing",
    "token-missing",
    "token-wrong",
    "operators-disabled",
    "rate-limited",
    "busy",
    "clickhouse-unavailable",
]


class Shape(NamedTuple):
    """What is the same for every problem of one kind."""

    status: int
    title: str


TABLE: Final[dict[Kind, Shape]] = {
    "wrong-question": Shape(400, "The question cannot be answered"),
    "identity-missing": Shape(401, "The request names no user"),
    "token-missing": Shape(401, "The request has no operator token"),
    "token-wrong": Shape(403, "The token is not valid"),
    "operators-disabled": Shape(403, "No operator token is configured"),
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


def responses(*kinds: Kind) -> dict[int | str, dict[str, object]]:
    """The problems that a route may answer, for the OpenAPI document."""
    shapes = [TABLE[kind] for kind in kinds]
    return {
        status: {
            "description": "; or: ".join(shape.title for shape in shapes if shape.status == status),
            "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
        }
        for status in dict.fromkeys(shape.status for shape in shapes)
    }


def problem(kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to an error."""
    shape = TABLE[kind]
    body = Problem(type=f"urn:convergio:problem:{kind}", title=shape.title, status=shape.status, detail=detail)
    return JSONResponse(
        body.model_dump(), shape.status, {"Cache-Control": "private, no-store", **(headers or {})}, MEDIA_TYPE
    )


_REFUSED: Final[dict[StatsRefusal, str]] = {
    "address": "Too many requests came from this address",
    "user": "This user asked too often",
    "user-busy": "Earlier requests of this user are still being answered",
    "busy": "As many statistics as possible are being read",
    "operators-busy": "As many statistics for operators as possible are being read",
}


def refusal(error: Denied | Refused, nobody: Kind) -> JSONResponse:
    """The response to a request that is not admitted; `nobody` is the problem of one without credentials."""
    if isinstance(error, Denied):
        challenge = {"WWW-Authenticate": error.challenge} if error.challenge else {}
        return problem(nobody if error.status == 401 else "token-wrong", error.detail, challenge)
    kind: Kind = "rate-limited" if error.reason in ("address", "user", "user-busy") else "busy"
    detail = f"{_REFUSED[error.reason]}; ask again in {error.retry_after} s."
    return problem(kind, detail, {"Retry-After": str(error.retry_after)})
