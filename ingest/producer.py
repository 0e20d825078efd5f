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
from aiokafka.errors import KafkaError

from ingest.budget import ByteBudget
from ingest.deadlines import Deadlines
from ingest.ending import end
from ingest.envelope import MAX_BATCH_BYTES
from ingest.lane import MESSAGE_OVERHEAD_BYTES, Events, Lane, NotStored
from ingest.problems import Problem
from schemas.envelope import Kind, headers, message_key, partition_for
from schemas.kafka import ClientOptions

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS: Final = 0.2
LONGEST_BACKOFF_SECONDS: Final = 5.0
PROBE_SECONDS: Final = 1.0
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


class _Link(NamedTuple):
    """A connected producer with a lane for each partition."""

    producer: AIOKafkaProducer
    lanes: list[Lane]


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
        self._link: _Link | None = None
        self._stalled = False
        self._last_acknowledged = 0.0
        self._failed = asyncio.Event()
        self.connected: Final = asyncio.Event()
        """Set when Kafka is connected for the first time."""
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
            await end(self._keeper)
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
        self._budget.take(MESSAGE_OVERHEAD_BYTES * len(values) + sum(map(len, values)))
        lanes, key, marks = link.lanes, message_key(user_id), _HEADERS[kind]
        lane = lanes[partition_for(user_id, len(lanes))]
        started = perf_counter()
        sent = [lane.put(key, value, marks) for value in values]
        deadline = self._deadlines.open()
        try:
            if len(sent) == 1:
                await sent[0]
            else:
                await asyncio.gather(*sent)
        except asyncio.CancelledError:
            if not deadline.claims():
                raise
            if self._last_acknowledged < started:
                self._stall()
            raise Problem(
                "acknowledgement-late",
                f"Kafka did not acknowledge within {self._options.ack_timeout_seconds:g} seconds;"
                " send the same batch again.",
                retry_after=self._options.retry_after,
            ) from None
        except NotStored as failure:
            raise self._unavailable() from failure
        finally:
            deadline.close()

    def _stored(self, seconds: float) -> None:
        self._last_acknowledged = perf_counter()
        self._stalled = False
        self._observe(seconds)

    def _replace(self, failure: BaseException) -> None:
        if not self._failed.is_set():
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
            try:
                await self._connect_and_watch()
            except Exception:
                # Nothing known ends here; but a gateway that gave up would never be ready again.
                log.exception("producer failed, starting over")
                self._link = None
                await asyncio.sleep(LONGEST_BACKOFF_SECONDS)

    async def _connect_and_watch(self) -> None:
        """Runs producer after producer."""
        while True:
            producer, partitions = await self._connect()
            self._failed.clear()
            link = self._link = _Link(producer, self._open_lanes(producer, range(partitions)))
            self._stalled = False
            self.connected.set()
            log.info("producer connected", extra={"partitions": partitions})
            while not self._failed.is_set():
                try:
                    await asyncio.wait_for(self._failed.wait(), PROBE_SECONDS)
                except TimeoutError:
                    await self._probe(link)
            self._link = None
            self._count_replacement()
            await self._dispose(link)

    async def _connect(self) -> tuple[AIOKafkaProducer, int]:
        """Tries until it works: brokers found, producer id given, the topic there. Also its partitions."""
        backoff = FIRST_BACKOFF_SECONDS
        complained = False
        while True:
            producer = self._new_producer()
            try:
                async with asyncio.timeout(self._options.ack_timeout_seconds):
                    await producer.start()
                    return producer, len(await producer.partitions_for(self._options.topic))
            except (KafkaError, OSError, TimeoutError) as failure:
                if not complained:
                    complained = True
                    log.warning("kafka cannot be reached, trying again", extra={"reason": type(failure).__name__})
                await self._dispose(_Link(producer, []))
            except BaseException:
                await self._dispose(_Link(producer, []))
                raise
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    def _open_lanes(self, producer: AIOKafkaProducer, partitions: range) -> list[Lane]:
        events = Events(release=self._budget.give_back, stored=self._stored, failed=self._replace)
        beat = self._options.linger_ms / 1000
        topic = self._options.topic
        return [Lane(producer, topic, number, beat, events) for number in partitions]

    def _new_producer(self) -> AIOKafkaProducer:
        options = self._options
        return AIOKafkaProducer(
            **options.client,
            client_id="convergio-ingest",
            enable_idempotence=True,
            acks="all",
            compression_type=options.compression,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
            request_timeout_ms=int(options.ack_timeout_seconds * 1000),
        )

    async def _probe(self, link: _Link) -> None:
        """Adds lanes for partitions the topic has been given, and finds out that a stalled Kafka is back."""
        known = link.producer.client.cluster.partitions_for_topic(self._options.topic) or ()
        if len(known) > len(link.lanes):
            link.lanes.extend(self._open_lanes(link.producer, range(len(link.lanes), len(known))))
        if not self._stalled:
            return
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await link.producer.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError):
            return
        self._stalled = False
        log.info("kafka answers again, ready")

    async def _dispose(self, link: _Link) -> None:
        """Ends a producer: flushes it if that works in time, else gives its messages up.

        aiokafka has no way to give up: its `stop` waits for every message. So what still waits fails here, its
        sender is stopped, and its connections are closed.
        """
        producer = link.producer
        try:
            async with asyncio.timeout(self._options.ack_timeout_seconds):
                for lane in link.lanes:
                    await lane.drained()
                await producer.stop()
            return
        except (KafkaError, OSError, TimeoutError) as failure:
            log.warning("producer did not flush, giving up", extra={"reason": type(failure).__name__})
        finally:
            for lane in link.lanes:
                await lane.end()
        producer._closed = True
        producer._message_accumulator.fail_all(KafkaError("the producer was given up"))
        for ending in (producer._sender.close(), producer.client.close()):
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await ending
            except (KafkaError, OSError, TimeoutError) as failure:
                log.debug("kafka client ended", extra={"reason": type(failure).__name__})
