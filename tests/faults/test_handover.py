"""A processor that is told to stop hands its partitions over at once: nobody waits for its session to time out."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

from tests.events import message, sent
from tests.processors import DEADLINE_SECONDS, Pipeline, until

LONGER_THAN_ANY_DEADLINE = 5 * DEADLINE_SECONDS


class Traffic:
    """Messages to both partitions, as long as the context lasts."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.events = 0
        self.ending = False

    async def run(self) -> None:
        while not self.ending:
            for partition in (0, 1):
                await self._pipeline.send(message([sent()], 0, partition))
                self.events += 1
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def traffic(pipeline: Pipeline) -> AsyncIterator[Traffic]:
    some = Traffic(pipeline)
    running = asyncio.create_task(some.run())
    try:
        yield some
    finally:
        some.ending = True
        await running


async def until_each_has_a_partition(*pipelines: Pipeline) -> None:
    async def shared() -> bool:
        owned = [await pipeline.partitions() for pipeline in pipelines]
        return {0} in owned and {1} in owned

    await until(shared, pipelines[0].log)


async def until_stored_since(pipeline: Pipeline) -> None:
    """Waits until events sent from now on are stored, of both partitions."""
    event_ids = []
    for partition in (0, 1):
        event = sent()
        await pipeline.send(message([event], 0, partition))
        event_ids.append(event.event)
    query = f"SELECT count() FROM events WHERE event_id IN ({', '.join(repr(each) for each in event_ids)})"

    async def stored() -> bool:
        return (await asyncio.to_thread(pipeline.rows, query)) == [(len(event_ids),)]

    await until(stored, pipeline.log)


async def test_sigterm_of_one_of_two_under_traffic_hands_its_partition_over_at_once(pipeline: Pipeline) -> None:
    pipeline.settings.session_timeout_seconds = LONGER_THAN_ANY_DEADLINE
    other = pipeline.beside()
    async with pipeline.processor() as leaving, other.processor():
        async with traffic(pipeline) as sending:
            await until_each_has_a_partition(pipeline, other)
            leaving.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(leaving.wait(), DEADLINE_SECONDS) == 0
            await until_stored_since(other)
        await other.until_committed()
        assert await other.partitions() == {0, 1}
    assert other.stored() == sending.events + 2


async def test_a_processor_that_is_restarted_finds_its_work_at_once(pipeline: Pipeline) -> None:
    pipeline.settings.session_timeout_seconds = LONGER_THAN_ANY_DEADLINE
    for _ in range(2):
        async with pipeline.processor() as process:
            await until_stored_since(pipeline)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
        assert await pipeline.lag() == 0
