"""`convergio up`: the whole pipeline on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from infra.commands.options import (
    AuditPort,
    ClickHousePort,
    ExporterPort,
    Ingest,
    IngestPort,
    KafkaPort,
    ProcessorPort,
    Processors,
)


def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept between runs.")] = Path("data"),
    ingest_port: IngestPort = None,
    exporter_port: ExporterPort = None,
    kafka_port: KafkaPort = None,
    clickhouse_port: ClickHousePort = None,
    processor_port: ProcessorPort = None,
    audit_port: AuditPort = None,
    ingest: Ingest = 1,
    processors: Processors = 1,
) -> None:
    """Run the whole pipeline on this machine: Kafka, ClickHouse, gateways, processors, exporter, audit.

    Each is a process of its own, as in production. One that dies is started again; DATA_DIR/run names their process
    ids, DATA_DIR/logs keeps what they write. Ctrl-C or SIGTERM stops all of them, in order and without loss.
    """
    from infra.commands.stack import running_stack, stack_config
    from infra.settings import load

    config = stack_config(
        load(),
        data_dir,
        ingest_port=ingest_port,
        exporter_port=exporter_port,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        processor_port=processor_port,
        audit_port=audit_port,
        ingest=ingest,
        processors=processors,
    )

    async def run() -> None:
        async with running_stack(config) as stop:
            await stop.wait()

    asyncio.run(run())
