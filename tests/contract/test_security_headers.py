"""What a browser must not do with our responses, said by each of them: none is sniffed, framed or kept by a cache."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from exporter import ExporterSettings
from infra.origin import create_origin
from infra.settings import Settings
from tests.exporter import Exporter, running_exporter
from tests.gateway import EVENTS, Gateway, batch, create_topic, running_gateway, settings
from tests.raw_http import exchange
from tests.servers import ClickHouseAddress

PROTECTED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
COOKIE = {"Cookie": f"convergio_uid={uuid.uuid4()}"}
TOKEN = "the token of the operators"


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str, clickhouse: ClickHouseAddress) -> AsyncIterator[Gateway]:
    """The one origin of gateway, statistics and study app."""
    topic = await create_topic(kafka_bootstrap)
    chosen = settings(kafka_bootstrap, topic)
    everything = Settings(
        **clickhouse.settings("default"), kafka_bootstrap=kafka_bootstrap, events_topic=topic, rate_limit_enabled=False
    )
    async with running_gateway(chosen, app=create_origin(everything)) as running:
        yield running


@pytest.fixture(scope="module")
async def exporter(clickhouse: ClickHouseAddress) -> AsyncIterator[Exporter]:
    chosen = ExporterSettings(**clickhouse.settings("default"), operator_token=SecretStr(TOKEN))
    async with running_exporter(chosen) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/index.html", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")),
        *(("GET", path) for path in ("/nothing", "/api/telemetry/me", "/api/telemetry/stats")),
        ("POST", "/api/telemetry/identity"),
        ("POST", "/api/telemetry/consent"),
        ("DELETE", "/api/telemetry/me"),
    ],
)
async def test_no_response_of_the_origin_is_sniffed_or_framed(gateway: Gateway, method: str, path: str) -> None:
    answer = await gateway.request(method, path)
    assert {name: answer.headers.get(name) for name in PROTECTED} == PROTECTED
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert len(answer.headers.getall("Content-Security-Policy")) == 1  # type: ignore[attr-defined]


async def test_no_answer_to_a_batch_is_sniffed(gateway: Gateway) -> None:
    for document, status in ((batch(), 202), ({}, 400), (batch({"eventId": "<script>alert(1)</script>"}), 422)):
        answer = await gateway.post(document)
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (status, "nosniff")
    answer = await gateway.request("PUT", EVENTS)
    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (405, "nosniff")
    refused = await exchange(gateway.port, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n")
    assert b"x-content-type-options: nosniff" in refused.lower()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/telemetry/identity", b""),
        ("POST", "/api/telemetry/consent", b'{"optOut": true}'),
        ("DELETE", "/api/telemetry/me", b""),
    ],
)
async def test_no_cache_keeps_what_is_one_persons(gateway: Gateway, method: str, path: str, body: bytes) -> None:
    answer = await gateway.request(method, path, body=body, headers={**COOKIE, "Content-Type": "application/json"})
    assert answer.status in (200, 202, 204)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/nothing", "/api/telemetry/stats"]
)
async def test_no_response_of_the_exporter_is_sniffed_or_framed(exporter: Exporter, path: str) -> None:
    answer = await exporter.get(path)
    assert {name: answer.headers.get(name) for name in PROTECTED} == PROTECTED
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"


async def test_no_cache_keeps_statistics(exporter: Exporter) -> None:
    for headers in ({}, COOKIE, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer wrong"}):
        answer = await exporter.get("/api/telemetry/stats", **headers)
        assert answer.headers["Cache-Control"] == "private, no-store"
