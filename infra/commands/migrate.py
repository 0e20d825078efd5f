"""`convergio migrate`: tables in ClickHouse, topics in Kafka."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import number, out

if TYPE_CHECKING:
    from infra.settings import Settings


def migrate(
    tables: Annotated[bool, typer.Option(help="Bring ClickHouse up to date.")] = True,
    topics: Annotated[
        bool, typer.Option(help="Create the topics that are missing; make room for dead letters; set the retention.")
    ] = True,
    shorten_retention: Annotated[
        bool, typer.Option(help="Put CONVERGIO_RETENTION_DAYS in force also if older events are dropped then.")
    ] = False,
) -> None:
    """Bring ClickHouse's tables, Kafka's topics and the retention in force to this version and its settings.

    Can be run again at any time: it applies what is missing, computes study times of an older version anew, and
    changes nothing else. Run it before the services of a new version start.
    """
    from infra.settings import load

    settings = load()
    if topics:
        from infra.kafka.permissions import MIGRATOR
        from infra.kafka.requirements import require
        from infra.kafka.topics import create_topics

        asyncio.run(require(settings, MIGRATOR))
        for topic in asyncio.run(create_topics(settings)):
            state = "created" if topic.created else "there"
            note = ""
            if not topic.created and topic.name == settings.events_topic and topic.partitions != settings.partitions:
                note = (
                    f"; CONVERGIO_PARTITIONS={settings.partitions} is for new topics only "
                    "(docs/operations.md says how to add some)"
                )
            if topic.enlarged_to is not None:
                note = f"; max.message.bytes raised to {topic.enlarged_to}, so that any dead letter fits"
            out.print(f"topic {topic.name}: {state}, {topic.partitions} partition(s){note}")
        _put_retention_in_force(settings, shorten_retention)
    if tables:
        from infra.clickhouse.migrate import MigrationError
        from infra.clickhouse.migrate import migrate as migrate_tables
        from infra.clickhouse.reaching import clickhouse_errors
        from infra.errors import Failure, Unreachable
        from infra.kafka.retention import announce_at_least
        from processors.recompute import recompute_sessions
        from processors.retention import last_closed_day
        from processors.sink import Sink, SinkUnavailable
        from schemas.retention import NO_DAY

        with clickhouse_errors(settings):
            try:
                applied = migrate_tables(settings)
            except MigrationError as error:
                raise Failure(" ".join(str(error).split())) from error
        for migration in applied:
            out.print(f"tables: applied {migration.version:03}_{migration.name}.sql")
        sink = Sink(settings)
        try:
            recomputed = recompute_sessions(sink, settings.session_gap_seconds * 1000)
            closed = last_closed_day(sink)
        except SinkUnavailable as error:
            raise Unreachable(
                f"study times could not all be computed anew; run `convergio migrate` again: {error}"
            ) from error
        finally:
            sink.close()
        if recomputed:
            out.print(f"study time: computed anew for {number(recomputed)} session(s) written by an older version")
        if topics and closed != NO_DAY:
            # Days that an older version closed without announcing it.
            asyncio.run(announce_at_least(settings, closed + timedelta(days=1)))
        out.print(f"database {settings.clickhouse_database}: up to date")


def _put_retention_in_force(settings: Settings, shorten: bool) -> None:
    from infra.kafka.retention import put_in_force

    change = asyncio.run(put_in_force(settings, shorten=shorten))
    note = ""
    if change.days != settings.retention_days:
        note = (
            f" as before; CONVERGIO_RETENTION_DAYS={settings.retention_days} would drop what is older, and takes"
            " `convergio migrate --shorten-retention`"
        )
    elif change.before not in (None, change.days):
        note = f", {change.before} before"
    out.print(f"retention: {change.days} days{note}")
