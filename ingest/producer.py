"""Hands messages to Kafka and waits for the acknowledgement. What resolves here is stored; nothing else is.

    Connecting ──▶ Connected ──(a delivery failed)──▶ Closing ──▶ Connecting …

What aiokafka does, and what follows from it (aiokafka 0.14, `producer/sender.py`, `message_accumulator.py`):

- With idempotence it never expires a batch but retries it until Kafka answers, so a message whose request was
  answered 503 may still be stored later. Its bytes stay held until then, or a dead Kafka could fill the memory.
- A batch takes its sequence numbers when it is first sent. One that then fails for good (no leader for too long,
  too large, not authorised, …) leaves a gap, and Kafka refuses everything after it as out of order: after any
  failed delivery the producer is unusable for that partition. A failure of its sender task ends it altogether.
  So any failed delivery replaces the whole producer.
- The old one is closed before its successor takes messages. Otherwise an event could be stored after an erasure
  that was requested, and acknowledged, after it.
- Cancelling the future of a message does not unsend it, but hides its end; so requests wait on their own future.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from ingest.budget import ByteBudget
from ingest.deadlines import Deadlines
from ingest.envelope import MAX_BATCH_BYTES
from ingest.kafka import ClientOptions
from ingest.problems import Problem
from schemas.envelope import Kind, headers, message_key, partition_for

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS: Final = 0.2
LONGEST_BACKOFF_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 1.0
MESSAGE_OVERHEAD_BYTES: Final = 512
"""What a waiting message costs beside its value: key, headers, futures."""

_PASSING: Final = (KafkaTimeoutError, UnknownTopicOrPartitionError, AssertionError)
"""Failures to hand a message over that leave the producer as it was."""

_HEADERS: Final[dict[Kind, list[tuple[str, bytes]]]] = {
    "events": headers("events"),
    "erasure": headers("erasure"),
}


class Options(NamedTuple):
    """How to produce; times in the unit their name says."""

    topic: str
    client: ClientOptions
    ack_timeout_seconds: float
    linger_ms: int
    compression: str | None
    retry_after: int


class _Delivery:
    """The messages of one request on their way: settled once each has been handed over and answered.

    Counts what is still open: one for handing them over, one for every message handed over.
    """

    __slots__ = ("_failure", "_link", "_open", "_producer", "_size", "started", "waiter")

    def __init__(self, producer: Producer, link: AIOKafkaProducer, size: int) -> None:
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.started = perf_counter()
        self._producer = producer
        self._link = link
        self._size = size
        self._open = 1
        self._failure: BaseException | None = None

    def handed_over(self, future: asyncio.Future[object]) -> None:
        self._open += 1
        future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[object]) -> None:
        if (failure := future.exception()) is not None:
            self._failure = failure
        self.settle()

    def settle(self) -> None:
        """One thing less is open."""
        self._open -= 1
        if self._open:
            return
        failure = self._failure
        self._producer.settled(self._link, self._size, self.started, failure)
        if self.waiter.done():
            return
        if failure is None:
            self.waiter.set_result(None)
        else:
            self.waiter.set_exception(failure)


class Producer:
    """The one producer of this process. Starts in the background, so the gateway is up while Kafka is away."""

    def __init__(
        self,
        options: Options,
        budget: ByteBudget,
        *,
        observe_acknowledgement: Callable[[float], None],
        count_replacement: Callable[[], None],
    ) -> None:
        self._options = options
        self._budget = budget
        self._observe = observe_acknowledgement
        self._count_replacement = count_replacement
        self._deadlines = Deadlines(options.ack_timeout_seconds)
        self._link: AIOKafkaProducer | None = None
        self._partitions = 0
        self._stalled = False
        self._last_acknowledged = 0.0
        self._failed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether Kafka is connected and, as far as is known, answers."""
        return self._link is not None and not self._stalled

    def start(self) -> None:
        """Begins to connect, and to reconnect whenever that is needed."""
        self._keeper = asyncio.create_task(self._keep_connected(), name="kafka-producer")

    async def close(self) -> None:
        """Waits for what is under way, at most for the acknowledgement timeout, then disconnects."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        link, self._link = self._link, None
        if link is not None:
            await self._dispose(link)

    async def publish(self, user_id: str, values: list[bytes], kind: Kind = "events") -> None:
        """Stores the messages in the user's partition; returns once Kafka has acknowledged every one.

        Raises a 503 problem when Kafka is away, does not acknowledge in time, or too much is waiting. After a
        503 the messages may be stored all the same: a repetition is recognised by its event ids.
        """
        link = self._link
        if link is None:
            raise self._unavailable()
        size = MESSAGE_OVERHEAD_BYTES * len(values) + sum(map(len, values))
        self._budget.take(size)
        deadline = self._deadlines.open()
        delivery = _Delivery(self, link, size)
        try:
            try:
                topic, key = self._options.topic, message_key(user_id)
                partition = partition_for(user_id, self._partitions)
                for value in values:
                    delivery.handed_over(
                        await link.send(topic, value, key=key, partition=partition, headers=_HEADERS[kind])
                    )
            finally:
                delivery.settle()
            await delivery.waiter
        except asyncio.CancelledError:
            if not deadline.claims():
                raise
            if self._last_acknowledged < delivery.started:
                self._stall()
            raise Problem(
                "acknowledgement-late",
                f"Kafka did not acknowledge within {self._options.ack_timeout_seconds:g} seconds;"
                " send the same batch again.",
                retry_after=self._options.retry_after,
            ) from None
        except (KafkaError, AssertionError) as failure:
            # The assertion is aiokafka's for a partition that has just gone from its metadata.
            if not isinstance(failure, _PASSING):
                self._replace(link, failure)
            raise self._unavailable() from failure
        finally:
            deadline.close()

    def settled(self, link: AIOKafkaProducer, size: int, started: float, failure: BaseException | None) -> None:
        """Kafka has answered for all of one request's messages, `size` bytes; `started` by `perf_counter`."""
        self._budget.give_back(size)
        if failure is not None:
            self._replace(link, failure)
            return
        now = self._last_acknowledged = perf_counter()
        self._stalled = False
        self._observe(now - started)

    def _replace(self, link: AIOKafkaProducer, failure: BaseException) -> None:
        if link is self._link and not self._failed.is_set():
            log.error("producer unusable, replacing it", extra={"reason": type(failure).__name__})
            self._failed.set()

    def _stall(self) -> None:
        if not self._stalled:
            self._stalled = True
            log.warning("kafka does not acknowledge, not ready")

    def _unavailable(self) -> Problem:
        return Problem(
            "kafka-unavailable",
            "Kafka cannot be reached; send the same batch again later.",
            retry_after=self._options.retry_after,
        )

    async def _keep_connected(self) -> None:
        while True:
            link = await self._connect()
            self._link = link
            self._stalled = False
            log.info("producer connected", extra={"partitions": self._partitions})
            while not self._failed.is_set():
                try:
                    await asyncio.wait_for(self._failed.wait(), PROBE_SECONDS)
                except TimeoutError:
                    await self._probe(link)
            self._link = None
            self._count_replacement()
            await self._dispose(link)
            self._failed.clear()

    async def _connect(self) -> AIOKafkaProducer:
        """Tries until it works: brokers found, producer id given, the topic there."""
        backoff = FIRST_BACKOFF_SECONDS
        complained = False
        while True:
            link = self._new_link()
            try:
                async with asyncio.timeout(self._options.ack_timeout_seconds):
                    await link.start()
                    self._partitions = len(await link.partitions_for(self._options.topic))
                return link
            except (KafkaError, OSError, TimeoutError) as failure:
                if not complained:
                    complained = True
                    log.warning("kafka cannot be reached, trying again", extra={"reason": type(failure).__name__})
                await self._dispose(link)
            except BaseException:
                await self._dispose(link)
                raise
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _new_link(self) -> AIOKafkaProducer:
        options = self._options
        return AIOKafkaProducer(
            **options.client,
            client_id="convergio-ingest",
            enable_idempotence=True,
            acks="all",
            linger_ms=options.linger_ms,
            compression_type=options.compression,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
            request_timeout_ms=int(options.ack_timeout_seconds * 1000),
        )

    async def _probe(self, link: AIOKafkaProducer) -> None:
        """Keeps the number of partitions current, and finds out that a stalled Kafka is back."""
        partitions = link.client.cluster.partitions_for_topic(self._options.topic)
        if partitions:
            self._partitions = len(partitions)
        if not self._stalled:
            return
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await link.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError):
            return
        self._stalled = False
        log.info("kafka answers again, ready")

    async def _dispose(self, link: AIOKafkaProducer) -> None:
        """Ends a producer: flushes it if that works in time, else gives its messages up.

        aiokafka has no way to give up: its `stop` waits for every message. So its connections are closed, its
        sender is stopped, and whatever was still waiting fails here, which gives its bytes back.
        """
        flushed = False
        try:
            async with asyncio.timeout(self._options.ack_timeout_seconds):
                await link.stop()
            flushed = True
        except (KafkaError, OSError, TimeoutError) as failure:
            log.warning("producer did not flush, giving up", extra={"reason": type(failure).__name__})
        if flushed:
            return
        accumulator, sender = link._message_accumulator, link._sender
        accumulator.fail_all(KafkaError("the producer was given up"))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await sender.close()
        except (KafkaError, OSError, TimeoutError, asyncio.InvalidStateError) as failure:
            log.debug("sender ended", extra={"reason": type(failure).__name__})
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await link.client.close()
        except (KafkaError, OSError, TimeoutError) as failure:
            log.debug("client ended", extra={"reason": type(failure).__name__})
