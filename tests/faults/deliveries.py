"""Which record holds which event, and what that means for ClickHouse: nothing skipped, nothing twice, no commit ahead.

Every record that a `Ledger` sends holds one new event, and nobody else writes to its topic. So the rows of the view
`events` name the same (event, partition, offset) as the ledger, and before a committed offset no offset is missing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.events import message, sent
from tests.processors import Pipeline

USERS_PER_PARTITION = 4


class DeliveryBroken(AssertionError):
    """A record was skipped, stored twice, or committed before it was stored."""


@dataclass
class Ledger:
    """The events that Kafka has acknowledged, by partition and offset. Begins with an empty topic."""

    pipeline: Pipeline
    _events: dict[tuple[int, int], str] = field(default_factory=dict)
    _users: dict[int, list[str]] = field(default_factory=dict)

    async def send(self, partition: int, count: int = 1) -> None:
        """Sends records of one event each and waits until Kafka has acknowledged all of them."""
        users = self._users.setdefault(partition, [str(uuid4()) for _ in range(USERS_PER_PARTITION)])
        acknowledgements = {}
        for number in range(count):
            event = sent(user=users[number % len(users)])
            record = message([event], 0, partition)
            acknowledgements[event.event] = await self.pipeline.producer.send(
                self.pipeline.settings.events_topic,
                record.value,
                key=record.key,
                partition=partition,
                headers=record.headers,
            )
        for event_id, acknowledgement in acknowledgements.items():
            place = await acknowledgement
            self._events[place.partition, place.offset] = event_id

    @property
    def ends(self) -> dict[int, int]:
        """By partition: the offset after the last acknowledged record."""
        return dict(Counter(partition for partition, _ in self._events))

    def expect_committed_are_stored(self, commits: Mapping[int, int]) -> None:
        """Every event before a committed offset is in ClickHouse. Raises `DeliveryBroken`.

        `commits` must have been read before the call: what is stored only grows.
        """
        rows = self.pipeline.rows("SELECT kafka_partition, groupUniqArray(kafka_offset) FROM events GROUP BY 1")
        stored = {partition: set(offsets) for partition, offsets in rows}
        skipped = {
            (partition, offset)
            for partition, committed in commits.items()
            for offset in range(committed)
            if offset not in stored.get(partition, ())
        }
        if skipped:
            raise DeliveryBroken(f"committed up to {dict(commits)} and not stored: {ranges(skipped)}")

    def expect_everything_stored_once(self) -> None:
        """The view `events` and the sum over all time hold what was sent, once. Raises `DeliveryBroken`."""
        rows = self.pipeline.rows("SELECT kafka_partition, kafka_offset, toString(event_id) FROM events")
        shown = Counter(((partition, offset), event_id) for partition, offset, event_id in rows)
        missing = self._events.items() - shown.keys()
        ((counted,),) = self.pipeline.rows("SELECT events FROM lifetime")
        problems = {
            "not stored": {place for place, _ in missing},
            "stored and never sent": {place for place, _ in shown.keys() - self._events.items()},
            "stored twice": {place for (place, _), times in shown.items() if times > 1},
        }
        found = [f"{problem}: {ranges(places)}" for problem, places in problems.items() if places]
        if counted != len(self._events):
            found.append(f"{counted} events were counted, and {len(self._events)} were sent")
        if found:
            raise DeliveryBroken("; ".join(found))


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits and the members of one consumer group, as the broker knows them."""

    admin: AIOKafkaAdminClient
    group: str
    topic: str

    @classmethod
    def of(cls, pipeline: Pipeline, admin: AIOKafkaAdminClient) -> Commits:
        return cls(admin, pipeline.settings.consumer_group, pipeline.settings.events_topic)

    async def read(self, partitions: int) -> dict[int, int] | None:
        """By partition: the committed offset, for those that have one; `None` if the coordinator does not answer."""
        places = [TopicPartition(self.topic, partition) for partition in range(partitions)]
        try:
            known = await self.admin.list_consumer_group_offsets(self.group, partitions=places)
        except (KafkaError, OSError):
            return None
        if known.keys() != set(places):  # a coordinator that is still loading
            return None
        return {place.partition: commit.offset for place, commit in known.items() if commit.offset >= 0}

    async def members(self) -> frozenset[str] | None:
        """The members between whom the partitions are shared; `None` while they are not, or the broker cannot tell."""
        try:
            (answer,) = await self.admin.describe_consumer_groups([self.group])
        except (KafkaError, OSError):
            return None
        _, _, state, _, _, members, *_ = answer.groups[0]
        return frozenset(member[0] for member in members) if state == "Stable" else None


def ranges(places: Iterable[tuple[int, int]]) -> str:
    """Places as text: `partition 3: 0-67, 70; partition 4: 1`."""
    offsets: dict[int, list[int]] = {}
    for partition, offset in sorted(places):
        offsets.setdefault(partition, []).append(offset)
    return "; ".join(f"partition {partition}: {', '.join(_runs(found))}" for partition, found in offsets.items())


def _runs(offsets: list[int]) -> Iterable[str]:
    for _, run in itertools.groupby(enumerate(offsets), key=lambda pair: pair[1] - pair[0]):
        first, *rest = [offset for _, offset in run]
        yield f"{first}-{rest[-1]}" if rest else str(first)


async def until_everything_is_committed(ledger: Ledger, commits: Commits, seconds: float) -> None:
    """Waits until everything sent so far is committed, and checks each commit it sees. Raises `DeliveryBroken`."""
    ends = ledger.ends
    seen: dict[int, int] | None = None
    try:
        async with asyncio.timeout(seconds):
            while seen != ends:
                seen = await commits.read(max(ends) + 1)
                if seen is not None:
                    await asyncio.to_thread(ledger.expect_committed_are_stored, seen)
                await asyncio.sleep(0.1)
    except TimeoutError:
        await asyncio.to_thread(ledger.expect_everything_stored_once)
        raise DeliveryBroken(f"stored, and after {seconds:.0f} s {seen} is committed of {ends}") from None
