"""Options that `up` and `demo` share."""

from __future__ import annotations

from typing import Annotated

import typer

IngestPort = Annotated[int | None, typer.Option(help="Port of the first gateway; others follow it.")]
ExporterPort = Annotated[int | None, typer.Option(help="Port of the exporter.")]
KafkaPort = Annotated[int | None, typer.Option(help="Port of Kafka; its controller takes the next.")]
ClickHousePort = Annotated[int | None, typer.Option("--clickhouse-port", help="Port of ClickHouse's HTTP interface.")]
ProcessorPort = Annotated[int | None, typer.Option(help="Port of the first processor's health; others follow it.")]
AuditPort = Annotated[int | None, typer.Option(help="Port of the running audit's health and metrics.")]
Ingest = Annotated[int, typer.Option(min=1, max=32, help="How many gateways.")]
Processors = Annotated[int, typer.Option(min=1, max=32, help="How many processors.")]
