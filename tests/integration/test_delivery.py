"""Delivery against a real log: what the log does not hold is passed over, counted and reported; nothing else is."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from infra.kafka.client import topic_id_of
from processors.offsets import OffsetReader
from schemas.topics import UNKNOWN_TOPIC
from tests.events import message, sent
from tests.processors import Pipeline, until

SERIES = "convergio_processor_missing_offsets_total"
LOG_LINE = "the log holds no record at some offsets"


async def reported(pipeline: Pipeline, offsets: int) -> None:
    """Waits until the processor has counted so many missing offsets."""

    async def counted() -> bool:
        try:
            return await pipeline.metric(SERIES) == offsets
        except OSError:
            return False

    await until(counted, pipeline.log)
    assert pipeline.log.read_text().count(LOG_LINE) > 0


async def send_in_transactions(pipeline: Pipeline, transactions: int) -> int:
    """Each transaction brings one event to partition 0 and leaves a control record behind it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=pipeline.settings.kafka_bootstrap, transactional_id=pipeline.settings.events_topic
    )
    await producer.start()
    try:
        for _ in range(transactions):
            async with producer.transaction():
                each = message([sent()], 0)
                await producer.send_and_wait(
                    pipeline.settings.events_topic, each.value, key=each.key, partition=0, headers=list(each.headers)
                )
    finally:
        await producer.stop()
    return transactions


async def test_control_records_are_passed_over_and_counted_also_at_the_end_of_the_log(pipeline: Pipeline) -> None:
    await send_in_transactions(pipeline, 3)
    async with pipeline.processor():
        await pipeline.until_committed()
        await reported(pipeline, 3)
        await pipeline.send(message([sent()], 0))
        await send_in_transactions(pipeline, 2)
        await pipeline.until_committed()
        await reported(pipeline, 5)
    assert pipeline.stored() == 6
    audit = json.loads((await pipeline.convergio("audit", "--format", "json")).output)
    assert (audit["good"], audit["stored"], audit["empty_offsets"]) == (True, 6, 5)


async def test_records_that_the_log_dropped_before_they_were_read_are_counted_and_the_rest_is_stored(
    pipeline: Pipeline,
) -> None:
    for _ in range(10):
        await pipeline.send(message([sent()], 0))
    async with pipeline.processor():
        await pipeline.until_committed()
    for _ in range(30):
        await pipeline.send(message([sent()], 0))
    await drop_records(pipeline, before=25)
    async with pipeline.processor():
        await pipeline.until_committed()
        await reported(pipeline, 15)
    assert pipeline.stored() == 10 + 15


async def test_a_group_without_a_commit_begins_at_the_start_of_the_log_and_misses_nothing(pipeline: Pipeline) -> None:
    for _ in range(10):
        await pipeline.send(message([sent()], 0))
    await drop_records(pipeline, before=4)
    async with pipeline.processor():
        await pipeline.until_committed()
        assert await pipeline.metric(SERIES) == 0
    assert pipeline.stored() == 6


async def test_a_log_that_ends_before_the_committed_offset_is_read_from_its_start(pipeline: Pipeline) -> None:
    """As after a topic was made anew, or lost its newest records with a broker."""
    for _ in range(10):
        await pipeline.send(message([sent()], 0))
    await commit(pipeline, 1000)
    async with pipeline.processor():

        async def stored() -> bool:
            return await asyncio.to_thread(pipeline.stored) == 10

        await until(stored, pipeline.log)
        await pipeline.send(message([sent()], 0))

        async def committed() -> bool:
            reader = OffsetReader(pipeline.settings)
            try:
                return (await reader.read([0]))[0].committed == 11
            finally:
                await reader.close()

        await until(committed, pipeline.log)
    assert pipeline.stored() == 11
    assert "the log ends before the next offset" in pipeline.log.read_text()


@pytest.mark.parametrize(
    "running", [pytest.param(False, id="stopped"), pytest.param(True, id="running", marks=pytest.mark.long)]
)
async def test_a_topic_made_anew_is_read_from_its_start_however_far_it_reaches_by_then(
    pipeline: Pipeline, running: bool
) -> None:
    """Its offsets start again, so a position or a commit from before says nothing about it."""
    for _ in range(5):
        await pipeline.send(message([sent()], 0))
    async with pipeline.processor() as first:
        await pipeline.until_committed()
        if not running:
            first.terminate()
            await first.wait()
        await make_anew(pipeline)
        for _ in range(20):
            await pipeline.send(message([sent()], 0))
        if running:
            await until_stored(pipeline, 25)
            first.terminate()
            await first.wait()
    # As a processor does whose commit arrives when the topic is another one already.
    await commit(pipeline, 25, topic_id=str(uuid4()))
    for _ in range(10):
        await pipeline.send(message([sent()], 0))
    async with pipeline.processor():
        await until_stored(pipeline, 35)
        await pipeline.until_committed()
    assert "the topic was made anew" in pipeline.log.read_text()


async def until_stored(pipeline: Pipeline, events: int) -> None:
    async def stored() -> bool:
        return await asyncio.to_thread(pipeline.stored) == events

    await until(stored, pipeline.log)


async def make_anew(pipeline: Pipeline) -> None:
    """Deletes the events topic and creates it again, as soon as Kafka lets us."""
    settings, topic = pipeline.settings, pipeline.settings.events_topic
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        before = await topic_id_of(settings, topic)
        await admin.delete_topics([topic])

        async def created() -> bool:
            await admin.create_topics([NewTopic(topic, settings.partitions, 1)])
            return await topic_id_of(settings, topic) not in (before, UNKNOWN_TOPIC)

        await until(created, pipeline.log)
    finally:
        await admin.close()


async def commit(pipeline: Pipeline, offset: int, topic_id: str = "") -> None:
    """Commits an offset of partition 0 for the processors' group, which has no members."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=pipeline.settings.kafka_bootstrap,
        group_id=pipeline.settings.consumer_group,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        partition = TopicPartition(pipeline.settings.events_topic, 0)
        consumer.assign([partition])
        await consumer.commit({partition: OffsetAndMetadata(offset, topic_id)})
    finally:
        await consumer.stop()


async def drop_records(pipeline: Pipeline, before: int) -> None:
    """Moves the start of partition 0's log, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.kafka_bootstrap)
    await admin.start()
    try:
        partition = TopicPartition(pipeline.settings.events_topic, 0)
        await admin.delete_records({partition: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()
