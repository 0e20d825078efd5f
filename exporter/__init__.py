"""The read path: metrics for Prometheus and statistics for people, both from ClickHouse."""

from exporter.app import create_app
from exporter.server import serve
from exporter.settings import ExporterSettings
from exporter.stats_routes import create_stats_app

__all__ = ["ExporterSettings", "create_app", "create_stats_app", "serve"]
