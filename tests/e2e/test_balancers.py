"""Two gateways and the exporter as one origin, behind each load balancer that we have a configuration for."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from exporter.settings import ExporterSettings
from infra.clickhouse.migrate import migrate
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from ingest.settings import MIB
from tests.balancers import BALANCERS, Balancer, Origin
from tests.commands import COMMAND, Convergio
from tests.fleets import Fleet, Traffic, event_ids
from tests.gateway import EVENTS, batch, create_topic, read_topic, until
from tests.gateway_process import Process, gateway_process
from tests.servers import ClickHouseAddress

STATS = "/api/telemetry/stats"
APP = "https://app.example.org"
BURST = 3
"""Requests that an address may send to the exporter, and to the gateway that limits rates."""

CURL = shutil.which("curl")


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the balancers of this module."""

    bootstrap: str
    topic: str
    fleet: Fleet
    limited: int
    """The port of a gateway that limits the rate of addresses."""
    exporter: int


@dataclass(frozen=True, slots=True)
class Front:
    """A balancer before the fleet, and one before the gateway that limits rates."""

    services: Services
    origin: Origin
    limited: Origin


@pytest.fixture(scope="module")
async def services(
    kafka_bootstrap: str, clickhouse: ClickHouseAddress, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Services]:
    topic = await create_topic(kafka_bootstrap)
    folder = tmp_path_factory.mktemp("services")

    def gateway(port: int, burst: int | None = None) -> AbstractAsyncContextManager[Process]:
        """One that lets each address send so many requests; None: any number."""
        return gateway_process(
            kafka_bootstrap,
            topic,
            folder / "gateways.log",
            port=port,
            command=(*COMMAND, "ingest", "--origin"),
            trusted_proxies="127.0.0.1",
            allowed_origins=APP,
            rate_limit_enabled="false" if burst is None else "true",
            address_requests_burst=str(burst or BURST),
            address_requests_per_second="0.001",
        )

    async with AsyncExitStack() as stack:
        database = stack.enter_context(clickhouse.own_database())
        await asyncio.to_thread(migrate, ExporterSettings(**clickhouse.settings(database)))
        exporter = await stack.enter_async_context(running_exporter(clickhouse, database, folder / "exporter.log"))
        fleet = await stack.enter_async_context(Fleet.of(2, gateway))
        limited = await stack.enter_async_context(Fleet.of(1, lambda port: gateway(port, BURST)))
        yield Services(kafka_bootstrap, topic, fleet, limited.ports[0], exporter)


@asynccontextmanager
async def running_exporter(clickhouse: ClickHouseAddress, database: str, log: Path) -> AsyncIterator[int]:
    """The port of an exporter process, once it is ready."""
    (port,) = free_ports(1)
    settings = {
        "trusted_proxies": "127.0.0.1",
        "allowed_origins": APP,
        "clickhouse_host": clickhouse.host,
        "clickhouse_port": str(clickhouse.port),
        "clickhouse_user": clickhouse.username,
        "clickhouse_password": clickhouse.password,
        "clickhouse_database": database,
        "exporter_port": str(port),
        "stats_address_requests_burst": str(BURST),
        "stats_address_requests_per_second": "0.001",
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "export", env=Convergio(settings).environment, stderr=output, preexec_fn=die_with_parent()
        )
    try:
        await until(answers_ok(port, "/readyz"))
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(scope="module", params=BALANCERS)
async def front(
    request: pytest.FixtureRequest, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    balancer: Balancer = request.param
    folder = tmp_path_factory.mktemp("balancer")
    async with (
        balancer(folder / "origin", services.fleet.ports, services.exporter) as origin,
        balancer(folder / "limited", [services.limited], services.exporter) as limited,
    ):
        yield Front(services, origin, limited)


_addresses = (f"127.0.{high}.{low}" for high, low in itertools.product(range(1, 255), range(1, 255)))


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client at an address that no other one has."""
    connector = aiohttp.TCPConnector(local_addr=(next(_addresses), 0))
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def test_requests_are_spread_over_both_gateways(front: Front) -> None:
    async def answered() -> list[float]:
        series = 'convergio_gateway_requests_total{status="202"}'
        return [await gateway.sample(series) for gateway in front.services.fleet.running.values()]

    before = await answered()
    async with client() as session:
        for _ in range(40):
            async with session.post(front.origin.url + EVENTS, json=batch()) as response:
                assert response.status == 202
    shares = [after - earlier for after, earlier in zip(await answered(), before, strict=True)]
    assert sum(shares) == 40
    assert min(shares) > 0


async def test_a_gateway_that_drains_fails_no_request_and_doubles_no_event(front: Front) -> None:
    fleet = front.services.fleet
    leaving = fleet.ports[0]
    async with Traffic.to(front.origin.url, patient=False) as traffic:
        await traffic.more()
        assert await fleet.end(leaving, signal.SIGTERM) == 0
        await traffic.more()
        await fleet.start(leaving)
        await until(lambda: takes_requests(fleet.running[leaving]))
    assert traffic.failures == []
    found = await event_ids(front.services.bootstrap, front.services.topic)
    assert {found[event] for event in traffic.accepted} == {1}


async def takes_requests(gateway: Process) -> bool:
    return await gateway.sample('convergio_gateway_requests_total{status="202"}') > 0


def padded(size: int) -> bytes:
    """A good batch in so many bytes."""
    return json.dumps(batch()).encode().ljust(size)


@pytest.mark.parametrize(("size", "status"), [(MIB, 202), (MIB + 1, 413), (2 * MIB, 413), (3 * MIB, 413)])
async def test_a_body_is_as_large_as_the_gateway_takes_and_its_problem_arrives(
    front: Front, size: int, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    async with (
        client() as session,
        session.post(front.origin.url + EVENTS, data=padded(size), headers=headers) as response,
    ):
        assert response.status == status
        if status == 413:
            assert response.content_type == "application/problem+json"
            problem = await response.json(content_type=None)
            assert (problem["type"], problem["status"]) == ("urn:convergio:problem:body-too-large", 413)
            # The gateway says how large a body may be; beyond what the balancer passes on it speaks for the gateway.
            assert (str(MIB) in problem["detail"]) is (size <= 2 * MIB)


async def test_rates_are_those_of_the_clients_address_whatever_it_claims(front: Front) -> None:
    async def statuses(session: aiohttp.ClientSession) -> tuple[list[int], list[int]]:
        posted, asked = [], []
        for number in range(BURST + 1):
            claims = {"X-Forwarded-For": f"203.0.113.{number}, 127.0.0.1"}
            async with session.post(front.limited.url + EVENTS, json=batch(), headers=claims) as response:
                posted.append(response.status)
            cookie = {"Cookie": f"convergio_uid={uuid.uuid4()}"}
            async with session.get(front.limited.url + STATS, headers={**claims, **cookie}) as response:
                asked.append(response.status)
        return posted, asked

    expected = [202] * BURST + [429], [200] * BURST + [429]
    async with client() as first, client() as second:
        assert await statuses(first) == expected
        assert await statuses(second) == expected


async def test_whether_the_client_came_over_tls_is_for_the_balancer_to_say(front: Front) -> None:
    claims = {"X-Forwarded-Proto": "https"}
    async with (
        client() as session,
        session.post(front.origin.url + EVENTS, json=batch(userId=None), headers=claims) as response,
    ):
        assert response.status == 202
        assert "Secure" not in response.headers["Set-Cookie"]


async def test_events_statistics_and_the_study_app_have_one_origin_and_nothing_else_is_shown(front: Front) -> None:
    async with client() as session:

        async def get(path: str, **headers: str) -> tuple[int, str, bytes]:
            async with session.get(front.origin.url + path, headers=headers) as response:
                return response.status, response.content_type, await response.read()

        own_page = {"Origin": front.origin.url}
        async with session.post(front.origin.url + EVENTS, json=batch(userId=None), headers=own_page) as response:
            assert response.status == 202
            cookie = response.cookies["convergio_uid"].value
        status, kind, body = await get(f"{STATS}?range=7d", Cookie=f"convergio_uid={cookie}")
        assert (status, kind, json.loads(body)["scope"]) == (200, "application/json", "me")
        status, kind, body = await get("/")
        assert (status, kind) == (200, "text/html")
        assets = re.findall(r'"\./(assets/[^"]+)"', body.decode())
        assert assets
        for asset in assets:
            assert (await get(f"/{asset}"))[0] == 200
        for path in ("/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/api/metrics", "/else"):
            assert (await get(path))[0] == 404, path


async def test_the_gateways_other_routes_and_problems_arrive(front: Front) -> None:
    async with client() as session:
        url = front.origin.url + "/api/telemetry/"
        cookie = {"Cookie": f"convergio_uid={uuid.uuid4()}"}
        async with session.post(url + "identity", headers={"Origin": APP}) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, APP)
        async with session.post(url + "consent", json={"optOut": True}) as response:
            assert response.status == 204
        async with session.delete(url + "me", headers=cookie) as response:
            assert response.status == 202
        preflight = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "b3"}
        async with session.options(url + "events", headers=preflight) as response:
            assert (response.status, response.headers["Access-Control-Allow-Headers"]) == (204, "b3")
        async with session.post(url + "events", data=b"no", headers={"Content-Type": "text/plain"}) as response:
            assert (response.status, response.content_type) == (400, "application/problem+json")


@pytest.mark.skipif(CURL is None, reason="curl is not installed (Debian: apt-get install curl)")
async def test_over_http2_cookies_in_lines_of_their_own_are_all_read(front: Front) -> None:
    user = str(uuid.uuid4())
    assert CURL is not None
    headers = ("content-type: application/json", "cookie: a=b", f"cookie: convergio_uid={user}", "cookie: c=d")
    options = ("--silent", "--show-error", "--http2-prior-knowledge", "--write-out", "%{http_version} %{http_code}")
    process = await asyncio.create_subprocess_exec(
        CURL,
        *options,
        *(part for header in headers for part in ("--header", header)),
        *("--data-binary", json.dumps(batch(userId=None)), "--output", "/dev/null", front.origin.http2_url + EVENTS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (output, errors) == (b"2 202", b"")
    found = await read_topic(front.services.bootstrap, front.services.topic)
    assert [len(message.rows) for message in found if message.key == user] == [1]
