"""Keeps the retention in force at hand, as its topic says it: no event is accepted for a day that is not kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ingest.ending import end
from ingest.envelope import Timing
from ingest.problems import Problem
from schemas.kafka import ClientOptions
from schemas.retention import LONGEST_UNREAD, Retention, retention_of, start_of

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0
READ_SECONDS: Final = 15.0


class RetentionWatch:
    """Reads the retention in force in the background, again and again; `clock` gives monotonic seconds."""

    def __init__(
        self,
        topic: str,
        client: ClientOptions,
        *,
        skew_tolerance: timedelta,
        refresh_seconds: float,
        retry_after: int,
        clock: Callable[[], float],
    ) -> None:
        self._topic = topic
        self._client = client
        self._skew_tolerance = skew_tolerance
        self._refresh_seconds = refresh_seconds
        self._retry_after = retry_after
        self._clock = clock
        self._timing: Timing | None = None
        self._read_at = 0.0
        self._trouble = self._told = "it was not read yet"
        self._task: asyncio.Task[None] | None = None
        self.was_read: Final = asyncio.Event()
        """Set when the retention is read for the first time."""

    @property
    def known(self) -> bool:
        """Whether the retention was read within `LONGEST_UNREAD`."""
        return self._timing is not None and self._clock() - self._read_at <= LONGEST_UNREAD.total_seconds()

    def timing(self) -> Timing:
        """The rules in force. Raises a 503 problem if they are not known."""
        timing = self._timing
        if timing is None or not self.known:
            raise Problem(
                "retention-unknown",
                f"How long events are kept cannot be read from Kafka: {self._told}.",
                retry_after=self._retry_after,
            )
        return timing

    def start(self) -> None:
        """Begins to read."""
        self._task = asyncio.create_task(self._keep_current(), name="retention")

    async def close(self) -> None:
        """Ends the reading."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    async def _keep_current(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            if await self._read():
                retry = FIRST_RETRY_SECONDS
                await asyncio.sleep(self._refresh_seconds)
            else:
                await asyncio.sleep(retry)
                retry = min(retry * 2, LAST_RETRY_SECONDS)

    async def _read(self) -> bool:
        began = self._clock()
        try:
            async with asyncio.timeout(READ_SECONDS):
                retention = await read_retention(self._topic, self._client)
        except (KafkaError, OSError, TimeoutError) as error:
            # An error of the client names brokers, which are not for everybody.
            return self._failed(str(error) or type(error).__name__, "it does not answer")
        except Exception as error:
            log.exception("retention cannot be read")
            return self._failed(type(error).__name__, "its answer is not understood")
        if retention is None:
            reason = f"the topic {self._topic} does not say it; run `convergio migrate`"
            return self._failed(reason, reason)
        keep_from = start_of(retention.keep_from)
        timing = Timing(self._skew_tolerance, timedelta(days=retention.days), keep_from)
        if timing != self._timing:
            log.info("retention in force", extra={"days": retention.days, "keep_from": retention.keep_from.isoformat()})
        self._timing, self._read_at = timing, began
        self._trouble = ""
        self.was_read.set()
        return True

    def _failed(self, reason: str, told: str) -> bool:
        """`told` is what clients hear of the reason."""
        if reason != self._trouble:
            log.warning("retention cannot be read, trying again", extra={"reason": reason})
        self._trouble, self._told = reason, told
        return False


async def read_retention(topic: str, client: ClientOptions) -> Retention | None:
    """The retention that a topic says is in force; `None` if there is no such topic, or it does not say one.

    `processors.retention_topic` reads the same: services share no code that connects to anything. Raises `KafkaError`
    or `OSError` when Kafka is away.
    """
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        # Asking for the topic by name could create it.
        if topic not in await consumer.topics():
            return None
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        records: list[tuple[datetime, bytes]] = []
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                records.append((datetime.fromtimestamp(record.timestamp / 1000, UTC), record.value or b""))
        return retention_of(records)
    finally:
        await consumer.stop()
