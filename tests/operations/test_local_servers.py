"""The servers the other tests stand on."""

from __future__ import annotations

from pathlib import Path

import clickhouse_connect
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from tests.conftest import MakeTopic
from tests.servers import ClickHouseAddress


async def test_kafka_gives_back_what_it_acknowledged(kafka_bootstrap: str, make_topic: MakeTopic) -> None:
    topic = await make_topic(partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in range(20):
            await producer.send_and_wait(topic, b"%d" % number)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, group_id=f"{topic}-group", auto_offset_reset="earliest"
    ) as consumer:
        received = {int((await consumer.getone()).value) for _ in range(20)}
    assert received == set(range(20))


async def test_a_topic_nobody_created_is_not_made_up(kafka_bootstrap: str, unique_topic: str) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap) as consumer:
        assert unique_topic not in await consumer.topics()
        assert consumer.partitions_for_topic(unique_topic) is None


def test_each_test_has_a_clickhouse_database_of_its_own(clickhouse: ClickHouseAddress, database: str) -> None:
    with clickhouse_connect.get_client(**clickhouse.client_options) as client:
        client.command(f"CREATE DATABASE {database}")
        client.command(f"CREATE TABLE {database}.numbers (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.insert(f"{database}.numbers", [[1], [2]], column_names=["n"])
        assert client.query(f"SELECT sum(n) FROM {database}.numbers").result_rows == [(3,)]


async def test_the_async_client_reaches_the_same_clickhouse(clickhouse: ClickHouseAddress, database: str) -> None:
    async with await clickhouse_connect.get_async_client(**clickhouse.client_options) as client:
        assert (await client.query("SELECT timezone()")).result_rows == [("UTC",)]


def test_storage_is_formatted_for_a_cluster_whose_random_id_begins_with_a_dash(tmp_path: Path) -> None:
    port, controller_port = free_ports(2)
    cluster_id = "-AgJb4RzTTWaG1Fhn8hRhw"
    (tmp_path / "cluster").write_text(f"{cluster_id} 1\n")
    assert "kafka" in LocalKafka(tmp_path, port, controller_port=controller_port).commands()
    formatted = [file.read_text() for file in tmp_path.rglob("meta.properties")]
    assert formatted
    assert all(f"cluster.id={cluster_id}" in text.replace("\\", "") for text in formatted)
