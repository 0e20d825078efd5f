"""What load balancers and protected sites make of requests: gateway and exporter read it alike."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import SecretStr

from tests.exporter import Exporter, exporter_over_empty_tables
from tests.gateway import EVENTS, Gateway, batch, create_topic, running_gateway, settings
from tests.servers import ClickHouseAddress

STATS = "/api/telemetry/stats"
ME = "/api/telemetry/me"
IDENTITY = "/api/telemetry/identity"
APP = "https://app.example.org"
TOKEN = "the token of the operators"
ANNA, BRUNO = str(uuid.uuid4()), str(uuid.uuid4())

FOREIGN_CREDENTIALS = [
    "Basic c3RhZ2luZzpzZWNyZXQ=",
    "Bearer eyJhbGciOiJIUzI1NiJ9.e30.sig",
    "Bearer",
    "Negotiate YII=",
    "\u00e9",
]


class Answer(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


async def ask(
    service: Gateway | Exporter, method: str, path: str, *lines: tuple[str, str], body: bytes = b""
) -> Answer:
    """Sends exactly these header lines."""
    skip = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
    url = f"http://127.0.0.1:{service.port}{path}"
    async with service.session.request(
        method, url, headers=CIMultiDict(lines), data=body or None, skip_auto_headers=skip
    ) as response:
        return Answer(response.status, response.headers, await response.read())


async def post(gateway: Gateway, *lines: tuple[str, str], user: str | None = None) -> Answer:
    body = json.dumps(batch(userId=user)).encode()
    return await ask(gateway, "POST", EVENTS, ("Content-Type", "application/json"), *lines, body=body)


@pytest.fixture(scope="module")
async def exporter(clickhouse: ClickHouseAddress) -> AsyncIterator[Exporter]:
    """An exporter that lets an address ask once."""
    async with exporter_over_empty_tables(
        clickhouse,
        operator_token=TOKEN,
        allowed_origins=APP,
        trusted_proxies="127.0.0.0/8",
        stats_address_requests_burst=1,
        stats_address_requests_per_second=0.001,
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str) -> AsyncIterator[Gateway]:
    """A gateway that lets an address ask once."""
    chosen = settings(
        kafka_bootstrap,
        await create_topic(kafka_bootstrap),
        operator_token=TOKEN,
        allowed_origins=APP,
        trusted_proxies="127.0.0.0/8",
        rate_limit_enabled=True,
        address_requests_burst=1,
        address_requests_per_second=0.001,
    )
    async with running_gateway(chosen) as running:
        yield running


_addresses = (f"198.51.100.{number}" for number in range(1, 255))


@pytest.fixture
def address() -> tuple[str, str]:
    """A client's address of this test's own, as the proxy writes it."""
    return "X-Forwarded-For", next(_addresses)


async def test_the_proxys_line_of_addresses_counts_and_not_the_one_a_client_made_up(
    gateway: Gateway, exporter: Exporter, address: tuple[str, str]
) -> None:
    made_up = [("X-Forwarded-For", f"203.0.113.{number}, 203.0.113.9") for number in range(2)]
    assert [(await post(gateway, line, address)).status for line in made_up] == [202, 429]
    cookie = ("Cookie", f"convergio_uid={ANNA}")
    assert [(await ask(exporter, "GET", STATS, line, address, cookie)).status for line in made_up] == [200, 429]


async def test_addresses_in_lines_before_those_of_our_own_proxies_count(
    gateway: Gateway, exporter: Exporter, address: tuple[str, str]
) -> None:
    inner, other = ("X-Forwarded-For", "127.0.0.2"), ("X-Forwarded-For", next(_addresses))
    askers = (address, address, other)
    assert [(await post(gateway, asker, inner)).status for asker in askers] == [202, 429, 202]
    cookie = ("Cookie", f"convergio_uid={ANNA}")
    assert [(await ask(exporter, "GET", STATS, asker, inner, cookie)).status for asker in askers] == [200, 429, 200]


async def test_the_last_line_about_tls_counts(gateway: Gateway, address: tuple[str, str]) -> None:
    answer = await ask(gateway, "POST", IDENTITY, address, *[("X-Forwarded-Proto", line) for line in ("http", "https")])
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "cookies",
    [
        ["a=b", f"convergio_uid={ANNA}", "c=d"],
        [f"convergio_uid={ANNA}", f"convergio_uid={BRUNO}"],
        [f"convergio_uid=; convergio_uid=nobody; convergio_uid={ANNA}; convergio_uid={BRUNO}"],
        ["convergio_uid=nobody", f"c=d; convergio_uid={ANNA}"],
    ],
)
async def test_the_first_valid_id_in_all_lines_of_cookies_names_the_user(
    gateway: Gateway, exporter: Exporter, address: tuple[str, str], cookies: list[str]
) -> None:
    lines = [("Cookie", line) for line in cookies]
    before = len(await gateway.rows(ANNA))
    answer = await post(gateway, address, *lines)
    assert (answer.status, answer.headers.getall("Set-Cookie", [])) == (202, [])
    assert len(await gateway.rows(ANNA)) == before + 1
    assert (await ask(exporter, "GET", STATS, address, *lines)).status == 200


async def test_an_opt_out_in_a_line_of_its_own_counts(gateway: Gateway, address: tuple[str, str]) -> None:
    cookies = [("Cookie", "convergio_optout=1"), ("Cookie", f"convergio_uid={BRUNO}")]
    answer = await post(gateway, address, *cookies)
    assert json.loads(answer.body)["rejected"][0]["code"] == "opted_out"
    assert await gateway.rows(BRUNO) == []


@pytest.mark.parametrize("credentials", FOREIGN_CREDENTIALS)
async def test_credentials_for_somebody_else_do_not_matter_where_none_of_ours_are_needed(
    gateway: Gateway, exporter: Exporter, address: tuple[str, str], credentials: str
) -> None:
    lines = [("Authorization", credentials), ("Cookie", f"convergio_uid={ANNA}")]
    assert (await post(gateway, address, *lines)).status == 202
    stats = await ask(exporter, "GET", STATS, address, *lines)
    assert (stats.status, json.loads(stats.body)["scope"]) == (200, "me")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await ask(gateway, "GET", path, *lines)).status == 200
        assert (await ask(exporter, "GET", path, *lines)).status == 200


@pytest.fixture(scope="module")
async def guarded(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway that takes a write key, from any address as often as it likes."""
    changes = {"rate_limit_enabled": False, "write_keys": (SecretStr("the-write-key"),)}
    async with running_gateway(gateway.settings.model_copy(update=changes)) as running:
        yield running


@pytest.mark.parametrize("credentials", FOREIGN_CREDENTIALS)
async def test_people_erase_themselves_whatever_credentials_their_browser_sends_along(
    guarded: Gateway, credentials: str
) -> None:
    lines = [("Authorization", credentials), ("Cookie", f"convergio_uid={uuid.uuid4()}")]
    assert (await ask(guarded, "DELETE", ME, *lines)).status == 202
    assert (await ask(guarded, "POST", IDENTITY, *lines)).status == 200
    by_id = await ask(guarded, "DELETE", f"{ME}?userId={ANNA}", *lines)
    assert by_id.status in (401, 403)


@pytest.mark.parametrize("credentials", FOREIGN_CREDENTIALS)
async def test_a_write_key_counts_beside_credentials_for_somebody_else(guarded: Gateway, credentials: str) -> None:
    lines = [("Authorization", credentials), ("X-Write-Key", "the-write-key")]
    assert (await post(guarded, *lines)).status == 202
    assert (await post(guarded, lines[0])).status in (401, 403)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/api/telemetry/nothing"]
)
async def test_head_of_a_gateway_is_get_without_the_body(gateway: Gateway, path: str) -> None:
    await assert_head_is_get(gateway, path)


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/metrics",
        "/docs",
        "/openapi.json",
        STATS,
        f"{STATS}?format=csv",
        "/nothing",
    ],
)
async def test_head_of_the_exporter_is_get_without_the_body(exporter: Exporter, path: str) -> None:
    await assert_head_is_get(exporter, path)


async def assert_head_is_get(service: Gateway | Exporter, path: str) -> None:
    """All over one connection: what an answer to HEAD left there would be read as the next answer."""
    found = []
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        async with asyncio.timeout(20):
            for method in ("HEAD", "HEAD", "GET"):
                asker = f"X-Forwarded-For: {next(_addresses)}\r\nCookie: convergio_uid={ANNA}\r\n"
                writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{asker}\r\n".encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = re.search(r"^content-length: (\d+)\r$", head, re.MULTILINE)
                assert length is not None
                if method == "GET":
                    await reader.readexactly(int(length[1]))
                # Numbers of a scrape, and the time of statistics, have changed in between.
                ignored = r"^(date|content-length): .*$" if "metrics" in path or STATS in path else r"^date: .*$"
                found.append(re.sub(ignored, "", head, flags=re.MULTILINE))
    finally:
        writer.close()
    assert found[0] == found[1] == found[2]


INSTRUMENTED = (
    "content-type,traceparent,tracestate,baggage,sentry-trace,x-request-id,b3,x-b3-traceid,x-datadog-origin,newrelic"
)


@pytest.mark.parametrize("origin", [APP, f"{APP}:443", APP.upper()])
async def test_an_allowed_page_may_send_what_its_instrumentation_adds(
    gateway: Gateway, exporter: Exporter, origin: str
) -> None:
    for service, path, method in ((gateway, EVENTS, "POST"), (gateway, ME, "DELETE"), (exporter, STATS, "GET")):
        answer = await ask(
            service,
            "OPTIONS",
            path,
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", INSTRUMENTED),
            ("Access-Control-Request-Headers", "x-custom"),
        )
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Headers"] == f"{INSTRUMENTED}, x-custom"
        assert method in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_an_allowed_page_can_read_that_it_has_to_wait(gateway: Gateway, address: tuple[str, str]) -> None:
    for status in (200, 429):
        answer = await ask(gateway, "POST", IDENTITY, address, ("Origin", APP))
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, APP)


@pytest.mark.parametrize("origin", ["null", "https://evil.example", f"{APP}:8443"])
async def test_a_preflight_of_another_page_allows_nothing(gateway: Gateway, exporter: Exporter, origin: str) -> None:
    for service, path in ((gateway, EVENTS), (gateway, ME), (exporter, STATS)):
        lines = [("Origin", origin), ("Access-Control-Request-Headers", "b3")]
        answer = await ask(service, "OPTIONS", path, *lines)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
