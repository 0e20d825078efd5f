"""Every way a request can fail: one error type, one table from its kind to the HTTP answer (RFC 9457)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec
from starlette.responses import Response

from schemas.events import Rejection
from schemas.http_headers import NOSNIFF

Kind = Literal[
    "not-http",
    "not-json",
    "wrong-shape",
    "not-inflatable",
    "write-key-missing",
    "token-missing",
    "identity-missing",
    "write-key-wrong",
    "token-wrong",
    "origin-not-allowed",
    "not-found",
    "method-not-allowed",
    "head-late",
    "body-stalled",
    "body-too-large",
    "inflated-too-large",
    "media-type",
    "content-encoding",
    "nothing-acceptable",
    "rate-limited",
    "head-too-large",
    "kafka-unavailable",
    "retention-unknown",
    "acknowledgement-late",
    "buffer-full",
    "too-many-connections",
    "draining",
    "internal",
]

REFUSALS: Final[tuple[Kind, ...]] = (
    "not-http",
    "head-late",
    "head-too-large",
    "body-too-large",
    "rate-limited",
    "too-many-connections",
)
"""What a connection may be ended for before there is a request to answer."""


class Shape(NamedTuple):
    """What is the same for every problem of one kind."""

    status: int
    title: str


TABLE: Final[dict[Kind, Shape]] = {
    "not-http": Shape(400, "This is no HTTP request"),
    "not-json": Shape(400, "The body is not JSON"),
    "wrong-shape": Shape(400, "The body has the wrong shape"),
    "not-inflatable": Shape(400, "The body does not inflate"),
    "write-key-missing": Shape(401, "A write key is needed"),
    "token-missing": Shape(401, "A token is needed"),
    "identity-missing": Shape(401, "The request names no user"),
    "write-key-wrong": Shape(403, "The write key is not valid"),
    "token-wrong": Shape(403, "The token is not valid"),
    "origin-not-allowed": Shape(403, "The origin is not allowed"),
    "not-found": Shape(404, "There is nothing here"),
    "method-not-allowed": Shape(405, "The method is not allowed here"),
    "head-late": Shape(408, "The head of the request did not arrive in time"),
    "body-stalled": Shape(408, "The body did not arrive in time"),
    "body-too-large": Shape(413, "The body is too large"),
    "inflated-too-large": Shape(413, "The inflated body is too large"),
    "media-type": Shape(415, "The media type is not supported"),
    "content-encoding": Shape(415, "The content encoding is not supported"),
    "nothing-acceptable": Shape(422, "No event of the batch was acceptable"),
    "rate-limited": Shape(429, "Too many requests"),
    "head-too-large": Shape(431, "The head of the request is too large"),
    "internal": Shape(500, "The gateway failed"),
    "kafka-unavailable": Shape(503, "Kafka cannot be reached"),
    "retention-unknown": Shape(503, "How long events are kept is not known"),
    "acknowledgement-late": Shape(503, "Kafka did not acknowledge in time"),
    "buffer-full": Shape(503, "Too much is waiting for Kafka"),
    "too-many-connections": Shape(503, "Too many connections are open"),
    "draining": Shape(503, "The gateway is shutting down"),
}

Headers = list[tuple[bytes, bytes]]


class ProblemDocument(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The body of every error, `application/problem+json`; `rejected` only on a 422."""

    type: str
    title: str
    status: int
    detail: str
    rejected: list[Rejection] | None = None


class Problem(Exception):
    """A request that cannot be served; `detail` tells the caller what to do about it.

    `retry_after` is in whole seconds. `headers` go out with the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        rejected: list[Rejection] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind: Final = kind
        self.detail: Final = detail
        self.retry_after: Final = retry_after
        self.headers: Final = headers
        self.rejected: Final = rejected

    @property
    def status(self) -> int:
        return TABLE[self.kind].status

    def answer(self) -> tuple[Headers, bytes]:
        """The headers and the body of the HTTP answer."""
        shape = TABLE[self.kind]
        body = msgspec.json.encode(
            ProblemDocument(
                type=f"urn:convergio:problem:{self.kind}",
                title=shape.title,
                status=shape.status,
                detail=self.detail,
                rejected=self.rejected,
            )
        )
        headers: Headers = [
            (b"content-type", b"application/problem+json"),
            NOSNIFF,
            (b"content-length", str(len(body)).encode()),
            *self.headers,
        ]
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        return headers, body


def response_to(problem: Problem) -> Response:
    """The answer as Starlette's and FastAPI's routes give it."""
    headers, body = problem.answer()
    response = Response(body, status_code=problem.status)
    response.raw_headers = headers
    return response
