"""The events topic of a benchmark, filled before the processor starts."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.processor.traffic import Message
from infra.settings import Settings
from schemas.envelope import headers, message_key, partition_for


async def fill(settings: Settings, messages: Iterable[Message]) -> None:
    """Appends the messages to the partitions of their users."""
    async with _producer(settings) as producer:
        for user_id, value in messages:
            await producer.send(
                settings.events_topic,
                value,
                key=message_key(user_id),
                partition=partition_for(user_id, settings.partitions),
                headers=headers("events"),
            )


async def begin_at(settings: Settings, offset: int) -> None:
    """Makes the offsets of an empty topic begin at `offset`: fills up what lies before it and commits it as read.

    Messages sent later then come after those that brought a stored history.
    """
    partitions = [TopicPartition(settings.events_topic, number) for number in range(settings.partitions)]
    async with _producer(settings) as producer:
        for partition in partitions:
            for _ in range(offset):
                await producer.send(partition.topic, b"", partition=partition.partition)
    # A broker that has just started has no coordinator at first; aiokafka tries again, and logs every attempt.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, group_id=settings.consumer_group, enable_auto_commit=False
    )
    async with consumer:
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, offset))


def _producer(settings: Settings) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=20, max_batch_size=1 << 20)
