"""The write path: HTTP in, acknowledged Kafka messages out.

In the order a request meets them: `server` (draining) → `connection` → `app` → `events_route`: `access` → `limits` →
`body` → `validate` → `identity` → `envelope` → `producer`. Every failure on the way is a `problems.Problem`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingest.settings import GatewaySettings

if TYPE_CHECKING:
    from ingest.app import create_app
    from ingest.server import serve

__all__ = ["GatewaySettings", "create_app", "serve"]

_MODULES = {"create_app": "app", "serve": "server"}


def __getattr__(name: str) -> Any:
    # Imported when asked for: most commands need the settings alone, and FastAPI takes half a second.
    if name in _MODULES:
        return getattr(import_module(f"ingest.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
