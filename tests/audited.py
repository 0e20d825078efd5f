"""Kafka and ClickHouse of a test of the audit: what a gateway and processors would do is done by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from clickhouse_connect.driver.client import Client

from infra.audit import Report, audit
from infra.clickhouse.client import connect
from infra.clickhouse.migrate import migrate
from infra.kafka.topics import create_topics
from infra.settings import Settings
from schemas.envelope import (
    Erasure,
    EventRow,
    encode_erasure,
    encode_events,
    headers,
    message_key,
    partition_for,
)
from schemas.topics import Source, dead_letter_headers, dead_letter_key
from tests.closing import write_retention_announced_in_time
from tests.servers import ClickHouseAddress

NOW = datetime.now(UTC).replace(microsecond=0)
USER = str(uuid4())


@dataclass
class Pipeline:
    """Kafka and ClickHouse of one test; what a processor would do is done by hand."""

    settings: Settings
    producer: AIOKafkaProducer
    clickhouse: Client

    async def send(self, *rows: EventRow, value: bytes | None = None) -> Source:
        """One message, as the gateway writes it."""
        return await self._send(rows[0].user_id, value or encode_events(rows), "events")

    async def send_erasure(self, user: str) -> Source:
        return await self._send(user, encode_erasure(Erasure(user_id=user, requested_at=NOW)), "erasure")

    async def _send(self, user: str, value: bytes, kind: str) -> Source:
        message = await self.producer.send_and_wait(
            self.settings.events_topic,
            value,
            key=message_key(user),
            partition=partition_for(user, self.settings.partitions),
            headers=headers("erasure" if kind == "erasure" else "events"),
        )
        return Source(self.settings.events_topic, message.partition, message.offset)

    async def set_aside(self, source: Source) -> None:
        """Puts a message among the dead letters, twice, as after a crash."""
        for _ in range(2):
            await self.producer.send_and_wait(
                self.settings.dead_letter_topic,
                b"poison",
                key=dead_letter_key(source),
                headers=dead_letter_headers(source, "a test", None, []),
            )

    def store(self, source: Source, *rows: EventRow, epoch: int = 0) -> None:
        """Writes events, and the sessions they make by themselves."""
        columns = ["event_id", "user_id", "session_id", "category", "action", "occurred_at", "received_at"]
        self.clickhouse.insert(
            "events_data",
            [[*(getattr(row, name) for name in columns), source.partition, source.offset, epoch] for row in rows],
            column_names=[*columns, "kafka_partition", "kafka_offset", "epoch"],
        )

    def store_session(self, rows: Sequence[EventRow], study_ms: int, epoch: int = 0) -> None:
        times = [row.occurred_at for row in rows]
        self.clickhouse.insert(
            "sessions_data",
            [[rows[0].user_id, rows[0].session_id, min(times), max(times), study_ms, len(rows), epoch]],
            column_names=["user_id", "session_id", "started_at", "last_event_at", "study_ms", "events", "epoch"],
        )

    async def commit(self, behind: int = 0, topic_id: str = "") -> None:
        """Says that the processors are done, but for the last few messages of each partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            group_id=self.settings.consumer_group,
            enable_auto_commit=False,
        )
        partitions = [TopicPartition(self.settings.events_topic, n) for n in range(self.settings.partitions)]
        await consumer.start()
        try:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.commit(
                {place: OffsetAndMetadata(max(0, end - behind), topic_id) for place, end in ends.items()}
            )
        finally:
            await consumer.stop()

    async def audit(self) -> Report:
        await self.commit()
        return await audit(self.settings, wait=10)


@pytest.fixture
async def pipeline(
    kafka_bootstrap: str, clickhouse: ClickHouseAddress, topic_prefix: str, database: str
) -> AsyncIterator[Pipeline]:
    settings = Settings(
        kafka_bootstrap=kafka_bootstrap,
        events_topic=topic_prefix + "events",
        dead_letter_topic=topic_prefix + "dlq",
        consumer_group=topic_prefix + "group",
        partitions=2,
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.username,
        clickhouse_password=clickhouse.password,
        clickhouse_database=database,
    )
    await create_topics(settings)
    await write_retention_announced_in_time(settings)
    await asyncio.to_thread(migrate, settings)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all")
    await producer.start()
    with connect(settings) as client:
        yield Pipeline(settings, producer, client)
    await producer.stop()


def event(minutes_ago: float = 10.0, user: str = USER, session: int = 1) -> EventRow:
    return EventRow(
        event_id=str(uuid4()),
        user_id=user,
        session_id=str(UUID(int=session, version=4)),
        category="navigation",
        action="page_view",
        occurred_at=NOW - timedelta(minutes=minutes_ago),
        received_at=NOW,
    )


def wrong(report: Report) -> dict[str, int]:
    return {name: finding.count for name, finding in report.mistakes.items() if finding.count}


def replace_time(row: EventRow, moment: datetime) -> EventRow:
    row.occurred_at = moment
    return row
