"""Probes are answered whatever else a client does to the port they come to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from infra.local.ports import HOST, free_ports
from processors.health import Health, HealthServer
from schemas.addresses import authority

DEADLINE_SECONDS = 5
CLIENTS_THAT_STALL = 20


@contextmanager
def health_server(host: str = HOST) -> Iterator[int]:
    """The port of a server whose processor is well."""
    (port,) = free_ports(1)
    health = Health(time.monotonic, heartbeat_seconds=3600)
    health.going()
    registry = CollectorRegistry()
    Counter("events", "Of a test", registry=registry)
    server = HealthServer(health, registry, host, port)
    server.start()
    try:
        yield port
    finally:
        server.close()


@pytest.fixture
def port() -> Iterator[int]:
    with health_server() as port:
        yield port


def ask(port: int, method: str, path: str, host: str = HOST, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers but for the date, and everything that comes after them."""
    with closing(HTTPConnection(host, port, timeout=DEADLINE_SECONDS)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        shown = {name: value for name, value in answer.getheaders() if name != "Date"}
        assert answer.fp is not None or method == "HEAD"
        return answer.status, shown, answer.read()


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_clients_that_say_nothing_or_half_of_it_hold_up_no_probe(port: int, begun: bytes) -> None:
    with ExitStack() as stalling:
        for _ in range(CLIENTS_THAT_STALL):
            client = stalling.enter_context(socket.create_connection((HOST, port), DEADLINE_SECONDS))
            client.sendall(begun)
        for probe in ("healthz", "readyz", "metrics"):
            with urlopen(f"http://{HOST}:{port}/{probe}", timeout=DEADLINE_SECONDS) as answer:
                assert answer.status == 200


def test_a_client_that_never_finishes_is_hung_up_on_without_a_word(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((HOST, port), 6 * DEADLINE_SECONDS) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert client.recv(1) == b""
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/else"])
def test_head_is_answered_as_get_without_the_body(port: int, path: str) -> None:
    status, headers, body = ask(port, "GET", path)
    assert int(headers["Content-Length"]) == len(body) > 0
    with socket.create_connection((HOST, port), DEADLINE_SECONDS) as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, rest = received.partition(b"\r\n\r\n")
    assert rest == b""
    assert head.split()[1] == str(status).encode()
    for name, value in headers.items():
        assert f"{name}: {value}".encode() in head


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain;version=abc", "text/plain"),
        ("application/openmetrics-text;version=abc", "application/openmetrics-text"),
        ("application/openmetrics-text;q=0, */*", "text/plain"),
        ("\u00ff;q=x", "text/plain"),
    ],
)
def test_a_scrape_gets_the_format_it_likes_best(port: int, accept: str, content_type: str) -> None:
    status, headers, body = ask(port, "GET", "/metrics", Accept=accept)
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, content_type)
    assert b"events_total 0.0" in body


@pytest.mark.parametrize(("host", "reached"), [("::", ("::1", HOST)), ("::1", ("::1",)), ("0.0.0.0", (HOST,))])
def test_probes_are_answered_at_every_kind_of_address(
    host: str, reached: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "processors"), health_server(host) as port:
        assert [vars(record)["url"] for record in caplog.records] == [f"http://{authority(host, port)}"]
        assert [ask(port, "GET", "/healthz", client)[0] for client in reached] == [200] * len(reached)
