"""A processor as its own process, as production starts it: plain `faust -A processors worker`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.clickhouse.migrate import migrate
from infra.local.clickhouse import LocalClickHouse
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from processors.envelopes import Message
from schemas.topics import source_of
from tests.events import erasure, message, sent
from tests.processors import DEADLINE_SECONDS, Pipeline, until
from tests.servers import ClickHouseAddress, running


async def test_what_is_in_the_topic_is_stored_committed_and_reported(pipeline: Pipeline) -> None:
    for offset in range(50):
        await pipeline.send(message([sent(), sent(minutes_ago=3)], offset, partition=offset % 2))
    async with pipeline.processor() as process:

        async def done() -> bool:
            return await asyncio.to_thread(pipeline.stored) == 100 and await pipeline.lag() == 0

        await until(done, pipeline.log)
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await answers_ok(pipeline.settings.processor_port, "/readyz")()
        assert await pipeline.metric('convergio_processor_events_total{outcome="stored"}') == 100
        assert await pipeline.metric("convergio_processor_messages_total") == 50
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0


async def test_sigterm_stores_and_commits_what_was_read(pipeline: Pipeline) -> None:
    pipeline.settings.flush_seconds = 3600.0
    async with pipeline.processor() as process:
        await pipeline.send(message([sent()], 0))

        async def read() -> bool:
            try:
                return await pipeline.metric("convergio_processor_inbox_bytes") > 0
            except OSError:
                return False

        await until(read, pipeline.log)
        assert pipeline.stored() == 0
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_SECONDS) == 0
    assert pipeline.stored() == 1
    assert await pipeline.lag() == 0


async def test_poison_goes_to_the_dead_letter_topic_and_does_not_stop_its_partition(pipeline: Pipeline) -> None:
    await pipeline.send(Message(0, 0, b"some-key", b"not an envelope", [("v", b"1"), ("kind", b"events")]))
    await pipeline.send(message([sent()], 1))
    async with pipeline.processor():

        async def done() -> bool:
            return await asyncio.to_thread(pipeline.stored) == 1 and await pipeline.lag() == 0

        await until(done, pipeline.log)
    place = TopicPartition(pipeline.settings.dead_letter_topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=pipeline.settings.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([place])
    letter = await asyncio.wait_for(consumer.getone(), DEADLINE_SECONDS)
    await consumer.stop()
    assert letter.value == b"not an envelope"
    assert source_of(list(letter.headers))[:3] == (pipeline.settings.events_topic, 0, 0)
    assert b"cannot be decoded" in dict(letter.headers)["reason"]


async def test_a_topic_full_of_poison_halts_the_processor_and_is_not_drained(pipeline: Pipeline) -> None:
    for offset in range(60):
        await pipeline.send(Message(0, offset, None, b"?", []))
    async with pipeline.processor():

        async def halted() -> bool:
            return "halted" in await asyncio.to_thread(pipeline.log.read_text)

        await until(halted, pipeline.log)
        assert not await answers_ok(pipeline.settings.processor_port, "/readyz")()
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await pipeline.lag() == 60


async def test_an_erasure_through_kafka_leaves_nothing_of_the_user(pipeline: Pipeline) -> None:
    event = sent()
    await pipeline.send(message([event], 0))
    await pipeline.send(erasure(event.user, 1))
    await pipeline.send(message([sent()], 2))
    pipeline.settings.erasure_sweep_seconds = 0.5
    async with pipeline.processor():
        await pipeline.until_committed()
        assert pipeline.stored() == 1

        async def nothing_is_left() -> bool:
            tables = ("events_data", "sessions_data", "recent_sessions_data")
            rows = [await asyncio.to_thread(pipeline.rows, f"SELECT count() FROM {table}") for table in tables]
            return rows == [[(1,)]] * 3

        await until(nothing_is_left, pipeline.log)


async def test_a_flood_of_erasures_holds_no_flush_up_for_long(pipeline: Pipeline) -> None:
    """Each takes a few statements, and no delete: those are done for all at once, later and beside the flushes."""
    gone = [sent() for _ in range(150)]
    for offset, event in enumerate(gone):
        await pipeline.send(message([event], 2 * offset))
        await pipeline.send(erasure(event.user, 2 * offset + 1))
    await pipeline.send(message([sent()], 2 * len(gone)))
    pipeline.settings.heartbeat_seconds = 4.0
    async with pipeline.processor() as process:
        await pipeline.until_committed()
        assert pipeline.stored() == 1
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert process.returncode is None
        assert await pipeline.metric("convergio_processor_erasures_total") == len(gone)
    (sums,) = pipeline.rows("SELECT sessions, events FROM lifetime")
    assert sums == (len(gone) + 1, len(gone) + 1)


async def test_killed_at_any_moment_it_stores_everything_once(pipeline: Pipeline) -> None:
    total = 0
    for round_ in range(4):
        for offset in range(200):
            await pipeline.send(message([sent() for _ in range(20)], offset, partition=offset % 2))
        total += 4000
        async with pipeline.processor() as process:

            async def some(threshold: int = total - 4000) -> bool:
                return await asyncio.to_thread(pipeline.stored) > threshold

            await until(some, pipeline.log)
            if round_ < 3:
                process.kill()
                continue
            await pipeline.until_committed()
    assert pipeline.stored() == total


async def test_while_clickhouse_is_away_it_says_so_and_afterwards_stores_everything(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    engine = LocalClickHouse(tmp_path / "own-clickhouse", port)
    own = Service("clickhouse", engine.command(), ready=answers_ok(port, "/ping"))
    pipeline.settings.clickhouse_host, pipeline.settings.clickhouse_port = "127.0.0.1", port
    pipeline.clickhouse = ClickHouseAddress("127.0.0.1", port)
    async with running(own, tmp_path / "first"):
        await asyncio.to_thread(migrate, pipeline.settings)
    async with pipeline.processor():
        for offset in range(20):
            await pipeline.send(message([sent()], offset))

        await pipeline.until_trouble("readyz", "a flush is tried again")
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await pipeline.lag() == 20
        async with running(own, tmp_path / "second"):
            await pipeline.until_committed()
            assert await asyncio.to_thread(pipeline.stored) == 20
            assert await answers_ok(pipeline.settings.processor_port, "/readyz")()
