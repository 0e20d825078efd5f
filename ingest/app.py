"""Puts the gateway together: the hot route in front, FastAPI for everything else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Final, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ingest.access import OperatorToken, Origins, WriteKeys
from ingest.body import BodyReader, ClientGone, Receive
from ingest.budget import ByteBudget
from ingest.connection import COUNT_REFUSAL
from ingest.ending import end
from ingest.events_route import EVENTS_PATH, EventsRoute, Scope, Send
from ingest.fleet import Fleet
from ingest.health_routes import health_routes
from ingest.identity import Cookies
from ingest.limits import Buckets, buckets_of, charge
from ingest.metrics import GatewayMetrics
from ingest.openapi import document
from ingest.problems import Headers, Problem, response_to
from ingest.producer import Options, Producer
from ingest.retention import RetentionWatch
from ingest.settings import GatewaySettings
from ingest.user_routes import CONSENT_PATH, IDENTITY_PATH, ME_PATH, user_routes
from schemas.certificates import kafka_certificates
from schemas.http_headers import Protected
from schemas.kafka import client_options
from schemas.proxies import Peers
from schemas.requests import head_as_get, request_headers

log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

LONGEST_START_SECONDS: Final = 3.0
"""How long a gateway waits for Kafka before it listens all the same, and says at `/readyz` that it is not ready."""


class _UserPath(NamedTuple):
    """A path that FastAPI answers for a person: its methods, and what a request takes of its address's bucket."""

    methods: bytes
    tokens: int


USER_PATHS: Final = {
    # An erasure is far more work for everything behind the gateway than a batch.
    ME_PATH: _UserPath(b"DELETE, OPTIONS", 25),
    CONSENT_PATH: _UserPath(b"POST, OPTIONS", 1),
    IDENTITY_PATH: _UserPath(b"POST, OPTIONS", 1),
}


def create_app(settings: GatewaySettings, fleet: Fleet | None = None) -> App:
    """The gateway as an ASGI application with lifespan; start it with `serve`, or any ASGI server.

    `fleet` is what it shares with other workers, if several are to serve it. Raises ValueError for settings that
    contradict each other.
    """
    fleet = fleet or Fleet()
    metrics = GatewayMetrics(fleet, kafka_certificates(settings))
    budget = ByteBudget(settings.max_inflight_bytes, settings.retry_after_seconds, fleet.held_bytes)
    compression = None if settings.kafka_compression == "none" else settings.kafka_compression
    producer = Producer(
        Options(
            topic=settings.events_topic,
            client=client_options(settings),
            ack_timeout_seconds=settings.ack_timeout_seconds,
            linger_ms=settings.kafka_linger_ms,
            compression=compression,
            retry_after=settings.retry_after_seconds,
        ),
        budget,
        observe_acknowledgement=metrics.acknowledged,
        count_replacement=metrics.producer_replaced,
    )
    retention = RetentionWatch(
        settings.retention_topic,
        client_options(settings),
        skew_tolerance=timedelta(seconds=settings.clock_skew_tolerance_seconds),
        refresh_seconds=settings.retention_refresh_seconds,
        retry_after=settings.retry_after_seconds,
        clock=time.monotonic,
    )
    metrics.watch(inflight_bytes=lambda: budget.used, ready=lambda: producer.ready and retention.known and fleet.ready)
    peers = Peers(settings.trusted_proxies)
    cookies = Cookies(secure=settings.cookie_secure, max_age_days=settings.cookie_max_age_days, peers=peers)
    origins = Origins(settings.allowed_origins)
    address_limit = user_limit = None
    if settings.rate_limit_enabled:
        address_limit = buckets_of(
            fleet,
            rate=settings.address_requests_per_second,
            burst=settings.address_requests_burst,
            entries=settings.rate_limit_entries,
        )
        user_limit = buckets_of(
            fleet,
            rate=settings.user_events_per_second,
            burst=settings.user_events_burst,
            entries=settings.rate_limit_entries,
        )
    bodies = BodyReader(
        max_body_bytes=settings.max_body_bytes,
        max_inflated_bytes=settings.max_inflated_bytes,
        stall_seconds=settings.body_stall_seconds,
        total_seconds=settings.body_total_seconds,
        budget=budget,
    )
    events = EventsRoute(
        origins=origins,
        write_keys=WriteKeys(settings.write_keys),
        peers=peers,
        address_limit=address_limit,
        user_limit=user_limit,
        bodies=bodies,
        respect_gpc=settings.respect_gpc,
        cookies=cookies,
        timing=retention.timing,
        producer=producer,
        metrics=metrics,
        now=utc_now,
    )
    rest = _fastapi(settings, producer, retention, metrics, cookies, fleet)
    return _Front(events, rest, origins, bodies, peers, address_limit)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class _Front:
    """Sends the hot path to its route and all else to FastAPI, with the same rules for origins and bodies."""

    def __init__(
        self,
        events: EventsRoute,
        rest: FastAPI,
        origins: Origins,
        bodies: BodyReader,
        peers: Peers,
        address_limit: Buckets | None,
    ) -> None:
        self._events = events
        self._rest = rest
        self._origins = origins
        self._bodies = bodies
        self._peers = peers
        self._address_limit = address_limit

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Plain functions that return the awaitable: a layer less on the stack of every request.
        if scope["type"] == "http":
            path = scope["path"]
            if path == EVENTS_PATH:
                return self._events(scope, receive, send)
            if path in USER_PATHS:
                return self._guarded(scope, receive, send, USER_PATHS[path])
        return self._rest(head_as_get(scope), receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, path: _UserPath) -> None:
        headers = request_headers(scope["headers"])
        cors: Headers = []
        try:
            if scope["method"] == "OPTIONS":
                cors = self._origins.preflight(headers, path.methods)
                await _send_answer(send, 204, [(b"allow", path.methods), *cors], b"")
                return
            cors = self._origins.admit(headers)
            charge(self._address_limit, self._peers.client_key(scope, headers), path.tokens)
            # FastAPI would wait for a body of any size for any time.
            body = await self._bodies.read_raw(receive)
        except Problem as problem:
            problem_headers, text = problem.answer()
            await _send_answer(send, problem.status, [*problem_headers, *cors], text)
            return
        except ClientGone:
            return

        async def receive_read() -> Scope:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_with_cors(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *cors]
            await send(message)

        await self._rest(scope, receive_read, send_with_cors if cors else send)


async def _send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _fastapi(
    settings: GatewaySettings,
    producer: Producer,
    retention: RetentionWatch,
    metrics: GatewayMetrics,
    cookies: Cookies,
    fleet: Fleet,
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        producer.start()
        retention.start()
        await _until_ready(producer, retention)
        telling = asyncio.create_task(fleet.keep_telling(lambda: producer.ready and retention.known))
        # The server shows this to its connections.
        yield {COUNT_REFUSAL: metrics.refused_connection}
        await end(telling)
        await retention.close()
        await producer.close()

    app = FastAPI(
        title="Convergio telemetry gateway",
        version=version("convergio-telemetry"),
        summary="Takes batches of events; what it answers 202 is stored.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.include_router(
        user_routes(
            operator=OperatorToken(settings.operator_token),
            cookies=cookies,
            respect_gpc=settings.respect_gpc,
            producer=producer,
            now=utc_now,
        )
    )
    app.include_router(
        health_routes(
            producer=producer,
            retention=retention,
            metrics=metrics,
            fleet=fleet,
            retry_after=settings.retry_after_seconds,
        )
    )
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unexpected)
    app.add_middleware(Protected)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def _until_ready(producer: Producer, retention: RetentionWatch) -> None:
    """Waits before the listener opens: a balancer that asks no health would send what is answered 503."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_START_SECONDS):
            await producer.connected.wait()
            await retention.was_read.wait()


async def _answer_problem(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, Problem)
    return response_to(failure)


async def _answer_invalid(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    kind = first["type"]
    return response_to(Problem("not-json" if kind == "json_invalid" else "wrong-shape", f"{first['msg']} - at {place}"))


async def _answer_http(_: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    allow = (failure.headers or {}).get("allow") or (failure.headers or {}).get("Allow")
    if failure.status_code == 405 and allow:
        allow = "GET, HEAD" if allow == "GET" else allow
        return response_to(Problem("method-not-allowed", f"Use {allow} here.", headers=((b"allow", allow.encode()),)))
    if failure.status_code == 404:
        return response_to(Problem("not-found", "The gateway's routes are listed at /docs."))
    return response_to(Problem("wrong-shape", str(failure.detail)))


async def _answer_unexpected(_: Request, failure: Exception) -> Response:
    log.error("request failed", exc_info=failure)
    return response_to(Problem("internal", "The gateway failed on this request; try again later."))
