"""The write path: HTTP in, acknowledged Kafka messages out.

In the order a request meets them: `server` (draining) → `connection` → `app` → `events_route`: `access` → `limits` →
`body` → `validate` → `identity` → `envelope` → `producer`. Every failure on the way is a `problems.Problem`.
`workers` runs several processes of it at one address; what they share is in `fleet`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingest.settings import GatewaySettings

if TYPE_CHECKING:
    from ingest.app import create_app
    from ingest.fleet import Fleet
    from ingest.server import serve
    from ingest.workers import serve_workers

__all__ = ["Fleet", "GatewaySettings", "create_app", "serve", "serve_workers"]

_MODULES = {"Fleet": "fleet", "create_app": "app", "serve": "server", "serve_workers": "workers"}


def __getattr__(name: str) -> Any:
    # Imported when asked for: most commands need the settings alone, and FastAPI takes half a second.
    if name in _MODULES:
        return getattr(import_module(f"ingest.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
