"""The background reading: one at a time, and the last good value through failures."""

from __future__ import annotations

import asyncio

import pytest

from exporter.queries import ReadError
from exporter.snapshot import Reading, Refresher


class Source:
    """A value to read; each reading waits until it is let go, and moves the clock by `seconds`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.seconds = 0.0
        self.readings = 0
        self.broken = False
        self.fault: BaseException | None = None
        self.unshowable = False
        self.go = asyncio.Event()
        self.go.set()
        self.changes = 0

    async def read(self, at: float) -> str:
        self.readings += 1
        await self.go.wait()
        self.now += self.seconds
        if self.broken:
            raise ReadError("away")
        if self.fault is not None:
            raise self.fault
        return f"read at {at:g}"

    async def changed(self) -> None:
        self.changes += 1
        if self.unshowable:
            raise ValueError("not a number")

    def refresher(self, pause: float = 2, share: float = 1, stale: float = 30) -> Refresher[str]:
        return Refresher("test", self.read, self.changed, clock=lambda: self.now, pause=pause, share=share, stale=stale)


async def test_readers_that_come_during_a_reading_share_it() -> None:
    source = Source()
    refresher = source.refresher()
    source.go.clear()
    waiting = [asyncio.create_task(refresher.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    source.go.set()
    await asyncio.gather(*waiting)
    assert source.readings == 1
    assert source.changes == 1


async def test_a_reading_knows_when_it_began_and_how_long_it_took() -> None:
    source = Source()
    source.seconds = 0.5
    refresher = source.refresher()
    await refresher.refresh()
    assert refresher.reading == Reading("read at 1000", 1000.0, 0.5)
    assert refresher.healthy


async def test_a_failure_keeps_the_last_value_and_shows() -> None:
    source = Source()
    refresher = source.refresher()
    await refresher.refresh()
    source.broken = True
    source.now += 60
    await refresher.refresh()
    assert (refresher.healthy, refresher.failures) == (False, 1)
    assert refresher.reading == Reading("read at 1000", 1000.0, 0.0)
    assert refresher.age(source.now) == 60
    source.broken = False
    await refresher.refresh()
    assert (refresher.healthy, refresher.failures) == (True, 1)
    assert refresher.age(source.now) == 0


async def test_before_the_first_reading_the_value_is_infinitely_old() -> None:
    assert Source().refresher().age(1000) == float("inf")


def test_before_the_first_reading_the_pause_is_the_shortest() -> None:
    assert Source().refresher(pause=2, share=0.1).pause() == 2


async def test_slow_readings_are_rarer_so_that_they_take_no_more_than_their_share() -> None:
    source = Source()
    refresher = source.refresher(pause=2, share=0.1, stale=3600)
    for seconds, pause in [(0.1, 2.0), (8.0, 2.0), (8.0, 72.0)]:
        source.seconds = seconds
        await refresher.refresh()
        assert refresher.pause() == pytest.approx(pause)


async def test_one_slow_reading_among_fast_ones_earns_no_pause() -> None:
    source = Source()
    refresher = source.refresher(pause=2, share=0.1, stale=3600)
    for seconds in (0.1, 10.0, 0.1):
        source.seconds = seconds
        await refresher.refresh()
        assert refresher.pause() == 2


@pytest.mark.parametrize("seconds", [0.5, 3.0, 6.0, 9.0])
async def test_the_next_reading_of_the_same_length_arrives_well_before_the_value_is_stale(seconds: float) -> None:
    source = Source()
    source.seconds = seconds
    refresher = source.refresher(pause=2, share=0.1, stale=30)
    for _ in range(3):
        await refresher.refresh()
        source.now += refresher.pause()
        assert refresher.age(source.now + seconds) <= 30 * 3 / 4


async def test_a_reading_that_failed_is_tried_again_without_the_pause_that_slow_ones_earn() -> None:
    source = Source()
    source.seconds = 6
    refresher = source.refresher(pause=2, share=0.1, stale=30)
    for _ in range(2):
        await refresher.refresh()
    source.now += refresher.pause()
    source.broken = True
    source.seconds = 0
    await refresher.refresh()
    assert refresher.pause() == 2


async def test_a_value_is_as_old_as_its_reading_however_long_that_took() -> None:
    source = Source()
    source.seconds = 10
    refresher = source.refresher(pause=2, share=0.1, stale=30)
    await refresher.refresh()
    assert refresher.age(source.now) == 10
    assert refresher.age(source.now + 90) == 100


@pytest.mark.parametrize("fault", [TypeError("a column is missing"), MemoryError(), asyncio.CancelledError()])
async def test_a_reading_that_dies_of_anything_is_a_failed_one_and_the_next_one_begins_anew(
    fault: BaseException,
) -> None:
    source = Source()
    refresher = source.refresher()
    await refresher.refresh()
    source.fault = fault
    await refresher.refresh()
    assert (refresher.healthy, refresher.failures, source.changes) == (False, 1, 2)
    assert refresher.reading == Reading("read at 1000", 1000.0, 0.0)
    reason = refresher.unhealthy_reason()
    assert reason is not None
    assert type(fault).__name__ in reason
    assert "column" not in reason, "the text of an unexpected error may quote anything"
    source.fault = None
    await refresher.refresh()
    assert (refresher.healthy, refresher.failures) == (True, 1)
    assert refresher.unhealthy_reason() is None


async def test_while_clickhouse_is_away_a_restart_would_not_help() -> None:
    source = Source()
    refresher = source.refresher()
    source.broken = True
    await refresher.refresh()
    assert not refresher.healthy
    assert refresher.unhealthy_reason() is None


async def test_a_value_that_cannot_be_shown_is_a_failure() -> None:
    source = Source()
    source.unshowable = True
    refresher = source.refresher()
    await refresher.refresh()
    assert (refresher.healthy, refresher.failures) == (False, 1)
    assert "ValueError" in (refresher.unhealthy_reason() or "")


@pytest.mark.parametrize("fault", [TypeError(), asyncio.CancelledError()])
async def test_refreshing_goes_on_after_a_reading_that_died(fault: BaseException) -> None:
    source = Source()
    refresher = source.refresher(pause=0)
    source.fault = fault
    running = asyncio.create_task(refresher.run())
    while refresher.reading is None:
        await asyncio.sleep(0)
        if source.readings == 3:
            source.fault = None
    assert refresher.failures == 3
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await refresher.close()


async def test_a_reading_that_never_ends_is_noticed() -> None:
    source = Source()
    refresher = source.refresher(stale=30)
    assert refresher.unhealthy_reason() is None, "it has not had the time yet"
    source.go.clear()
    stuck = asyncio.create_task(refresher.refresh())
    await asyncio.sleep(0)
    source.now += 90
    assert refresher.unhealthy_reason() is None
    source.now += 1
    assert "no reading has ended for 91 s" in (refresher.unhealthy_reason() or "")
    source.go.set()
    await stuck
    assert refresher.unhealthy_reason() is None


async def test_a_reading_is_due_first_and_then_once_the_pause_since_the_last_is_over() -> None:
    source = Source()
    refresher = source.refresher(pause=2)
    assert refresher.is_due()
    await refresher.refresh()
    assert not refresher.is_due()
    source.now += 1.9
    assert not refresher.is_due()
    source.now += 0.1
    assert refresher.is_due()


async def test_slow_failures_make_the_next_reading_due_no_sooner_than_their_share_allows() -> None:
    source = Source()
    source.broken = True
    source.seconds = 10
    refresher = source.refresher(pause=2, share=0.1, stale=float("inf"))
    for pause in (2, 90, 90):
        await refresher.refresh()
        source.now += pause - 0.1
        assert not refresher.is_due()
        source.now += 0.1
        assert refresher.is_due()
