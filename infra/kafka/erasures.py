"""Asks for a user's data to be erased, through the user's own partition."""

from __future__ import annotations

from datetime import datetime

from infra.kafka.client import partitions_of, producer
from schemas.envelope import Erasure, encode_erasure, headers, message_key, partition_for
from schemas.settings import SharedSettings


async def request_erasure(settings: SharedSettings, user_id: str, now: datetime) -> tuple[int, int]:
    """Sends the request and returns its (partition, offset) once Kafka has acknowledged it.

    Everything the user sent before goes; what they send after it stays. Raises `Unreachable`, `WrongUse`.
    """
    partitions = len(await partitions_of(settings, settings.events_topic))
    async with producer(settings) as client:
        message = await client.send_and_wait(
            settings.events_topic,
            encode_erasure(Erasure(user_id=user_id, requested_at=now)),
            key=message_key(user_id),
            partition=partition_for(user_id, partitions),
            headers=headers("erasure"),
        )
    return message.partition, message.offset
