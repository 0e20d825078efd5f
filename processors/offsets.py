"""How far behind the processors are, asked of the broker itself: Faust may be the one that is stuck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, for_code

from processors.settings import ProcessorSettings
from processors.topic_ids import describe_topics
from schemas.kafka import client_options


class Progress(NamedTuple):
    """A partition: the next offset the group would read, and the next one to be written."""

    committed: int
    end: int

    @property
    def lag(self) -> int:
        """Messages not committed yet."""
        return max(0, self.end - self.committed)


class OffsetReader:
    """Reads the group's commits and the log's ends with clients of its own."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def read(self, partitions: Iterable[int]) -> dict[int, Progress]:
        """The progress of some partitions of the events topic. Raises `KafkaError` if no broker knows."""
        consumer, admin = await self._clients()
        topic = self._settings.events_topic
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        commits = await admin.list_consumer_group_offsets(self._settings.consumer_group, partitions=wanted)
        if not commits.keys() >= set(wanted):
            # aiokafka passes over the error of a coordinator that is moving or still loading.
            raise GroupCoordinatorNotAvailableError(f"no commits of {self._settings.consumer_group} are known yet")
        starts = await consumer.beginning_offsets(wanted)
        ends = await consumer.end_offsets(wanted)
        return {place.partition: Progress(max(commits[place].offset, starts[place]), ends[place]) for place in wanted}

    async def read_all(self) -> dict[int, Progress]:
        """The progress of every partition of the events topic. Raises `KafkaError` if no broker knows."""
        _, admin = await self._clients()
        (topic,) = await describe_topics(admin, [self._settings.events_topic])
        if topic["error_code"]:
            raise for_code(topic["error_code"])(f"{self._settings.events_topic} cannot be described")
        return await self.read(partition["partition"] for partition in topic["partitions"])

    async def close(self) -> None:
        """Ends the connections."""
        consumer, admin, self._consumer, self._admin = self._consumer, self._admin, None, None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()

    async def _clients(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        if self._consumer is not None and self._admin is not None:
            return self._consumer, self._admin
        await self.close()
        consumer = AIOKafkaConsumer(**client_options(self._settings))
        admin = AIOKafkaAdminClient(**client_options(self._settings))
        try:
            await consumer.start()
            await admin.start()
        except BaseException:
            await consumer.stop()
            await admin.close()
            raise
        self._consumer, self._admin = consumer, admin
        return consumer, admin


class CommitWatch:
    """Notices commits that stand still although there is something to commit, and it does not wait for the flush: a
    flush that takes long still beats, or is reported for its silence."""

    def __init__(self, clock: Callable[[], float], limit_seconds: float) -> None:
        self._clock = clock
        self._limit = limit_seconds
        self._since: dict[int, tuple[int, float]] = {}

    def stalled(self, progress: Mapping[int, Progress], waits_for_flush: Callable[[int, int], bool]) -> str | None:
        """Says which partition stands still for too long, or `None`. To be asked only while the work goes on.

        `waits_for_flush(partition, offset)` says whether the message at that offset does.
        """
        now = self._clock()
        self._since = {
            partition: (
                seen.committed,
                now if waits_for_flush(partition, seen.committed) else self._moved(partition, seen, now),
            )
            for partition, seen in progress.items()
        }
        for partition, (committed, since) in self._since.items():
            if now - since > self._limit:
                return (
                    f"partition {partition} is committed up to {committed} for {now - since:.0f} s, "
                    f"{progress[partition].lag} messages behind"
                )
        return None

    def reset(self) -> None:
        """Forgets what was seen: the work did not go on, for a reason that is known."""
        self._since.clear()

    def _moved(self, partition: int, seen: Progress, now: float) -> float:
        committed, since = self._since.get(partition, (-1, now))
        return since if seen.lag and seen.committed == committed else now
