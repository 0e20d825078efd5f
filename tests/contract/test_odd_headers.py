"""Whatever a header says, there is an answer, and it is no 500: gateway, exporter and a processor's health server."""

from __future__ import annotations

import json
import time
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from infra.local.ports import HOST, free_ports
from processors.health import Health, HealthServer
from tests.exporter import Exporter, exporter_over_empty_tables
from tests.gateway import EVENTS, Gateway, batch, create_topic, running_gateway
from tests.gateway import settings as gateway_settings
from tests.raw_http import exchange, post, statuses
from tests.servers import ClickHouseAddress

APP = "https://app.example.org"
TOKEN = "the token of the operators"
ANNA = uuid.uuid4()

AT_GATEWAY = [
    ("POST", EVENTS),
    ("OPTIONS", EVENTS),
    ("POST", "/api/telemetry/consent"),
    ("POST", "/api/telemetry/identity"),
    ("DELETE", "/api/telemetry/me"),
    ("DELETE", f"/api/telemetry/me?userId={ANNA}"),
    ("OPTIONS", "/api/telemetry/me"),
    ("GET", "/metrics"),
    ("HEAD", "/readyz"),
]
AT_EXPORTER = [
    ("GET", "/metrics"),
    ("HEAD", "/api/metrics"),
    ("GET", "/api/telemetry/stats"),
    ("OPTIONS", "/api/telemetry/stats"),
    ("HEAD", "/healthz"),
]
AT_PROCESSOR = [("GET", "/metrics"), ("HEAD", "/metrics"), ("GET", "/readyz")]

NAMES = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Type",
    "Content-Encoding",
    "Cookie",
    "Origin",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Write-Key",
    "Sec-GPC",
]
PIECES = st.sampled_from(
    [
        *(
            "text/plain",
            "application/json",
            "text/csv",
            "application/openmetrics-text",
            "*/*",
            "application/problem+json",
        ),
        *(
            ";version=abc",
            ";version=1.0.0",
            ";q=0",
            ";q=",
            ";q=nan",
            ";charset=klingon",
            '; x="',
            "=",
            ";",
            ",",
            '"',
            "\\",
        ),
        *("gzip", "zstd", "identity", "br"),
        *("Basic ", "Bearer ", "Basic YTpi", "Basic \u00e9", f"Bearer {TOKEN}", "Negotiate "),
        *(f"convergio_uid={ANNA}", "convergio_uid=", "convergio_optout=1", "; ", "=="),
        *("null", APP, "capacitor://localhost", "https://[::1", "://", ":443", ":99999999999"),
        *("198.51.100.7", "[2001:db8::7]:80", "::ffff:1.2.3.4", "fe80::1%eth0", "[", "unknown", "1.2.3.4:x"),
    ]
)
VALUES = st.lists(PIECES | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=8), max_size=6)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES.map("".join)), max_size=6)
BODY = json.dumps(batch()).encode()
WRITER = ("X-Write-Key", "the-write-key")
SCRAPER = ("Authorization", f"Basic {b64encode(b'prometheus:the password').decode()}")

fuzz = settings(max_examples=100)


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str) -> AsyncIterator[Gateway]:
    chosen = gateway_settings(
        kafka_bootstrap,
        await create_topic(kafka_bootstrap),
        operator_token=TOKEN,
        allowed_origins=APP,
        trusted_proxies="127.0.0.0/8",
        write_keys="the-write-key",
    )
    async with running_gateway(chosen) as running:
        yield running


@pytest.fixture(scope="module")
async def exporter(clickhouse: ClickHouseAddress) -> AsyncIterator[Exporter]:
    async with exporter_over_empty_tables(
        clickhouse,
        operator_token=TOKEN,
        allowed_origins=APP,
        trusted_proxies="127.0.0.0/8",
        exporter_user="prometheus",
        exporter_password="the password",
        rate_limit_enabled=False,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def processor_port() -> Iterator[int]:
    (port,) = free_ports(1)
    server = HealthServer(Health(time.monotonic, heartbeat_seconds=3600), CollectorRegistry(), HOST, port)
    server.start()
    yield port
    server.close()


async def assert_answered(port: int, request: tuple[str, str], headers: list[tuple[str, str]]) -> None:
    """The wire's own rules are the server's to judge: what breaks them is a 400."""
    lines = [f"{name}: {value}" for name, value in headers]
    sent = post(request[1], BODY, "Connection: close").replace(b"POST", request[0].encode(), 1)
    sent = sent.replace(b"\r\n", b"".join([b"\r\n", *(line.encode("latin-1") + b"\r\n" for line in lines)]), 1)
    if any(name == "Content-Type" for name, _ in headers):
        sent = sent.replace(b"Content-Type: application/json\r\nContent-Length", b"Content-Length", 1)
    received = await exchange(port, sent)
    assert statuses(received)[:1] not in ([], [500]), received


@fuzz
@example(request=("GET", "/metrics"), headers=[("Accept", "text/plain;version=abc")])
@given(request=st.sampled_from(AT_GATEWAY), headers=HEADERS | HEADERS.map(lambda headers: [*headers, WRITER]))
async def test_the_gateway_answers_whatever_headers_say(
    gateway: Gateway, request: tuple[str, str], headers: list[tuple[str, str]]
) -> None:
    await assert_answered(gateway.port, request, headers)


@fuzz
@example(request=("GET", "/metrics"), headers=[("Accept", "text/plain;version=abc"), SCRAPER])
@given(request=st.sampled_from(AT_EXPORTER), headers=HEADERS | HEADERS.map(lambda headers: [*headers, SCRAPER]))
async def test_the_exporter_answers_whatever_headers_say(
    exporter: Exporter, request: tuple[str, str], headers: list[tuple[str, str]]
) -> None:
    await assert_answered(exporter.port, request, headers)


@fuzz
@example(request=("GET", "/metrics"), headers=[("Accept", "text/plain;version=abc")])
@given(request=st.sampled_from(AT_PROCESSOR), headers=HEADERS)
async def test_a_processor_answers_probes_whatever_headers_say(
    processor_port: int, request: tuple[str, str], headers: list[tuple[str, str]]
) -> None:
    await assert_answered(processor_port, request, headers)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain;version=abc", 202),
        ("text/plain;charset=klingon", 202),
        ("APPLICATION/JSON ; charset=UTF-16", 202),
        ("application/json;;=", 202),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("\u00e9", 415),
    ],
)
async def test_an_odd_content_type_of_a_batch_is_taken_or_a_problem(
    gateway: Gateway, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "X-Write-Key": "the-write-key"}
    answer = await gateway.request("POST", EVENTS, body=BODY, headers=headers)
    assert answer.status == status
    assert status == 202 or answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["text/plain;version=abc", "application/json;charset=klingon", "multipart/form-data", "/"]
)
async def test_an_odd_content_type_of_a_choice_is_taken_or_a_problem(gateway: Gateway, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = await gateway.request("POST", "/api/telemetry/consent", body=b'{"optOut": true}', headers=headers)
    assert answer.status == 204 or (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
