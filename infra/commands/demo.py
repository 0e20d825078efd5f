"""`convergio demo`: the whole pipeline on this machine, with traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import out
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
from infra.errors import Failure

if TYPE_CHECKING:
    from infra.audit import Report
    from infra.local.stack import StackConfig
    from infra.settings import Settings
    from infra.simulate.plan import Plan
    from infra.simulate.simulation import Simulation

_AUDIT_SECONDS = 120.0
_METRICS_SECONDS = 15.0
FAMILIES = (
    "convergio_users_active",
    "convergio_sessions_total",
    "convergio_study_minutes_total",
    "convergio_feature_usage_total",
    "convergio_maestro_usage_total",
)


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop the traffic by itself, audit everything, and end.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="How many students.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, help="Events a second of live traffic.")] = 100.0,
    days: Annotated[int, typer.Option(min=0, help="Days of history to begin with.")] = 10,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same users and event ids.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep the data there. Default: a temporary directory, removed at the end.")
    ] = None,
    ingest_port: IngestPort = None,
    exporter_port: ExporterPort = None,
    kafka_port: KafkaPort = None,
    clickhouse_port: ClickHousePort = None,
    processor_port: ProcessorPort = None,
    audit_port: AuditPort = None,
    ingest: Ingest = 1,
    processors: Processors = 1,
) -> None:
    """Run the whole pipeline on this machine with realistic traffic, and say where to look.

    Students of some past days first, then live ones, with duplicates, late and bad events among them. Ctrl-C stops
    all of it. With --seconds it ends by itself and exits with 0 only if nothing is missing or counted twice.
    """
    from random import SystemRandom

    from infra.commands.stack import stack_config
    from infra.errors import WrongUse
    from infra.settings import load
    from infra.simulate.plan import Plan

    settings = load()
    try:
        plan = Plan(
            seed=SystemRandom().randrange(2**32) if seed is None else seed,
            users=users,
            rate=rate,
            history_days=days,
            duplicate_share=0.03,
            late_share=0.05,
            bad_share=0.01,
            retention_days=settings.retention_days,
        )
    except ValueError as error:
        raise WrongUse(str(error)) from error
    with _directory(data_dir) as directory:
        config = stack_config(
            settings,
            directory,
            ingest_port=ingest_port,
            exporter_port=exporter_port,
            kafka_port=kafka_port,
            clickhouse_port=clickhouse_port,
            processor_port=processor_port,
            audit_port=audit_port,
            ingest=ingest,
            processors=processors,
        )
        asyncio.run(_run(settings, config, plan, seconds))


@contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with TemporaryDirectory(prefix="convergio-demo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


async def _run(settings: Settings, config: StackConfig, plan: Plan, seconds: float | None) -> None:
    from infra.commands.simulate import print_tally, progress_of
    from infra.commands.stack import running_stack, settings_of
    from infra.simulate.simulation import Simulation

    async with running_stack(config) as stop:
        write_key = settings.write_keys[0].get_secret_value() if settings.write_keys else None
        simulation = Simulation(plan, config.gateways, token=write_key)
        asked = asyncio.create_task(_stop_when_asked(simulation, stop))
        out.print("traffic is flowing; Ctrl-C stops everything" if seconds is None else "traffic is flowing")
        async with progress_of(simulation):
            tally = await simulation.run(seconds)
        asked.cancel()
        print_tally(tally, plan.seed)
        if seconds is None or stop.is_set():
            return
        report = await _audited(settings_of(settings, config))
        await _print_metrics(config, report.sessions)
    if tally.unanswered or tally.surprises or not report.good:
        raise Failure("the demo found a mistake; see above")
    out.print("[bold green]demo: every event is stored exactly once[/]")


async def _stop_when_asked(simulation: Simulation, stop: asyncio.Event) -> None:
    await stop.wait()
    simulation.stop()


async def _audited(settings: Settings) -> Report:
    from infra.audit import audit
    from infra.commands.audit import print_report

    report = await audit(settings, _AUDIT_SECONDS)
    print_report(report)
    return report


async def _print_metrics(config: StackConfig, sessions: int) -> None:
    """The families people know by name, once the exporter has seen the last session."""
    import aiohttp

    clock = asyncio.get_running_loop().time
    deadline = clock() + _METRICS_SECONDS
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{config.exporter}/metrics") as response:
                text = await response.text()
            if f'convergio_sessions_total{{period="all"}} {float(sessions)}\n' in text or clock() >= deadline:
                break
            await asyncio.sleep(0.2)
    for line in text.splitlines():
        if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(FAMILIES):
            out.print(line, markup=False, highlight=False)
