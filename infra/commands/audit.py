"""`convergio audit`: is every event that was acknowledged stored, and only once?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import Format, number, out

if TYPE_CHECKING:
    from infra.audit import Report
    from infra.settings import Settings


def audit(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to give the processors to finish.")] = 60.0,
    output: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    follow: Annotated[
        bool, typer.Option("--follow", help="Run as a service that checks every message soon after it was processed.")
    ] = False,
) -> None:
    """Compare what Kafka was given with what ClickHouse shows, event by event.

    Speaks for everything Kafka still holds when it begins. Exits with 1 if an event is missing or stored twice, if an
    erased one is shown, or if a session is not what its events say; with 3 if the processors do not catch up.

    With --follow it goes on from where it last was until SIGTERM, at no more than CONVERGIO_AUDIT_BYTES_PER_SECOND,
    and shows what it finds as metrics on CONVERGIO_AUDIT_HOST and _PORT.
    """
    from infra.audit import audit as compare
    from infra.settings import load

    if follow:
        _follow(load())
        return
    report = asyncio.run(compare(load(), wait))
    if output is Format.JSON:
        typer.echo(json.dumps({"good": report.good, "complete": report.complete, **asdict(report)}, indent=2))
    else:
        print_report(report)
    if not report.good:
        raise typer.Exit(1)


def _follow(settings: Settings) -> None:
    from infra.audit.follow import serve
    from infra.clickhouse.requirements import AUDITOR, check_server
    from infra.commands.services import require_free
    from infra.kafka.permissions import FOLLOWER
    from infra.kafka.requirements import check_kafka

    require_free(settings.audit_host, settings.audit_port, "CONVERGIO_AUDIT_PORT")
    check_server(settings, AUDITOR)
    check_kafka(settings, FOLLOWER)
    serve(settings)


def print_report(report: Report) -> None:
    """The report as a table, and one line that says what it means."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    counts = [
        ("sent", report.sent, f"events acknowledged, in {number(report.messages)} messages"),
        ("duplicates", report.duplicates, "sent again and counted once"),
        ("unique", report.unique, "= stored + erased + expired + missing"),
        ("stored", report.stored, ""),
        ("erased", report.erased, f"by {number(report.erasures)} erasures"),
        ("expired", report.expired, "older than retention"),
        ("dead letters", report.dead_letters, f"messages, with {number(report.dead_letter_events)} readable events"),
        ("empty offsets", report.empty_offsets, "at which Kafka holds no message; processors pass over them"),
        ("sessions", report.sessions, "recomputed from the events by SQL"),
        ("physical copies", report.copies, "hidden by the views until the next merge"),
        ("since it began", report.since, "stored from later messages"),
        ("beyond Kafka", report.beyond_kafka, "stored, and no longer held by Kafka"),
    ]
    for name, count, meaning in counts:
        table.add_row(name, number(count), meaning)
    for name, finding in report.mistakes.items():
        table.add_row(Text(name, style="red bold" if finding.count else "green"), number(finding.count), "")
    out.print(table)
    for name, finding in report.mistakes.items():
        for example in finding.examples:
            out.print(Text(f"{name}: {example}", style="red"))
    if not report.complete:
        out.print("Kafka no longer holds the oldest messages; this audit cannot speak for what was in them.")
    if report.good:
        out.print(Text("audit: every event is stored exactly once", style="green bold"))
    else:
        out.print(Text("audit: NOT every event is stored exactly once", style="red bold"))
