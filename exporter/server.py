"""The exporter as a process."""

from __future__ import annotations

import signal

import uvicorn

from exporter.app import create_app
from exporter.settings import ExporterSettings
from schemas.logs import configure


def serve(settings: ExporterSettings) -> None:
    """Serves until SIGTERM or SIGINT, answers what is under way, returns. Raises SystemExit if it cannot start."""
    configure("exporter", settings.log_level)
    # uvicorn sends itself the signal again when it is done; with these handlers that ends nothing, and we return.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _signal, _frame: None)
    uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.exporter_host,
            port=settings.exporter_port,
            log_config=None,
            access_log=False,
            # What proxies say is for `schemas.proxies` to judge.
            proxy_headers=False,
            server_header=False,
            ssl_certfile=settings.exporter_tls_cert,
            ssl_keyfile=settings.exporter_tls_key,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=10,
        )
    ).run()
