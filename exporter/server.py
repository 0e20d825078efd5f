"""The exporter as a process."""

from __future__ import annotations

import logging
import signal
from socket import socket

import uvicorn

from exporter.app import create_app
from exporter.settings import ExporterSettings
from schemas.addresses import is_all_ipv6, url
from schemas.logs import configure

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn that says where it listens."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            config = self.config
            log.info("listening", extra={"url": url(config.host, config.port, tls=config.is_ssl)})


def serve(settings: ExporterSettings) -> None:
    """Serves until SIGTERM or SIGINT, answers what is under way, returns. Raises SystemExit if it cannot start."""
    configure("exporter", settings.log_level)
    # uvicorn sends itself the signal again when it is done; with these handlers that ends nothing, and we return.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda _signal, _frame: None)
    config = uvicorn.Config(
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
    # asyncio would listen on IPv6 alone.
    sockets = [config.bind_socket()] if is_all_ipv6(settings.exporter_host) else None
    _Server(config).run(sockets)
