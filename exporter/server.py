"""The exporter as a process."""

from __future__ import annotations

import uvicorn

from exporter.app import create_app
from exporter.settings import ExporterSettings


def serve(settings: ExporterSettings) -> None:
    """Serves until SIGTERM or SIGINT, answers what is under way, returns. Raises SystemExit if it cannot start."""
    uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.exporter_host,
            port=settings.exporter_port,
            log_level=settings.log_level,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=settings.exporter_tls_cert,
            ssl_keyfile=settings.exporter_tls_key,
            timeout_graceful_shutdown=10,
        )
    ).run()
