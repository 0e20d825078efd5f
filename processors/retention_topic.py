"""Reads and writes the retention topic; what its records mean is in `schemas.retention`."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, date, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.kafka import ClientOptions, client_options
from schemas.retention import Retention, announcement_record, days_record, retention_of
from schemas.settings import SharedSettings

_TIMEOUT_SECONDS = 15.0


class RetentionTopic:
    """The retention topic of one deployment, over connections that last for one call.

    Every method raises `KafkaError`, `OSError` or `TimeoutError` when Kafka is away or refuses.
    """

    def __init__(self, settings: SharedSettings) -> None:
        """Raises `ValueError` for settings that cannot be used."""
        self.name = settings.retention_topic
        self._options: ClientOptions = client_options(settings)

    async def read(self) -> Retention | None:
        """The retention in force now; `None` if there is no such topic, or it does not say one yet."""
        consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False, auto_offset_reset="earliest")
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await consumer.start()
                # Asking for the topic by name could create it, with a retention of its own.
                if self.name not in await consumer.topics():
                    return None
                return retention_of(await self._records(consumer))
        finally:
            await consumer.stop()

    async def put_in_force(self, days: int) -> None:
        """Says how many days events are kept."""
        await self._write(days_record(days))

    async def announce(self, keep_from: date) -> None:
        """Says from which day on events are kept."""
        await self._write(announcement_record(keep_from))

    async def _records(self, consumer: AIOKafkaConsumer) -> list[tuple[datetime, bytes]]:
        partition = TopicPartition(self.name, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[tuple[datetime, bytes]] = []
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                found.append((datetime.fromtimestamp(record.timestamp / 1000, UTC), record.value or b""))
        return found

    async def _write(self, value: bytes) -> None:
        producer = AIOKafkaProducer(**self._options, acks="all", enable_idempotence=True)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await producer.start()
                await producer.send_and_wait(self.name, value, partition=0)
        finally:
            # It waits for what it was given, however long Kafka is away.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await producer.stop()
