"""The parts that ClickHouse holds, as a processor shows them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from infra.clickhouse.client import connect
from processors.housekeeping import Housekeeping
from processors.metrics import ProcessorMetrics
from processors.sink import Sink
from tests.events import message, sent
from tests.in_process import Processor
from tests.processors import Pipeline

SERIES = "convergio_processor_clickhouse_parts"
DAY_MINUTES = 24 * 60


async def test_of_each_table_the_partition_with_most_parts_is_shown(pipeline: Pipeline) -> None:
    metrics, processor = ProcessorMetrics(), Processor(pipeline.settings)
    house = Housekeeping(pipeline.settings, Sink(pipeline.settings), metrics, lambda: datetime.now(UTC))

    async def parts() -> dict[str, float]:
        await house._count_parts()
        return {
            sample.labels["table"]: sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == SERIES
        }

    with connect(pipeline.settings) as client:
        empty = await parts()
        assert empty["events_data"] == empty["sessions_data"] == 0
        client.command("SYSTEM STOP MERGES events_data")
        day = 3 * DAY_MINUTES
        for offset, minutes_ago in enumerate((day, day, day, 2 * day)):
            await asyncio.to_thread(processor.flush, message([sent(minutes_ago=minutes_ago)], offset))
        assert (await parts())["events_data"] == 3
        client.command("SYSTEM START MERGES events_data")
        client.command("OPTIMIZE TABLE events_data FINAL")
        assert (await parts())["events_data"] == 1
    processor.sink.close()
    house.stop()
