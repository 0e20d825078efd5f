"""The OpenAPI document: FastAPI's own, with the hot route added from the types it really uses."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ingest.events_route import EVENTS_PATH
from ingest.problems import TABLE, ProblemDocument
from schemas.json_schema import OPENAPI_REFS, components, openapi_schemas

Document = dict[str, Any]
"""An OpenAPI document: a tree of JSON values."""

_WITH_RETRY_AFTER: Final = {429, 503}
_HOT_ROUTE_STATUSES: Final = (400, 401, 403, 408, 413, 415, 422, 429, 431, 503)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": OPENAPI_REFS.format(name=name)}


def _problem(status: int) -> Document:
    titles = [shape.title for shape in TABLE.values() if shape.status == status and shape.title]
    answer: Document = {
        "description": "; ".join(titles),
        "content": {"application/problem+json": {"schema": _ref("ProblemDocument")}},
    }
    if status in _WITH_RETRY_AFTER:
        answer["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before sending the batch again.",
                "schema": {"type": "integer"},
            }
        }
    return answer


def _events_operation() -> Document:
    batch = {"schema": _ref("Batch")}
    return {
        "tags": ["telemetry"],
        "summary": "Send a batch of events",
        "description": "Answers per event. Every accepted event has been acknowledged by Kafka before the 202."
        " The body may be compressed (`Content-Encoding: gzip` or `zstd`).",
        "operationId": "post_events",
        "parameters": [
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": batch, "text/plain": batch}},
        "responses": {
            "202": {
                "description": "What became of each event",
                "content": {"application/json": {"schema": _ref("Verdict")}},
            },
            **{str(status): _problem(status) for status in _HOT_ROUTE_STATUSES},
        },
        "security": [{}, {"writeKey": []}, {"bearer": []}],
    }


def document(app: FastAPI) -> Document:
    """The whole document, made once."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    made: Document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
    )
    parts = made.setdefault("components", {})
    parts.setdefault("schemas", {}).update(openapi_schemas() | components(OPENAPI_REFS, [ProblemDocument]))
    parts["securitySchemes"] = {
        "writeKey": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    made["paths"] = {EVENTS_PATH: {"post": _events_operation()}, **made["paths"]}
    app.openapi_schema = made
    return made
