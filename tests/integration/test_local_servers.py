"""The servers the other tests stand on."""

from __future__ import annotations

import clickhouse_connect
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

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
