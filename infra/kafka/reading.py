"""Reads what a topic holds at one moment, from its first message to its last, in no consumer group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import OffsetAndMetadata

from infra.errors import Unreachable
from infra.kafka.client import admin, consumer, partitions_of
from schemas.settings import SharedSettings

_SILENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition at one moment: `first` is the oldest still held, `end` the next to be written."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first


async def spans(settings: SharedSettings, topic: str) -> dict[int, Span]:
    """What every partition of a topic holds now. Raises `WrongUse` if there is no such topic, `Unreachable`."""
    partitions = await partitions_of(settings, topic)
    async with consumer(settings) as client:
        client.assign(partitions)
        first = await client.beginning_offsets(partitions)
        end = await client.end_offsets(partitions)
    return {partition.partition: Span(first[partition], end[partition]) for partition in partitions}


async def read(
    settings: SharedSettings, topic: str, held: Mapping[int, Span]
) -> AsyncIterator[tuple[int, Sequence[ConsumerRecord[bytes, bytes]]]]:
    """Every message within the spans as (partition, messages), in order within a partition.

    Raises `Unreachable`, also when Kafka falls silent before the end.
    """
    ends = {TopicPartition(topic, number): span.end for number, span in held.items() if len(span)}
    if not ends:
        return
    async with consumer(settings) as client:
        client.assign(list(ends))
        for partition in ends:
            client.seek(partition, held[partition.partition].first)
        while ends:
            before = {partition: await client.position(partition) for partition in ends}
            fetched = await client.getmany(*ends, timeout_ms=_SILENCE_SECONDS * 1000)
            for partition, messages in fetched.items():
                yield partition.partition, [message for message in messages if message.offset < ends[partition]]
            after = {partition: await client.position(partition) for partition in ends}
            if after == before:
                raise Unreachable(f"Kafka sent nothing of {topic} for {_SILENCE_SECONDS} s; is every broker up?")
            for partition, position in after.items():
                # At some offsets there is no message, so the last one may come before the end.
                if position >= ends[partition]:
                    del ends[partition]
                    client.pause(partition)


async def committed(settings: SharedSettings, topic: str, group: str) -> dict[int, int]:
    """The offset up to which a consumer group is done, by partition; partitions without one are left out."""
    async with admin(settings) as client:
        return {number: commit.offset for number, commit in (await commits(client, topic, group)).items()}


async def commits(client: AIOKafkaAdminClient, topic: str, group: str) -> dict[int, OffsetAndMetadata]:
    """What a consumer group has committed, by partition; partitions without a commit are left out.

    Raises `KafkaError`.
    """
    coordinator = await client.find_coordinator(group)
    response = await client._send_request(OffsetFetchRequest(group, None), coordinator)
    found = response.to_object()
    # aiokafka's own method takes a coordinator that moves or still loads for a group that has committed nothing.
    partitions = [each for of in found["topics"] if of["topic"] == topic for each in of["partitions"]]
    for code in (found["error_code"], *(each["error_code"] for each in partitions)):
        if code:
            raise for_code(code)(f"the offsets of {group} cannot be read")
    return {
        each["partition"]: OffsetAndMetadata(each["offset"], each["metadata"])
        for each in partitions
        if each["offset"] >= 0
    }
