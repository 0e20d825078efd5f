"""The flush loop itself: order, overlap, watermarks, and the one way in which it handles failures.

The blocks are stored by a flusher that does what a test says; plans, buffer, ownerships and caches are the real ones.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from processors.buffer import MessageBuffer
from processors.cache import UserCache
from processors.dead_letters import DeadLetter, SetAsideFailed
from processors.dedup import Outcome, User
from processors.envelopes import Message
from processors.flush import Flusher, FlushReport, FoldFailed, Prepared
from processors.fold import Folded
from processors.health import Health
from processors.loop import FlushLoop
from processors.metrics import ProcessorMetrics
from processors.ownership import Fetch, Ownerships
from processors.plan import Erase, Store
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, Sink, SinkUnavailable
from tests.events import erasure, message, sent

SECONDS = 60.0


class Block(NamedTuple):
    """What was done, and with the messages at which (partition, offset)."""

    work: str
    messages: tuple[tuple[int, int], ...]


class Script(Flusher):
    """Notes what is asked of it; `before` is called in the thread of each piece of work, and may block or raise."""

    def __init__(self, settings: ProcessorSettings) -> None:
        super().__init__(settings, Sink(settings))
        self.done: list[Block] = []
        self.before: Callable[[Block], None] = lambda block: None
        self.caches: list[dict[int, int]] = []
        """For each preparation, how many users each cache held."""
        self._blocks: dict[int, Block] = {}

    def prepare(
        self, store: Store, caches: Mapping[int, UserCache], owned: int, previous: Callable[[], object]
    ) -> Prepared:
        places = tuple((batch.message.partition, batch.message.offset) for batch in store.batches)
        self.caches.append({partition: len(cache) for partition, cache in caches.items()})
        for batch in store.batches:
            caches[batch.message.partition].put(batch.rows[0].user_id, User(complete=True))
        self._note(Block("prepare", places))
        number = len(self.done)
        self._blocks[number] = Block("write", places)
        return Prepared(number, Folded(outcomes=Counter({Outcome.STORED: len(places)})), 0, 0)

    def write(self, prepared: Prepared) -> None:
        self._note(self._blocks[prepared.number])

    def erase(self, step: Erase, caches: Mapping[int, UserCache]) -> None:
        self._note(Block("erase", ((step.request.message.partition, step.request.message.offset),)))

    def _note(self, block: Block) -> None:
        self.before(block)
        self.done.append(block)


class Rig:
    """A flush loop that runs, and what goes into it."""

    def __init__(self, **settings: object) -> None:
        self.settings = ProcessorSettings.model_validate({"flush_events": 1, "flush_seconds": 1e-9, **settings})
        self.ownerships = Ownerships()
        self.ownerships.begin(0, 0)
        self.ownerships.begin(1, 0)
        self.flusher = Script(self.settings)
        self.buffer = MessageBuffer(self.settings, self.ownerships, time.monotonic)
        self.health = Health(time.monotonic, 60)
        self.letters: list[DeadLetter] = []
        self.set_aside: Callable[[Sequence[DeadLetter]], None] = self.letters.extend
        self.reports: list[FlushReport] = []
        self.erased = 0
        metrics = ProcessorMetrics()
        metrics.flushed = lambda report, seconds: self.reports.append(report)  # type: ignore[method-assign]
        self.loop = FlushLoop(
            self.settings,
            self.buffer,
            self.flusher,
            lambda letters: self.set_aside(letters),
            self.health,
            metrics,
            self._count_erased,
            time.monotonic,
        )

    async def put(self, *messages: Message) -> None:
        for each in messages:
            ownership = self.ownerships[each.partition]
            await self.buffer.put(Fetch(ownership, ownership.received, [each], each.offset + 1))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():  # noqa: ASYNC110 - it happens in another thread
                await asyncio.sleep(0.005)

    def _count_erased(self) -> None:
        self.erased += 1


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """The loop runs for as long as the context lasts, and ends in order."""
    task = asyncio.create_task(rig.loop.run())
    try:
        yield rig
        assert await rig.loop.stop(SECONDS)
        await task
    finally:
        task.cancel()


def fail_the_first_write(rig: Rig) -> threading.Event:
    """The first write fails as soon as the event is set."""
    go, failures = threading.Event(), [SinkUnavailable("away")]

    def before(block: Block) -> None:
        if block.work == "write" and failures:
            _wait(go)
            raise failures.pop()

    rig.flusher.before = before
    return go


def blocks(rig: Rig, work: str) -> list[tuple[tuple[int, int], ...]]:
    return [block.messages for block in rig.flusher.done if block.work == work]


async def test_the_next_block_is_prepared_while_the_one_before_is_written() -> None:
    rig, go = Rig(), threading.Event()
    rig.flusher.before = lambda block: None if block.work == "prepare" else _wait(go)
    async with running(rig):
        await rig.put(message([sent()], 0), message([sent()], 1))
        await rig.until(lambda: blocks(rig, "prepare") == [((0, 0),), ((0, 1),)])
        assert blocks(rig, "write") == []
        assert rig.ownerships[0].stored == 0
        go.set()
        await rig.until(lambda: rig.ownerships[0].stored == 2)
    assert blocks(rig, "write") == [((0, 0),), ((0, 1),)]


async def test_blocks_around_an_erasure_in_one_batch_are_written_in_order() -> None:
    rig = Rig(flush_events=100, flush_seconds=0.2)
    async with running(rig):
        user = sent().user
        await rig.put(message([sent()], 0), erasure(user, 1), message([sent()], 2))
        await rig.until(lambda: rig.ownerships[0].stored == 3)
    assert [(block.work, block.messages) for block in rig.flusher.done] == [
        ("prepare", ((0, 0),)),
        ("write", ((0, 0),)),
        ("erase", ((0, 1),)),
        ("prepare", ((0, 2),)),
        ("write", ((0, 2),)),
    ]
    assert (rig.erased, rig.reports[0].erasures, rig.reports[0].outcomes[Outcome.STORED]) == (1, 1, 2)


async def test_after_a_failed_write_what_was_prepared_on_top_of_it_is_prepared_again() -> None:
    rig = Rig()
    go = fail_the_first_write(rig)
    async with running(rig):
        await rig.put(message([sent()], 0), message([sent()], 1))
        await rig.until(lambda: len(blocks(rig, "prepare")) == 2)
        go.set()
        await rig.until(lambda: rig.ownerships[0].stored == 2)
    assert blocks(rig, "prepare") == [((0, 0),), ((0, 1),), ((0, 0),), ((0, 1),)]
    assert blocks(rig, "write") == [((0, 0),), ((0, 1),)]
    assert rig.flusher.caches[2] == {0: 0}, "the caches were not cleared"


async def test_what_was_prepared_on_top_of_a_flush_of_a_revoked_partition_is_prepared_again() -> None:
    rig = Rig()
    go = fail_the_first_write(rig)
    async with running(rig):
        lost = rig.ownerships[1]
        await rig.put(message([sent()], 0, partition=1), message([sent()], 0))
        await rig.until(lambda: len(blocks(rig, "prepare")) == 2)
        rig.ownerships.revoke([1])
        go.set()
        await rig.until(lambda: rig.ownerships[0].stored == 1)
    assert blocks(rig, "prepare") == [((1, 0),), ((0, 0),), ((0, 0),)]
    assert blocks(rig, "write") == [((0, 0),)]
    assert rig.flusher.caches[2] == {0: 0}, "the cache still knew events that were not stored"
    assert lost.stored == 0


async def test_a_failure_clears_the_caches_of_the_partitions_concerned_and_no_others() -> None:
    rig = Rig()
    failures = [SinkUnavailable("away")]
    async with running(rig):
        await rig.put(message([sent()], 0))
        await rig.until(lambda: rig.ownerships[0].stored == 1)

        def before(block: Block) -> None:
            if block.work == "write" and failures:
                raise failures.pop()

        rig.flusher.before = before
        await rig.put(message([sent()], 0, partition=1))
        await rig.until(lambda: rig.ownerships[1].stored == 1)
        assert len(rig.ownerships[0].cache) == 1
    assert rig.flusher.caches == [{0: 0}, {1: 0}, {1: 0}]


@pytest.mark.parametrize(("work", "error"), [("write", RowsRefused("no date")), ("prepare", FoldFailed("a bug"))])
async def test_a_refused_block_is_halved_until_the_message_to_blame_is_a_dead_letter(
    work: str, error: Exception
) -> None:
    rig = Rig(flush_events=100, flush_seconds=0.2)

    def before(block: Block) -> None:
        if block.work == work and (0, 5) in block.messages:
            raise error

    rig.flusher.before = before
    async with running(rig):
        await rig.put(*(message([sent()], offset) for offset in range(8)))
        await rig.until(lambda: rig.ownerships[0].stored == 8)
    stored = [place for block in blocks(rig, "write") for place in block]
    assert sorted(stored) == [(0, offset) for offset in range(8) if offset != 5]
    assert [(letter.message.offset, letter.reason) for letter in rig.letters] == [(5, str(error))]


async def test_poison_alone_is_set_aside_before_its_watermark_moves() -> None:
    rig = Rig()
    set_aside: list[int] = []

    def slowly(letters: Sequence[DeadLetter]) -> None:
        set_aside.append(rig.ownerships[0].stored)

    rig.set_aside = slowly
    async with running(rig):
        await rig.put(Message(0, 0, None, b"?\n", []))
        await rig.until(lambda: rig.ownerships[0].stored == 1)
    assert set_aside == [0]
    assert rig.flusher.done == []


async def test_poison_that_kafka_does_not_take_counts_once_however_often_it_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processors.loop._FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr("processors.loop._LAST_RETRY_SECONDS", 0.001)
    rig = Rig()
    attempts = rig.settings.dead_letter_allowance * 2

    def set_aside(letters: Sequence[DeadLetter]) -> None:
        nonlocal attempts
        attempts -= 1
        if attempts > 0:
            raise SetAsideFailed("Kafka is away")
        rig.letters.extend(letters)

    rig.set_aside = set_aside
    async with running(rig):
        await rig.put(Message(0, 7, None, b"?\n", []))
        await rig.until(lambda: rig.ownerships[0].stored == 8)
    assert [letter.message.offset for letter in rig.letters] == [7]


async def test_while_a_flush_fails_the_reason_is_given_and_a_stop_ends_the_loop() -> None:
    rig = Rig()

    def before(block: Block) -> None:
        raise SinkUnavailable("ClickHouse is away")

    rig.flusher.before = before
    async with running(rig):
        await rig.put(message([sent()], 0))
        await rig.until(lambda: "ClickHouse is away" in (rig.health.hindrance or ""))
        assert rig.health.sickness is None
    assert rig.ownerships[0].stored == 0


async def test_a_stop_stores_what_was_read_first() -> None:
    rig = Rig(flush_events=1000, flush_seconds=60.0)
    async with running(rig):
        await rig.put(message([sent()], 0), message([sent()], 1))
    assert rig.ownerships[0].stored == 2


def _wait(event: threading.Event) -> None:
    assert event.wait(SECONDS)
