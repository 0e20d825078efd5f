"""Three brokers, of which one is killed: what was acknowledged by all in-sync replicas stays readable."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.kafka.topics import create_topics
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor
from infra.settings import Settings
from tests.stacks import free_block

BEFORE, AFTER = 50, 50


@pytest.mark.long
async def test_acknowledged_messages_survive_the_loss_of_a_broker(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path, free_block(6), brokers=3)
    commands = await asyncio.to_thread(kafka.commands)
    services = [Service(name, command, ready=kafka.is_ready) for name, command in commands.items()]
    settings = Settings(kafka_bootstrap=kafka.bootstrap, replication_factor=3, partitions=1)
    with DataDir(tmp_path) as held:
        async with Supervisor(held, [Stage(services)]):
            await create_topics(settings)
            producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True)
            await producer.start()
            place = TopicPartition(settings.events_topic, 0)
            for number in range(BEFORE):
                await producer.send_and_wait(place.topic, str(number).encode(), partition=0)
            leader = producer.client.cluster.leader_for_partition(place)
            name = kafka.names[[node.nodeId for node in sorted(producer.client.cluster.brokers())].index(leader)]
            os.kill(int((tmp_path / "run" / f"{name}.pid").read_text()), signal.SIGKILL)
            for number in range(BEFORE, BEFORE + AFTER):
                await producer.send_and_wait(place.topic, str(number).encode(), partition=0)
            await producer.stop()
            consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
            await consumer.start()
            consumer.assign([place])
            values = [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(BEFORE + AFTER)]
            await consumer.stop()
    assert values == [str(number).encode() for number in range(BEFORE + AFTER)]
