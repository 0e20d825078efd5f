"""Delivery against a real log: what the log does not hold is passed over, counted and reported; nothing else is."""

from __future__ import annotations

import asyncio
import json

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from processors.offsets import OffsetReader
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


async def commit(pipeline: Pipeline, offset: int) -> None:
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
        await consumer.commit({partition: offset})
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
