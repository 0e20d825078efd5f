"""The thread in which aiokafka works: positions, fetches and commits of one consumer, each only when it is told to.

It holds no rules: `processors.ownership` decides, and `processors.transport` carries that out through this thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processors.topic_ids import topic_id_of
from schemas.topics import may_be_one_topic

log = logging.getLogger(__name__)

_CHECK_SECONDS = 2.0
_FETCH_WAIT_MS = 500
_REJOIN_SECONDS = 1.0


class Polled(NamedTuple):
    """What one poll brought of one partition, and the consumer's next offset right after it."""

    records: Sequence[ConsumerRecord[bytes, bytes]]
    position: int


class Start(NamedTuple):
    """Where an ownership starts, and the topic's id."""

    offset: int
    topic_id: str


class Watermark(NamedTuple):
    """What is committed: an offset, and as its metadata the id of the topic that it is an offset of."""

    offset: int
    topic_id: str


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs in a thread and event loop of its own; `call_thread` brings work there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._fetching = asyncio.Lock()
        self._seeks = 0
        self.report_kept_out: Callable[[KafkaError], None] = lambda _: None
        """Called, in this thread, with what keeps the consumer out of its group."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # One fetch at a time goes to a broker: a check must wait for the one that waits for records.
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Starts the consumer. What keeps it out of the group is reported, and tried again."""
        await super().on_start()
        # aiokafka's own waits until somebody polls, which nobody does before the first assignment.
        self._ensure_consumer()._coordinator._push_error_to_user = self._kept_out

    async def _kept_out(self, error: KafkaError) -> None:
        self.report_kept_out(error)
        await asyncio.sleep(_REJOIN_SECONDS)

    async def _fetch_records(  # type: ignore[override]  # only our own getmany reads it
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> dict[TP, Polled]:
        async with self._fetching:
            records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
            polled: dict[TP, Polled] = {}
            for place in active_partitions:
                position = _position(consumer, place)
                if position is not None:
                    polled[place] = Polled(records.get(place, ()), position)
            return polled

    async def fetch_from(self, place: TP, offset: int) -> Polled | None:
        """Seeks and fetches with nothing in between; `None` if a seek or a rebalance came in between all the same.

        Raises `KafkaError`.
        """
        consumer, partition = self._ensure_consumer(), _partition(place)
        async with self._fetching:
            await self.seek_to({place: offset})
            before = self._seeks, consumer._subscription.subscription.assignment
            records = await consumer._fetcher.fetched_records([partition], _CHECK_SECONDS, consumer._max_poll_records)
            position = _position(consumer, place)
            if position is None or before != (self._seeks, consumer._subscription.subscription.assignment):
                return None
            return Polled(records.get(partition, ()), position)

    async def start_of(self, place: TP) -> Start:
        """The committed offset of the group, else the log's start. Raises `KafkaError`.

        An offset that was committed for another topic of the same name says nothing about this one.
        """
        consumer, partition = self._ensure_consumer(), _partition(place)
        topic_id = await self.topic_id_of(place.topic)
        committed = (await consumer._coordinator.fetch_committed_offsets([partition])).get(partition)
        if committed is not None:
            if may_be_one_topic(topic_id, committed.metadata):
                return Start(committed.offset, topic_id)
            log.error(
                "the topic was made anew since the last commit; it is read from its start",
                extra={"topic": place.topic, "partition": place.partition},
            )
        return Start((await consumer.beginning_offsets([partition]))[partition], topic_id)

    async def commit_watermarks(self, watermarks: Mapping[TP, Watermark]) -> bool:
        """Commits for the partitions that are still assigned; returns whether the broker has confirmed it."""
        assigned = self.assignment()
        offsets = {
            _partition(place): OffsetAndMetadata(*watermark)
            for place, watermark in watermarks.items()
            if place in assigned
        }
        if not offsets:
            return False
        # Faust warns of partitions that it has not seen committed for long.
        self.tp_last_committed_at.update(dict.fromkeys(watermarks, monotonic()))
        try:
            await self._ensure_consumer().commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            log.warning("commit refused", extra={"reason": str(error)})
            return False
        return True

    async def topic_id_of(self, topic: str) -> str:
        """Kafka's id of the topic; `UNKNOWN_TOPIC` if the broker knows no ids or not the topic. Raises `KafkaError`."""
        return await topic_id_of(self._ensure_consumer()._client, topic)

    async def bounds_of(self, place: TP) -> tuple[int, int]:
        """The log's first offset and its end. Raises `KafkaError`."""
        consumer, partition = self._ensure_consumer(), _partition(place)
        starts = await consumer.beginning_offsets([partition])
        ends = await consumer.end_offsets([partition])
        return starts[partition], ends[partition]

    async def seek_to(self, offsets: Mapping[TP, int]) -> None:
        """Moves the consumer's positions; partitions that were revoked meanwhile are left out."""
        self._seeks += 1
        for place, offset in offsets.items():
            try:
                self._ensure_consumer().seek(_partition(place), offset)
            except IllegalStateError:
                continue


def _position(consumer: AIOKafkaConsumer, place: TP) -> int | None:
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return None
    partition = _partition(place)
    if partition not in subscription.assignment.tps:
        return None
    state = subscription.assignment.state_value(partition)
    return int(state.position) if state.has_valid_position else None


def _partition(place: TP) -> TopicPartition:
    return TopicPartition(place.topic, place.partition)
