"""Faust's aiokafka transport with delivery that cannot skip a record.

Faust keeps the agent, the consumer group, rebalances and the lifecycle. Ours are the positions: where a partition
starts, which records are handed on, and which offset is committed (`processors.ownership` has the rules). Faust's own
bookkeeping loses records of a partition without a commit: when the flow stops while a fetch is in hand, it drops the
fetch and seeks only to committed offsets above 0. See docs/adr/0012-positions-and-commits-are-ours.md.

One Faust message is one `Fetch`: the records of one partition that one poll brought.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import faust
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from processors.buffer import MessageBuffer
from processors.consumer_thread import ConsumerThread, Watermark
from processors.envelopes import Message
from processors.ownership import Fetch, FetchLost, Ownership, Ownerships
from schemas.topics import may_be_one_topic

log = logging.getLogger(__name__)

AUTO_OFFSET_RESET = "none"
"""For Faust's `consumer_auto_offset_reset`: aiokafka never chooses a position by itself."""
_RETRY_SECONDS = 0.5


class Consumer(driver.Consumer):
    """Hands on fetches without a gap and commits watermarks.

    `ownerships` is shared with the message buffer and the flush loop, on the same event loop.
    `passed_over(fetch)` is called when the log itself holds no record at some offsets of a fetch; `kept_out(error)`, in
    another thread, with what keeps it out of the group.
    """

    ownerships: Ownerships
    passed_over: Callable[[Fetch], None]
    kept_out: Callable[[KafkaError], None]
    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        thread = ConsumerThread(self, loop=self.loop, beacon=self.beacon)
        thread.report_kept_out = lambda error: self.kept_out(error)
        return thread

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        """Polls once and hands on what follows without a gap; checks the position wherever it finds anything else."""
        try:
            await self._begin_ownerships()
            polled, _ = await self._wait_next_records(timeout)
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:
                async for message in self._out_of_range(TP(partition.topic, partition.partition)):
                    yield message
            return
        except NoOffsetForPartitionError:
            # aiokafka looked for a position of its own before ours was set.
            return
        except KafkaError as error:
            log.error("fetch failed", extra={"reason": repr(error)})
            await self.sleep(_RETRY_SECONDS)
            return
        for place, (records, position) in (polled or {}).items():
            # What is not handed on because the flow has stopped shows as a wrong position at the next poll.
            ownership = self.ownerships.get(place.partition)
            if ownership is None or not self.flow_active or self.should_stop:
                continue
            admission = ownership.admit(_messages(records, ownership), position)
            if admission.fetch is not None:
                yield place, self._faust_message(place, admission.fetch)
            if admission.check:
                async for message in self._check(place, ownership):
                    yield message

    async def perform_seek(self) -> None:
        """Called by Faust after a rebalance, before the flow resumes: every partition gets an explicit position."""
        try:
            await self._begin_ownerships()
        except KafkaError as error:  # the next poll tries again
            log.warning("positions cannot be set yet", extra={"reason": repr(error)})
        for ownership in list(self.ownerships.values()):
            await self.resend(ownership)

    async def deliver(self, fetch: Fetch, buffer: MessageBuffer) -> None:
        """Puts a fetch that the agent has received into the buffer; fetches again what was lost before it."""
        try:
            await buffer.put(fetch)
        except FetchLost as error:
            log.warning("a fetch was lost on its way, it is fetched again", extra={"reason": str(error)})
            await self.resend(fetch.ownership)

    async def resend(self, ownership: Ownership) -> None:
        """Goes back to what the message buffer has received; what was handed on since may be lost."""
        for place in self.assignment():
            if self.ownerships.get(place.partition) is ownership:
                await self._seek(place, ownership.rewind())

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Ends the ownerships before Faust and our handlers hear of it."""
        self.ownerships.revoke([place.partition for place in revoked])
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Every assignment begins new ownerships, also of partitions that stay with this processor."""
        self.ownerships.revoke(list(self.ownerships))
        await super().on_partitions_assigned(assigned, generation_id)

    def on_buffer_full(self, tp: TP) -> None:
        """Faust would stop polling this partition; its full queue holds the poll loop back, which is enough."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return iter(self.assignment())

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        watermarks = self.ownerships.committable()
        return {place: watermarks[place.partition] for place in tps if place.partition in watermarks}

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # Read anew, so that offset and topic id belong together.
        owned = {place: self.ownerships[place.partition] for place in offsets if place.partition in self.ownerships}
        watermarks = {
            place: Watermark(ownership.committable, ownership.topic_id)
            for place, ownership in owned.items()
            if ownership.committable is not None
        }
        if not watermarks or not await self._thread.call_thread(self._thread.commit_watermarks, watermarks):
            return False
        for place, watermark in watermarks.items():
            owned[place].committed = watermark.offset
        return True

    async def check_topic(self) -> None:
        """Ends the ownerships of a topic that was made anew: it is read from its start. Raises `KafkaError`."""
        for topic in {place.topic for place in self.assignment()}:
            topic_id = await self._thread.call_thread(self._thread.topic_id_of, topic)
            for ownership in list(self.ownerships.values()):
                if not may_be_one_topic(topic_id, ownership.topic_id):
                    log.error(
                        "the topic was made anew; it is read from its start",
                        extra={"topic": topic, "partition": ownership.partition, "offset": ownership.handed_on},
                    )
                    self.ownerships.revoke([ownership.partition])

    async def _begin_ownerships(self) -> None:
        """Gives a start to each partition that was assigned and has none yet. Raises `KafkaError`."""
        for place in self.assignment():
            if place.partition not in self.ownerships:
                generation = self.app.consumer_generation_id
                start = await self._thread.call_thread(self._thread.start_of, place)
                if generation == self.app.consumer_generation_id and place in self.assignment():
                    self.ownerships.begin(place.partition, *start)
                    await self._seek(place, start.offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.call_thread(self._thread.seek_to, {partition: offset})

    async def _check(self, place: TP, ownership: Ownership) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetches from the offset that comes next; passes over offsets at which the log holds no record."""
        expected = ownership.handed_on
        try:
            polled = await self._thread.call_thread(self._thread.fetch_from, place, expected)
        except KafkaError:  # the next poll shows it again
            return
        current = self.ownerships.get(place.partition)
        if polled is None or current is not ownership or ownership.handed_on != expected or not self.flow_active:
            return
        admission = ownership.admit(_messages(polled.records, ownership), polled.position, verified=True)
        if admission.fetch is not None:
            if admission.fetch.missing:
                self.passed_over(admission.fetch)
            yield place, self._faust_message(place, admission.fetch)

    async def _out_of_range(self, place: TP) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """The log does not reach to the offset that comes next: its start has moved on, or it was made anew."""
        ownership = self.ownerships.get(place.partition)
        if ownership is None:
            return
        try:
            start, end = await self._thread.call_thread(self._thread.bounds_of, place)
            topic_id = await self._thread.call_thread(self._thread.topic_id_of, place.topic)
        except KafkaError:  # the next poll shows it again
            return
        if self.ownerships.get(place.partition) is not ownership:
            return
        expected = ownership.handed_on
        if expected < start:
            fetch = ownership.pass_over(start)
            self.passed_over(fetch)
            yield place, self._faust_message(place, fetch)
        elif expected > end:
            log.error(
                "the log ends before the next offset; it is read again from its start",
                extra={"partition": place.partition, "offset": expected, "log_start": start, "log_end": end},
            )
            ownership = self.ownerships.begin(place.partition, start, topic_id)
        await self._seek(place, ownership.handed_on)

    def _faust_message(self, place: TP, fetch: Fetch) -> ConsumerMessage:
        # Without a read offset Faust neither drops a message nor notes a gap.
        self._read_offset[place] = None
        return ConsumerMessage(
            place.topic,
            place.partition,
            fetch.ends - 1,
            0.0,
            0,
            [],
            None,
            fetch,  # type: ignore[arg-type]
            None,
            0,
            0,
            place,
            generation_id=self.app.consumer_generation_id,
        )


class Transport(driver.Transport):
    """Makes consumers that share `ownerships` and report to `passed_over` and `kept_out`."""

    def __init__(
        self,
        app: faust.App,
        ownerships: Ownerships,
        passed_over: Callable[[Fetch], None],
        kept_out: Callable[[KafkaError], None],
        **options: Any,
    ) -> None:
        super().__init__(app.conf.broker_consumer, app, **options)
        self._ownerships = ownerships
        self._passed_over = passed_over
        self._kept_out = kept_out

    def create_consumer(self, callback: Any, **options: Any) -> Consumer:
        """The consumer of a worker."""
        consumer = Consumer(self, callback=callback, loop=self.loop, **options)
        consumer.ownerships = self._ownerships
        consumer.passed_over, consumer.kept_out = self._passed_over, self._kept_out
        return consumer


def _messages(records: Iterable[ConsumerRecord[bytes, bytes]], ownership: Ownership) -> list[Message]:
    return [
        Message(
            record.partition, record.offset, record.key, record.value or b"", list(record.headers), ownership.topic_id
        )
        for record in records
    ]
