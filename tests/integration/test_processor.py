"""A processor as its own process, as production starts it: plain `faust -A processors worker`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.clickhouse.migrate import migrate
from infra.local.clickhouse import LocalClickHouse
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from processors.envelopes import Message
from processors.offsets import OffsetReader
from processors.settings import ProcessorSettings
from schemas.topics import dead_letter_source
from tests.conftest import MakeTopic
from tests.events import erasure, message, sent
from tests.servers import ClickHouseAddress, running

DEADLINE_SECONDS = 60.0


@dataclass
class Pipeline:
    """Topics and a database of this test's own, and what stands in them."""

    settings: ProcessorSettings
    producer: AIOKafkaProducer
    clickhouse: ClickHouseAddress
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        given = self.settings.model_dump(exclude_defaults=True, exclude={"clickhouse_password"}, mode="json")
        variables = {f"CONVERGIO_{name.upper()}": str(value) for name, value in given.items()}
        return {**os.environ, **variables, "CONVERGIO_CLICKHOUSE_PASSWORD": self.clickhouse.password}

    @asynccontextmanager
    async def processor(self) -> AsyncIterator[asyncio.subprocess.Process]:
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "faust", "-A", "processors", "worker", "--loglevel", "info"),
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def send(self, sent: Message) -> None:
        await self.producer.send_and_wait(
            self.settings.events_topic,
            sent.value,
            key=sent.key,
            partition=sent.partition,
            headers=sent.headers,
        )

    def stored(self) -> int:
        options = self.clickhouse.client_options
        with clickhouse_connect.get_client(**options, database=self.settings.clickhouse_database) as client:
            return int(client.query("SELECT count() FROM events").result_rows[0][0])

    async def lag(self) -> int:
        reader = OffsetReader(self.settings)
        try:
            return sum(progress.lag for progress in (await reader.read([0, 1])).values())
        finally:
            await reader.close()

    async def hindrance(self) -> str:
        """Why the processor is not ready; empty if it is."""

        def ask() -> str:
            try:
                urlopen(f"http://127.0.0.1:{self.settings.processor_port}/readyz", timeout=5).close()
            except HTTPError as unready:
                return unready.read().decode()
            return ""

        return await asyncio.to_thread(ask)

    async def metric(self, name: str) -> float:
        url = f"http://127.0.0.1:{self.settings.processor_port}/metrics"
        text = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read().decode())
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.fixture
async def pipeline(
    kafka_bootstrap: str,
    clickhouse: ClickHouseAddress,
    database: str,
    make_topic: MakeTopic,
    topic_prefix: str,
    tmp_path: Path,
) -> AsyncIterator[Pipeline]:
    settings = ProcessorSettings(
        kafka_bootstrap=kafka_bootstrap,
        events_topic=await make_topic("events", partitions=2),
        dead_letter_topic=await make_topic("dlq"),
        consumer_group=f"{topic_prefix}group",
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.username,
        clickhouse_database=database,
        processor_port=free_ports(1)[0],
        data_dir=str(tmp_path / "faust"),
        session_timeout_seconds=6.0,
        partitions=2,
    )
    settings.clickhouse_password = type(settings.clickhouse_password)(clickhouse.password)
    await asyncio.to_thread(migrate, settings)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    yield Pipeline(settings, producer, clickhouse, tmp_path / "processor.log")
    await producer.stop()


async def until(condition: Callable[[], Awaitable[bool]], log: Path) -> None:
    """Waits until a condition holds; fails with the end of the processor's log."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await condition():  # noqa: ASYNC110 - the event is another process's
                await asyncio.sleep(0.1)
    except TimeoutError:
        said = await asyncio.to_thread(log.read_text)
        pytest.fail(f"it never came true; the processor said:\n{said[-4000:]}")


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
    assert dead_letter_source(list(letter.headers)) == (pipeline.settings.events_topic, 0, 0)
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
    async with pipeline.processor():

        async def done() -> bool:
            return await pipeline.lag() == 0

        await until(done, pipeline.log)
    assert pipeline.stored() == 1


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

            async def done() -> bool:
                return await pipeline.lag() == 0

            await until(done, pipeline.log)
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

        async def hindered() -> bool:
            try:
                return "a flush is tried again" in await pipeline.hindrance()
            except OSError:
                return False

        await until(hindered, pipeline.log)
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await pipeline.lag() == 20
        async with running(own, tmp_path / "second"):

            async def done() -> bool:
                return await pipeline.lag() == 0

            await until(done, pipeline.log)
            assert await asyncio.to_thread(pipeline.stored) == 20
            assert await answers_ok(pipeline.settings.processor_port, "/readyz")()
