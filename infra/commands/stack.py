"""What `up` and `demo` share: the local stack in the foreground, and where to look at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from exporter.stats import RangeError, time_zone
from infra.commands.console import out
from infra.errors import Failure
from infra.local.service import Event, EventKind
from infra.local.stack import LocalStack, StackConfig
from infra.settings import Settings
from infra.study_app import is_built
from schemas.addresses import is_loopback, local_url

LOCAL_TIME = Path("/etc/localtime")
"""A link to the file of the machine's time zone, on most systems."""


class Interrupted(Failure):
    """Ctrl-C or SIGTERM before the stack was ready."""

    exit_code = 130


def stack_config(
    settings: Settings,
    data_dir: Path,
    *,
    ingest_port: int | None,
    exporter_port: int | None,
    kafka_port: int | None,
    kafka_controller_port: int | None,
    clickhouse_port: int | None,
    processor_port: int | None,
    audit_port: int | None,
    ingest: int,
    processors: int,
) -> StackConfig:
    """The stack at the given ports, and where none is given at those of the settings.

    Its overview has the days of this machine's time zone and, if only this machine reaches the exporter, is open to
    all, unless the settings say otherwise.
    """
    return StackConfig(
        data_dir=data_dir,
        ingest_port=ingest_port or settings.ingest_port,
        exporter_port=exporter_port or settings.exporter_port,
        kafka_port=kafka_port or _port_of(settings.kafka_bootstrap),
        kafka_controller_port=kafka_controller_port,
        clickhouse_port=clickhouse_port or settings.clickhouse_port,
        processor_port=processor_port or settings.processor_port,
        audit_port=audit_port or settings.audit_port,
        ingest=ingest,
        processors=processors,
        ingest_host=settings.ingest_host,
        exporter_host=settings.exporter_host,
        processor_host=settings.processor_host,
        audit_host=settings.audit_host,
        # What is set explicitly wins over what suits one person at one machine.
        overview=(
            "open"
            if "overview" not in settings.model_fields_set and is_loopback(settings.exporter_host)
            else settings.overview
        ),
        overview_time_zone=(
            settings.overview_time_zone
            if "overview_time_zone" in settings.model_fields_set
            else _machine_time_zone(os.environ)
        ),
    )


def _machine_time_zone(environment: Mapping[str, str]) -> str:
    """The IANA name of this machine's time zone, `UTC` if it does not tell."""
    name = environment.get("TZ") or str(LOCAL_TIME.resolve()).rpartition("/zoneinfo/")[2]
    try:
        return time_zone(name).key
    except RangeError:
        return "UTC"


def _port_of(bootstrap: str) -> int:
    """The port of the first broker."""
    return int(bootstrap.partition(",")[0].rpartition(":")[2])


def settings_of(settings: Settings, config: StackConfig) -> Settings:
    """The settings that reach this stack."""
    return settings.model_copy(
        update={
            "kafka_bootstrap": config.kafka.bootstrap,
            "kafka_security_protocol": "PLAINTEXT",
            "clickhouse_host": "127.0.0.1",
            "clickhouse_port": config.clickhouse_port,
            "clickhouse_secure": False,
        }
    )


@contextlib.asynccontextmanager
async def running_stack(config: StackConfig) -> AsyncIterator[asyncio.Event]:
    """The stack, ready; it stops in order when the context ends.

    Yields an event that Ctrl-C, SIGTERM, or a service beyond help sets. Raises `Interrupted`, and what keeps the
    stack from starting.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stack = LocalStack(config, on_event=_report)
    await _start(stack, stop)
    _print_addresses(config)
    watching = asyncio.create_task(stack.wait())
    watching.add_done_callback(lambda _: stop.set())
    try:
        yield stop
    finally:
        broken = watching.done()
        out.print("stopping")
        await stack.stop()
        await asyncio.gather(watching, return_exceptions=not broken)


async def _start(stack: LocalStack, stop: asyncio.Event) -> None:
    starting = asyncio.create_task(stack.start())
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            raise Interrupted("interrupted before everything was ready; nothing is left running")
        await starting
    finally:
        asked.cancel()


def _report(event: Event) -> None:
    match event.kind:
        case EventKind.READY | EventKind.FINISHED:
            out.print(f"[green]✓[/] {event.service}")
        case EventKind.DIED | EventKind.UNHEALTHY | EventKind.RESTARTED | EventKind.FAILED:
            out.print(f"[yellow]! {event}[/]")
        case EventKind.STARTED | EventKind.STOPPED:
            pass


def _print_addresses(config: StackConfig) -> None:
    sql = f"curl 'http://127.0.0.1:{config.clickhouse_port}/?database=convergio&default_format=PrettyCompact'"
    lines = [
        ("[bold green]ready[/]", ""),
        ("study app", f"{config.gateways[0]}/" if is_built() else "not built; make client builds it"),
        *([("overview", f"{config.exporter}/")] if config.overview != "off" else []),
        ("events and statistics", " ".join(config.gateways)),
        ("metrics", f"{config.exporter}/metrics"),
        ("running audit", f"{local_url(config.audit_host, config.audit_port)}/metrics"),
        ("SQL", f"{sql} -d 'SELECT * FROM rolling_windows'"),
        ("Kafka", config.kafka.bootstrap),
        ("logs", str(config.data_dir / "logs")),
    ]
    for name, value in lines:
        out.print(f"{name:<23}{value}" if value else name, highlight=False)
