"""`POST /api/telemetry/events`: a plain ASGI callable, because FastAPI's machinery costs several times its work.

The steps of one request, in order: origin, write key, address limit, body, opt-out, verdicts, user, user limit,
rows, Kafka, answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from ingest import identity
from ingest.access import Origins, WriteKeys
from ingest.body import BodyReader, ClientGone, Receive
from ingest.envelope import Timing, build_rows, encode_messages
from ingest.limits import Buckets, charge
from ingest.metrics import CLIENT_GONE, GatewayMetrics
from ingest.problems import Headers, Problem
from ingest.producer import Producer
from ingest.validate import opted_out, read_batch
from schemas.cookies import cookie_user
from schemas.events import MAX_EVENTS_PER_BATCH, Rejection, Verdict
from schemas.http_headers import NOSNIFF
from schemas.proxies import Peers
from schemas.requests import request_headers

log = logging.getLogger(__name__)

EVENTS_PATH: Final = "/api/telemetry/events"
METHODS: Final = b"POST, OPTIONS"

Scope = MutableMapping[str, Any]
"""ASGI's scope; its values are whatever the server put there."""
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = (b"content-type", b"application/json")


class _Answer(NamedTuple):
    headers: Headers
    body: bytes


def _accepted(count: int) -> _Answer:
    body = b'{"accepted":%d,"rejected":[]}' % count
    return _Answer([_JSON, NOSNIFF, (b"content-length", str(len(body)).encode())], body)


_ALL_ACCEPTED: Final = tuple(_accepted(count) for count in range(MAX_EVENTS_PER_BATCH + 1))
"""The usual answers, ready made: a whole batch accepted."""

_encode_verdict = msgspec.json.Encoder().encode


class EventsRoute:
    """The hot route, with everything it needs given to it. `now` is the wall clock, UTC.

    `timing` gives the rules in force, and raises a 503 problem while they are not known.
    """

    def __init__(
        self,
        *,
        origins: Origins,
        write_keys: WriteKeys,
        peers: Peers,
        address_limit: Buckets | None,
        user_limit: Buckets | None,
        bodies: BodyReader,
        respect_gpc: bool,
        cookies: identity.Cookies,
        timing: Callable[[], Timing],
        producer: Producer,
        metrics: GatewayMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._origins = origins
        self._write_keys = write_keys
        self._peers = peers
        self._address_limit = address_limit
        self._user_limit = user_limit
        self._bodies = bodies
        self._respect_gpc = respect_gpc
        self._cookies = cookies
        self._timing = timing
        self._producer = producer
        self._metrics = metrics
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = request_headers(scope["headers"])
        extra: Headers = []
        try:
            status, answer = await self._handle(scope, headers, receive, extra)
        except Problem as problem:
            status, answer = problem.status, _Answer(*problem.answer())
        except ClientGone:
            self._metrics.answered(CLIENT_GONE)
            return
        except Exception:
            log.exception("request failed")
            failed = Problem("internal", "The gateway failed on this request; send the same batch again later.")
            status, answer = failed.status, _Answer(*failed.answer())
        self._metrics.answered(status)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": answer.headers + extra if extra else answer.headers,
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _handle(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, extra: Headers
    ) -> tuple[int, _Answer]:
        """Status and answer; headers that go out whatever happens are added to `extra`."""
        method = scope["method"]
        if method == "OPTIONS":
            extra += self._origins.preflight(headers, METHODS)
            return 204, _Answer([(b"allow", METHODS)], b"")
        if b"origin" in headers:
            extra += self._origins.admit(headers)
        if method != "POST":
            raise Problem("method-not-allowed", "Post batches here.", headers=((b"allow", METHODS),))
        self._write_keys.check(headers)
        charge(self._address_limit, self._peers.client_key(scope, headers), 1)

        received_at = self._now()
        body = await self._bodies.read(headers, receive)
        submission = read_batch(body)
        if identity.opted_out(headers, self._respect_gpc):
            refused = opted_out(submission)
            self._metrics.rejected(refused)
            return 202, self._verdict(0, refused)

        rejected = submission.rejected
        if not submission.events:
            raise self._nothing_acceptable(rejected)
        user_id = submission.user_id or cookie_user(headers)
        fresh = user_id is None
        if user_id is None:
            user_id = identity.mint()
        else:
            charge(self._user_limit, user_id, len(submission.events) + len(rejected))

        rows, too_old = build_rows(submission, user_id, received_at, self._timing())
        if too_old:
            rejected = sorted(rejected + too_old, key=lambda rejection: rejection.index)
        if not rows:
            raise self._nothing_acceptable(rejected)
        if fresh:
            # Also with a 503: the repetition must come from the same user, or it would count twice.
            extra.append((b"set-cookie", self._cookies.identify(user_id, scope, headers)))
        await self._producer.publish(user_id, encode_messages(rows))

        self._metrics.accepted(len(rows))
        if not rejected:
            return 202, _ALL_ACCEPTED[len(rows)]
        self._metrics.rejected(rejected)
        return 202, self._verdict(len(rows), rejected)

    def _nothing_acceptable(self, rejected: list[Rejection]) -> Problem:
        self._metrics.rejected(rejected)
        return Problem("nothing-acceptable", "Every event was refused; `rejected` says why.", rejected=rejected)

    @staticmethod
    def _verdict(accepted: int, rejected: list[Rejection]) -> _Answer:
        body = _encode_verdict(Verdict(accepted=accepted, rejected=rejected))
        return _Answer([_JSON, NOSNIFF, (b"content-length", str(len(body)).encode())], body)
