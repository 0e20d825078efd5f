"""How the exporter's server is set up."""

from __future__ import annotations

import signal

import pytest
import uvicorn

from exporter.server import serve
from exporter.settings import ExporterSettings
from ingest.settings import GatewaySettings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Config]:
    """The configurations of servers that would have run."""
    found: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets=None: found.append(server.config))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("exporter.server.configure", lambda *_: None)
    return found


def test_idle_connections_are_kept_for_longer_than_load_balancers_keep_theirs(served: list[uvicorn.Config]) -> None:
    serve(ExporterSettings())
    assert served[0].timeout_keep_alive == GatewaySettings().keep_alive_seconds > 60


def test_how_long_idle_connections_are_kept_is_a_setting(served: list[uvicorn.Config]) -> None:
    serve(ExporterSettings(keep_alive_seconds=620))
    assert served[0].timeout_keep_alive == 620
