"""`convergio ingest`, `process`, `export`: one service each, as production runs them."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import Unavailable, WrongUse
from schemas.addresses import authority, is_all_ipv6


def ingest(
    origin: Annotated[
        bool,
        typer.Option(
            "--origin",
            help="Answer the statistics and serve the study app as well: the one origin a load balancer makes of them.",
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that share the address, for machines with more cores.")
    ] = 1,
) -> None:
    """Run one gateway: takes events over HTTP and answers 202 once Kafka has them.

    Listens on CONVERGIO_INGEST_HOST and _PORT. SIGTERM lets it finish what it has begun. Limits hold for all workers
    together, and any of them shows the metrics of all.
    """
    from infra.kafka.permissions import GATEWAY
    from infra.kafka.requirements import check_kafka
    from infra.origin import create_origin
    from infra.settings import load
    from ingest import Fleet, GatewaySettings, create_app, serve, serve_workers

    settings = load()
    require_free(settings.ingest_host, settings.ingest_port, "CONVERGIO_INGEST_PORT")
    check_kafka(settings, GATEWAY)
    try:
        fleet, own = Fleet(workers), settings.of(GatewaySettings)
        app = create_origin(settings, fleet) if origin else create_app(own, fleet)
        if workers == 1:
            serve(own, app, fleet)
        else:
            serve_workers(own, app, fleet)
    except ValueError as error:
        raise WrongUse(str(error)) from error


def process() -> None:
    """Run one processor: takes events from Kafka and stores each once in ClickHouse.

    Start as many as there is work for, up to one per partition; they share it among themselves.
    """
    from infra.clickhouse.requirements import PROCESSOR, check_server
    from infra.kafka.permissions import PROCESSOR as PERMISSIONS
    from infra.kafka.requirements import check_kafka, check_topics
    from infra.kafka.session_timeout import check_session_timeout
    from infra.settings import load
    from processors import ProcessorSettings, serve

    settings = load()
    require_free(settings.processor_host, settings.processor_port, "CONVERGIO_PROCESSOR_PORT")
    _require_directory(settings.of(ProcessorSettings).folder)
    check_server(settings, PROCESSOR)
    check_kafka(settings, PERMISSIONS)
    check_topics(settings)
    check_session_timeout(settings)
    serve(settings.of(ProcessorSettings))


def export() -> None:
    """Run the exporter: metrics for Prometheus, statistics for students and operators.

    Listens on CONVERGIO_EXPORTER_HOST and _PORT.
    """
    from exporter import ExporterSettings, serve
    from infra.clickhouse.requirements import EXPORTER, check_server
    from infra.settings import load

    settings = load()
    require_free(settings.exporter_host, settings.exporter_port, "CONVERGIO_EXPORTER_PORT")
    check_server(settings, EXPORTER)
    serve(settings.of(ExporterSettings))


def _require_directory(path: Path) -> None:
    """Creates it if needed. Raises `Unavailable` if that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be created ({error.strerror}); choose another with CONVERGIO_DATA_DIR"
        ) from error


def require_free(host: str, port: int, setting: str) -> None:
    """Raises `Unavailable`, with the setting to change, if nobody could listen there now; `setting` is the port's."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if is_all_ipv6(host):
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror | UnicodeError) or error.errno in _NO_ADDRESS_OF_OURS:
            reason = error.strerror if isinstance(error, OSError) else "no host name"
            host_setting = setting.removesuffix("_PORT") + "_HOST"
            raise Unavailable(f"{host_setting}={host!r} is no address of this machine ({reason})") from error
        raise Unavailable(
            f"{authority(host, port)} cannot be listened on ({error.strerror}); choose another port with {setting}"
        ) from error


_NO_ADDRESS_OF_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
