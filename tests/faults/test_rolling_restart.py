"""Gateways behind the product's own nginx configuration: restarted one by one, and killed, under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

import infra
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports, is_taken
from ingest.settings import MIB, GatewaySettings
from tests.gateway import EVENTS, batch, create_topic, event, read_topic, until
from tests.gateway_process import Process, gateway_process

CONFIGURATION = Path(infra.__file__).parent / "deploy/nginx/convergio.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
GATEWAYS = 3
CLIENTS = 8

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
    include {folder}/convergio.conf;
}}
"""


@asynccontextmanager
async def nginx(folder: Path, gateways: list[int], exporter: int) -> AsyncIterator[str]:
    """The product's configuration with other addresses; its origin."""
    (port,) = free_ports(1)
    text = CONFIGURATION.read_text()
    server = re.compile(r"^    server 127\.0\.0\.1:8000 (.*);\n    server 127\.0\.0\.1:8001 \1;\n", re.MULTILINE)
    assert server.search(text)
    text = server.sub(lambda found: "".join(f"    server 127.0.0.1:{p} {found[1]};\n" for p in gateways), text)
    text = text.replace("server 127.0.0.1:9464;", f"server 127.0.0.1:{exporter};")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    (folder / "convergio.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    assert NGINX is not None
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", str(main), preexec_fn=die_with_parent()
    )
    try:

        async def listens() -> bool:
            assert process.returncode is None, (folder / "error.log").read_text()
            return is_taken(port)

        await until(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@dataclass
class Traffic:
    """Clients that post without pause; what was answered 202, and whatever else happened."""

    origin: str
    accepted: list[object] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopped: bool = False

    async def _client(self, session: aiohttp.ClientSession, patient: bool) -> None:
        while not self.stopped:
            events = [event() for _ in range(3)]
            document = batch(*events)
            while not await self._post(session, document):
                if not patient:
                    return
                await asyncio.sleep(0.05)
            self.accepted += [made["eventId"] for made in events]

    async def _post(self, session: aiohttp.ClientSession, document: dict[str, object]) -> bool:
        try:
            async with session.post(self.origin + EVENTS, json=document) as response:
                if response.status == 202:
                    return True
                self.failures.append(f"{response.status} {await response.text()}")
        except aiohttp.ClientError as failure:
            self.failures.append(repr(failure))
        return False

    async def more(self, events: int = 300) -> None:
        """Returns once so many more events were accepted."""
        wanted = len(self.accepted) + events

        async def came() -> bool:
            return len(self.accepted) >= wanted

        await until(came)

    @classmethod
    @asynccontextmanager
    async def to(cls, origin: str, *, patient: bool) -> AsyncIterator[Traffic]:
        """Patient clients send a batch until it is answered 202; others stop at the first failure."""
        traffic = cls(origin)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            clients = [asyncio.create_task(traffic._client(session, patient)) for _ in range(CLIENTS)]
            try:
                yield traffic
            finally:
                traffic.stopped = True
                await asyncio.gather(*clients)


class Fleet:
    """Gateways on ports that stay the same when one is started again."""

    def __init__(self, bootstrap: str, topic: str, log: Path, stack: contextlib.AsyncExitStack) -> None:
        self.ports = free_ports(GATEWAYS)
        self._bootstrap = bootstrap
        self._topic = topic
        self._log = log
        self._stack = stack
        self._running: dict[int, Process] = {}

    async def start(self, port: int) -> None:
        gateway = gateway_process(self._bootstrap, self._topic, self._log, port=port, trusted_proxies="127.0.0.1")
        self._running[port] = process = await self._stack.enter_async_context(gateway)
        await until(process.is_ready)

    async def end(self, port: int, number: signal.Signals) -> int:
        """Signals the gateway and returns its exit code."""
        process = self._running[port].process
        process.send_signal(number)
        return await process.wait()


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    return await create_topic(kafka_bootstrap)


@pytest.fixture
async def fleet(kafka_bootstrap: str, topic: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with contextlib.AsyncExitStack() as stack:
        fleet = Fleet(kafka_bootstrap, topic, tmp_path / "gateways.log", stack)
        await asyncio.gather(*map(fleet.start, fleet.ports))
        yield fleet


async def event_ids(bootstrap: str, topic: str) -> Counter[object]:
    """How often each event lies in the topic."""
    return Counter(row["event_id"] for message in await read_topic(bootstrap, topic) for row in message.rows)


@needs_nginx
async def test_a_rolling_restart_of_all_gateways_under_load_fails_no_request(
    fleet: Fleet, kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    async with (
        nginx(tmp_path, fleet.ports, exporter=free_ports(1)[0]) as origin,
        Traffic.to(origin, patient=False) as traffic,
    ):
        for port in fleet.ports:
            await traffic.more()
            assert await fleet.end(port, signal.SIGTERM) == 0
            await traffic.more()
            await fleet.start(port)
        await traffic.more()
    assert traffic.failures == []
    assert await event_ids(kafka_bootstrap, topic) == Counter(traffic.accepted)


@needs_nginx
async def test_gateways_killed_under_load_lose_nothing_of_clients_that_try_again(
    fleet: Fleet, kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    async with (
        nginx(tmp_path, fleet.ports, exporter=free_ports(1)[0]) as origin,
        Traffic.to(origin, patient=True) as traffic,
    ):
        for port in fleet.ports:
            await traffic.more()
            assert await fleet.end(port, signal.SIGKILL) == -signal.SIGKILL
            await traffic.more()
            await fleet.start(port)
        # All at once: now requests must fail, and the clients' patience is needed.
        await traffic.more()
        await asyncio.gather(*[fleet.end(port, signal.SIGKILL) for port in fleet.ports])
        await asyncio.gather(*map(fleet.start, fleet.ports))
        await traffic.more()
    assert (await event_ids(kafka_bootstrap, topic)).keys() == set(traffic.accepted)
    assert len(set(traffic.accepted)) == len(traffic.accepted)


@needs_nginx
async def test_nginx_shows_what_is_for_clients_and_nothing_else(fleet: Fleet, tmp_path: Path) -> None:
    statistics_asked: list[bytes] = []

    async def exporter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        statistics_asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(exporter, "127.0.0.1", 0)
    async with (
        listener,
        nginx(tmp_path, fleet.ports, exporter=listener.sockets[0].getsockname()[1]) as origin,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        for path in ("/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/api/telemetry/../../metrics"):
            async with session.get(origin + path) as response:
                assert response.status == 404, path
        async with session.get(origin + "/api/telemetry/stats?range=7d") as response:
            assert response.status == 200
        assert statistics_asked[0].startswith(b"GET /api/telemetry/stats?range=7d HTTP/1.1\r\n")

        async with session.post(
            origin + EVENTS, json=batch(userId=None), headers={"X-Forwarded-Proto": "http"}
        ) as made:
            assert made.status == 202
            assert "Secure" not in made.headers["Set-Cookie"]
        async with session.post(origin + EVENTS, data=b" " * (MIB + 1)) as response:
            assert response.status == 413
        async with session.post(
            origin + EVENTS, data=b" " * MIB, headers={"Content-Type": "application/json"}
        ) as response:
            assert response.status == 400
            assert response.content_type == "application/problem+json"


def directive(name: str) -> str:
    """The first value of a directive in the configuration, which is the gateways'."""
    found = re.search(rf"^ +{name} (.+);", CONFIGURATION.read_text(), re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_the_limits_of_nginx_and_of_the_gateway_fit_together() -> None:
    settings = GatewaySettings()
    assert directive("client_max_body_size") == "1m"
    assert settings.max_body_bytes == MIB
    buffers, size = directive("large_client_header_buffers").removesuffix("k").split()
    assert int(buffers) * int(size) * 1024 <= settings.max_head_bytes
    assert seconds("keepalive_timeout") < settings.keep_alive_seconds
    assert seconds("proxy_read_timeout") > settings.ack_timeout_seconds
    assert seconds("client_body_timeout") <= settings.body_stall_seconds
    assert "non_idempotent" in directive("proxy_next_upstream")


def seconds(name: str) -> float:
    return float(directive(name).removesuffix("s"))
