"""Probes are answered whatever else a client does to the port they come to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from infra.local.ports import HOST, free_ports
from processors.health import Health, HealthServer

DEADLINE_SECONDS = 5
CLIENTS_THAT_STALL = 20


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server whose processor is well."""
    (port,) = free_ports(1)
    health = Health(time.monotonic, heartbeat_seconds=3600)
    health.going()
    server = HealthServer(health, CollectorRegistry(), HOST, port)
    server.start()
    yield port
    server.close()


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
