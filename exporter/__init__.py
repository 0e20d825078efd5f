"""The read path: metrics for Prometheus and statistics for people, both from ClickHouse."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from exporter.settings import ExporterSettings

if TYPE_CHECKING:
    from exporter.app import create_app
    from exporter.server import serve
    from exporter.stats_routes import create_stats_app

__all__ = ["ExporterSettings", "create_app", "create_stats_app", "serve"]

_MODULES = {"create_app": "app", "create_stats_app": "stats_routes", "serve": "server"}


def __getattr__(name: str) -> Any:
    # Imported when asked for: most commands need the settings alone, and FastAPI takes half a second.
    if name in _MODULES:
        return getattr(import_module(f"exporter.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
