"""Housekeeping under wrong clocks: nothing is closed that a right clock would keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from processors.housekeeping import Housekeeping
from processors.metrics import ProcessorMetrics
from processors.retention_topic import RetentionTopic
from processors.settings import ProcessorSettings
from processors.sink import Sink
from tests.closing import write_retention_announced_in_time
from tests.conftest import MakeTopic
from tests.events import Sent, expected_sessions, message, sent
from tests.in_process import Processor
from tests.integration.test_flush import client, count, lifetime, processor, processor_settings, sessions

__all__ = ["client", "processor", "processor_settings"]

KeepHouse = Callable[[timedelta], Awaitable[ProcessorMetrics]]


@pytest.fixture
async def kafka_settings(
    processor_settings: ProcessorSettings, kafka_bootstrap: str, make_topic: MakeTopic
) -> ProcessorSettings:
    """Settings with topics of the test's own: no events, and a retention that was announced in time."""
    topics = {"kafka_bootstrap": kafka_bootstrap, "events_topic": await make_topic("events")}
    settings = processor_settings.model_copy(update=topics)
    await make_topic("events.retention", retention_ms="-1")
    await write_retention_announced_in_time(settings)
    return settings


@pytest.fixture
def keep_house(kafka_settings: ProcessorSettings, monkeypatch: pytest.MonkeyPatch) -> KeepHouse:
    """Runs the housekeeping of a processor whose clock is ahead by so much, until it has been done three times."""

    async def run(ahead: timedelta) -> ProcessorMetrics:
        settings = kafka_settings.model_copy(update={"retention_check_seconds": 0.01})
        metrics, done = ProcessorMetrics(), asyncio.Semaphore(0)
        set_gauge, loop = metrics.clocks_disagree.set, asyncio.get_running_loop()

        def noted(value: float) -> None:
            set_gauge(value)
            loop.call_soon_threadsafe(done.release)

        monkeypatch.setattr(metrics.clocks_disagree, "set", noted)
        house = Housekeeping(settings, Sink(settings), metrics, lambda: datetime.now(UTC) + ahead)
        running = asyncio.create_task(house.run())
        for _ in range(3):
            await done.acquire()
        house.stop()
        await running
        return metrics

    return run


def events_of_two_months() -> list[Sent]:
    return [sent(minutes_ago=60 * 24 * days + 1) for days in (0, 1, 10, 60)]


def disagree(metrics: ProcessorMetrics) -> float | None:
    return metrics.registry.get_sample_value("convergio_processor_clocks_disagree")


async def test_a_clock_that_is_400_days_ahead_closes_and_hides_nothing(
    processor: Processor,
    kafka_settings: ProcessorSettings,
    client: Client,
    keep_house: KeepHouse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    announced = await RetentionTopic(kafka_settings).read()
    old = events_of_two_months()
    await asyncio.to_thread(processor.flush, message(old, 1))
    metrics = await keep_house(timedelta(days=400))
    assert disagree(metrics) == 1
    assert "the clocks disagree, so no day is closed" in caplog.text
    assert await RetentionTopic(kafka_settings).read() == announced
    new = [sent(), sent()]
    await asyncio.to_thread(processor.flush, message(new, 2))
    assert sessions(client) == expected_sessions([*old, *new])
    assert lifetime(client) == (6, 0, 6)


async def test_clocks_that_agree_close_what_is_out_of_retention_and_log_the_readings(
    processor: Processor,
    processor_settings: ProcessorSettings,
    client: Client,
    keep_house: KeepHouse,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    kept, old = sent(), sent(minutes_ago=60 * 24 * (processor_settings.retention_days + 4))
    await asyncio.to_thread(processor.flush, message([kept, old], 1))
    assert disagree(await keep_house(timedelta(seconds=1))) == 0
    assert sessions(client) == expected_sessions([kept])
    assert count(client, "events_data") == 1
    (line,) = [record for record in caplog.records if record.getMessage() == "day closed"]
    assert line.__dict__["day"] == old.at.date().isoformat()
    assert "ClickHouse's" in line.__dict__["clocks"]
