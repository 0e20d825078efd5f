"""`convergio migrate` against a real Kafka and ClickHouse."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date

import clickhouse_connect
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.kafka.retention import retention_in_force
from infra.settings import Settings
from processors.settings import ProcessorSettings
from tests.commands import Convergio, Result
from tests.conftest import MakeTopic
from tests.events import message, sent
from tests.in_process import Processor
from tests.old_study_times import write_by_the_old_rule
from tests.servers import ClickHouseAddress


@pytest.fixture
def convergio(kafka_bootstrap: str, clickhouse: ClickHouseAddress, topic_prefix: str, database: str) -> Convergio:
    return Convergio(
        {
            "kafka_bootstrap": kafka_bootstrap,
            "events_topic": topic_prefix + "events",
            "dead_letter_topic": topic_prefix + "dlq",
            "clickhouse_host": clickhouse.host,
            "clickhouse_port": str(clickhouse.port),
            "clickhouse_user": clickhouse.username,
            "clickhouse_password": clickhouse.password,
            "clickhouse_database": database,
        }
    )


async def topic_options(convergio: Convergio, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=convergio.settings["kafka_bootstrap"])
    await admin.start()
    try:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    ((_, _, _, _, entries),) = response.resources
    return {entry[0]: entry[1] for entry in entries}


async def test_it_creates_what_is_missing_and_can_be_repeated(convergio: Convergio) -> None:
    first = await convergio("migrate")
    assert "events: created, 4 partition(s)" in first.output
    assert "dlq: created, 1 partition(s)" in first.output
    assert "applied 001_tables.sql" in first.output
    second = await convergio("migrate")
    assert "created" not in second.output
    assert "applied" not in second.output
    assert "up to date" in second.output


async def test_it_computes_study_times_of_an_older_version_anew(
    convergio: Convergio, clickhouse: ClickHouseAddress, database: str
) -> None:
    first = await convergio("migrate", "--no-topics")
    page = sent(minutes_ago=9)
    events = [
        page,
        sent(page.user, session=page.session, minutes_ago=5, action="api_error", category="error"),
        sent(page.user, session=page.session, minutes_ago=1),
    ]
    processor = Processor(ProcessorSettings(**clickhouse.settings(database)))
    processor.flush(message(events, 0))
    processor.sink.close()
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        write_by_the_old_rule(client)
        assert client.query("SELECT study_ms FROM sessions").result_rows == [(8 * 60_000,)]
        second = await convergio("migrate", "--no-topics")
        assert client.query("SELECT study_ms FROM sessions").result_rows == [(0,)]
    third = await convergio("migrate", "--no-topics")
    said = "study time: computed anew for 1 session(s)"
    assert [said in each.output for each in (first, second, third)] == [False, True, False]


async def test_topics_keep_what_they_hold_for_as_long_as_settings_say(convergio: Convergio) -> None:
    await convergio.with_settings(kafka_retention_days="3")("migrate", "--no-tables")
    options = await topic_options(convergio, convergio.settings["events_topic"])
    assert options["retention.ms"] == str(3 * 86_400_000)
    assert options["cleanup.policy"] == "delete"
    assert options["min.insync.replicas"] == "1"


async def test_partitions_of_an_existing_topic_stay(convergio: Convergio) -> None:
    await convergio("migrate", "--no-tables")
    for other in ("2", "8"):
        result = await convergio.with_settings(partitions=other)("migrate", "--no-tables")
        assert f"there, 4 partition(s); CONVERGIO_PARTITIONS={other} is for new topics only" in result.output


async def test_the_retention_topic_keeps_its_records_for_ever_also_where_it_was_made_otherwise(
    convergio: Convergio, make_topic: MakeTopic
) -> None:
    topic = await make_topic("events.retention", retention_ms="12345", segment_bytes="20000000")
    await convergio("migrate", "--no-tables")
    options = await topic_options(convergio, topic)
    assert [options[name] for name in ("retention.ms", "segment.bytes")] == ["-1", "20000000"]


async def test_a_longer_retention_is_put_in_force_and_a_shorter_one_only_when_told_so(convergio: Convergio) -> None:
    def retention(days: str, *options: str) -> Awaitable[Result]:
        return convergio.with_settings(retention_days=days)("migrate", "--no-tables", *options)

    assert "retention: 30 days\n" in (await retention("30")).output
    assert "retention: 30 days\n" in (await retention("30")).output
    assert "retention: 60 days, 30 before\n" in (await retention("60")).output
    kept = await retention("7")
    assert "retention: 60 days as before; CONVERGIO_RETENTION_DAYS=7 would drop what is older" in kept.output
    assert "retention: 7 days, 60 before\n" in (await retention("7", "--shorten-retention")).output


async def test_days_that_an_older_version_closed_are_announced(
    convergio: Convergio, clickhouse: ClickHouseAddress, database: str
) -> None:
    await convergio("migrate")
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        client.insert("totals_data", [["day", date(2026, 1, 31)]], column_names=["source", "closed_day"])
    await convergio("migrate")
    settings = Settings.model_validate(convergio.settings)
    assert (await retention_in_force(settings)).keep_from == date(2026, 2, 1)


async def test_more_replicas_than_brokers_are_refused_in_one_line(convergio: Convergio) -> None:
    result = await convergio.with_settings(replication_factor="9")("migrate", "--no-tables", code=2)
    assert "Kafka refuses to create" in result.errors
    assert result.errors.count("\n") == 1


async def test_dead_letters_get_room_for_any_event_message_and_keep_what_else_was_set(
    convergio: Convergio, make_topic: MakeTopic
) -> None:
    await make_topic("events", max_message_bytes=str(80 << 20))
    topic = await make_topic("dlq", retention_ms="12345", segment_bytes="20000000")
    result = await convergio("migrate", "--no-tables")
    assert f"max.message.bytes raised to {81 << 20}" in result.output
    options = await topic_options(convergio, topic)
    names = ("max.message.bytes", "retention.ms", "segment.bytes")
    assert [options[name] for name in names] == [str(81 << 20), "12345", "20000000"]
    assert "raised" not in (await convergio("migrate", "--no-tables")).output
