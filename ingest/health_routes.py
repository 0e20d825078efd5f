"""`/healthz`, `/readyz` and the gateway's own `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ingest.fleet import Fleet
from ingest.metrics import GatewayMetrics
from ingest.problems import Problem
from ingest.producer import Producer
from ingest.retention import RetentionWatch
from schemas.exposition import exposed
from schemas.requests import header_text, request_headers


def health_routes(
    *, producer: Producer, retention: RetentionWatch, metrics: GatewayMetrics, fleet: Fleet, retry_after: int
) -> APIRouter:
    """The routes that operators and load balancers ask. Whichever worker answers speaks for all of them."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        """Always 200: a process that cannot answer does not answer. Workers that hang are replaced by their parent."""
        return {"status": "alive"}

    @routes.get("/readyz", summary="Whether to send requests here", responses={503: {"description": "Not now"}})
    async def readyz() -> dict[str, str]:
        """200 while Kafka is connected, the retention is known and the gateway is not shutting down, else 503."""
        if not producer.ready:
            raise Problem("kafka-unavailable", "Kafka is not connected or does not answer.", retry_after=retry_after)
        retention.timing()
        if not fleet.ready:
            raise Problem("kafka-unavailable", "Another worker of this gateway is not ready.", retry_after=retry_after)
        return {"status": "ready"}

    @routes.get("/metrics", summary="The gateway's own metrics", response_class=Response)
    async def scrape(request: Request) -> Response:
        """Prometheus text format, or OpenMetrics when asked for; `ingest/metrics.py` lists them."""
        headers = request_headers(request.scope["headers"])
        body, content_type = exposed(metrics.registry, header_text(headers, b"accept"))
        return Response(body, headers={"content-type": content_type})

    return routes
