"""`convergio migrate`: tables in ClickHouse, topics in Kafka."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from infra.commands.console import number, out


def migrate(
    tables: Annotated[bool, typer.Option(help="Bring ClickHouse up to date.")] = True,
    topics: Annotated[
        bool, typer.Option(help="Create the topics that are missing; make room for dead letters.")
    ] = True,
) -> None:
    """Bring ClickHouse's tables and Kafka's topics to this version.

    Can be run again at any time: it applies what is missing, computes study times of an older version anew, and
    changes nothing else. Run it before the services of a new version start.
    """
    from infra.settings import load

    settings = load()
    if topics:
        from infra.kafka.topics import create_topics

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
    if tables:
        from infra.clickhouse.migrate import MigrationError
        from infra.clickhouse.migrate import migrate as migrate_tables
        from infra.clickhouse.reaching import clickhouse_errors
        from infra.errors import Failure, Unreachable
        from processors.recompute import recompute_sessions
        from processors.sink import Sink, SinkUnavailable

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
        except SinkUnavailable as error:
            raise Unreachable(
                f"study times could not all be computed anew; run `convergio migrate` again: {error}"
            ) from error
        finally:
            sink.close()
        if recomputed:
            out.print(f"study time: computed anew for {number(recomputed)} session(s) written by an older version")
        out.print(f"database {settings.clickhouse_database}: up to date")
