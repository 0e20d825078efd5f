"""When the overview is read: on demand, shared by all who look, and awaited only as long as it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from exporter import ExporterSettings, overview_reader
from exporter.overview import Comparison, Pair, Today
from exporter.overview_reader import OverviewReader
from exporter.queries import Reader, ReadError
from exporter.snapshot import Reading
from tests.exporter import ManualClock


class Source:
    """Stands in for ClickHouse's answers; each waits until it is let go."""

    def __init__(self) -> None:
        self.readings = 0
        self.broken = False
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, _reader: Reader, compared: Comparison) -> Today:
        self.readings += 1
        await self.go.wait()
        if self.broken:
            raise ReadError("away")
        return Today(compared, {}, Pair(0, 0), {}, {}, {}, 0, None, None)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source()
    monkeypatch.setattr(overview_reader, "read_today", source)
    return source


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def reader(source: Source, clock: ManualClock) -> AsyncIterator[OverviewReader]:
    reader = OverviewReader(ExporterSettings(), clock)
    yield reader
    await reader.close()


async def looking(reader: OverviewReader, people: int) -> list[asyncio.Task[Reading[Today] | None]]:
    tasks = [asyncio.create_task(reader.newest()) for _ in range(people)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_all_who_look_share_the_first_reading_and_wait_for_it(source: Source, reader: OverviewReader) -> None:
    source.go.clear()
    people = await looking(reader, 20)
    assert not any(task.done() for task in people)
    source.go.set()
    assert len({id(reading) for reading in await asyncio.gather(*people)}) == 1
    assert source.readings == 1


async def test_nobody_waits_long_for_a_newer_reading_than_there_is(
    source: Source, reader: OverviewReader, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_reader, "PATIENCE_SECONDS", 0)
    first = await reader.newest()
    source.go.clear()
    clock.advance(20)
    assert [await task for task in await looking(reader, 2)] == [first, first]
    assert source.readings == 2
    assert not reader.is_stale(clock())
    (late,) = await looking(reader, 1)
    source.go.set()
    await late
    newest = await reader.newest()
    assert newest is not None
    assert newest.read_at == clock()
    assert source.readings == 2
    assert not reader.is_stale(clock())


async def test_whoever_looks_after_a_long_time_waits_for_a_new_reading(
    source: Source, reader: OverviewReader, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_reader, "PATIENCE_SECONDS", 0)
    await reader.newest()
    clock.advance(12 * 3600)
    source.go.clear()
    (look,) = await looking(reader, 1)
    assert not look.done()
    source.go.set()
    newest = await look
    assert newest is not None
    assert newest.read_at == clock()


async def test_a_clock_that_is_set_back_does_not_stop_the_readings(
    source: Source, reader: OverviewReader, clock: ManualClock
) -> None:
    await reader.newest()
    clock.advance(-600)
    newest = await reader.newest()
    assert source.readings == 2
    assert newest is not None
    assert newest.read_at == clock()


async def test_readings_that_fail_are_counted_and_the_last_good_one_stays(
    source: Source, reader: OverviewReader, clock: ManualClock
) -> None:
    first = await reader.newest()
    assert (reader.healthy, reader.failures) == (True, 0)
    source.broken = True
    clock.advance(3600)
    assert await reader.newest() == first
    assert (reader.healthy, reader.failures) == (False, 1)


async def test_nothing_is_read_while_nobody_looks_or_the_pause_lasts(
    source: Source, reader: OverviewReader, clock: ManualClock
) -> None:
    await asyncio.sleep(0)
    assert source.readings == 0
    source.broken = True
    assert [await reader.newest() for _ in range(3)] == [None, None, None]
    assert source.readings == 1
    source.broken = False
    clock.advance(ExporterSettings().refresh_seconds)
    assert await reader.newest() is not None
