"""Kafka paused, killed and brought back beneath a gateway: nothing that was answered 202 is missing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.local.kafka import LocalKafka
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from tests.gateway import Gateway, batch, create_topic, event, running_gateway, settings, until, until_ready
from tests.suspension import suspend

MIB = 1024 * 1024


class Broker:
    """A Kafka of one test's own, that may be hurt."""

    def __init__(self, kafka: LocalKafka, command: list[str], log: Path) -> None:
        self.kafka = kafka
        self._command = command
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=output, stderr=output, preexec_fn=die_with_parent()
            )
        await until(self.kafka.is_ready, 120)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def suspend(self) -> None:
        assert self._process is not None
        suspend(self._process.pid)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    folder = tmp_path_factory.mktemp("own-kafka")
    port, controller_port = free_ports(2)
    kafka = LocalKafka(folder, port, controller_port=controller_port)
    (command,) = (await asyncio.to_thread(kafka.commands)).values()
    broker = Broker(kafka, command, folder / "log")
    try:
        await broker.start()
        yield broker
    finally:
        await broker.kill()


async def stored_ids(gateway: Gateway) -> set[object]:
    return {row["event_id"] for message in await gateway.messages() for row in message.rows}


async def test_a_paused_kafka_is_a_503_and_after_it_wakes_nothing_acknowledged_is_missing(broker: Broker) -> None:
    topic = await create_topic(broker.kafka.bootstrap)
    async with running_gateway(settings(broker.kafka.bootstrap, topic, ack_timeout_seconds=1)) as gateway:
        acknowledged: set[object] = set()
        statuses: set[int] = set()
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                made = event()
                answer = await gateway.post(batch(made))
                statuses.add(answer.status)
                if answer.status == 202:
                    acknowledged.add(made["eventId"])
                else:
                    assert int(answer.headers["Retry-After"]) > 0
                    await asyncio.sleep(0.05)

        async def has_refused() -> bool:
            return 503 in statuses

        loads = [asyncio.create_task(load()) for _ in range(4)]
        broker.suspend()
        try:
            await until(has_refused)
            await until_ready(gateway, 503)
        finally:
            broker.signal(signal.SIGCONT)
        await until_ready(gateway)
        before = len(acknowledged)

        async def accepts_again() -> bool:
            return len(acknowledged) > before + 20

        await until(accepts_again, 60)
        stop.set()
        await asyncio.gather(*loads)
        assert statuses == {202, 503}
        assert acknowledged <= await stored_ids(gateway)


async def test_bytes_stay_held_until_kafka_answers_so_a_dead_kafka_cannot_fill_the_memory(broker: Broker) -> None:
    topic = await create_topic(broker.kafka.bootstrap)
    limit = 8 * MIB
    small = settings(broker.kafka.bootstrap, topic, ack_timeout_seconds=0.5, max_inflight_bytes=limit)
    async with running_gateway(small) as gateway:
        large = [event(metadata={f"key-{n}": "x" * 250 for n in range(16)}) for _ in range(180)]
        details: list[str] = []

        async def held() -> float:
            lines = (await gateway.request("GET", "/metrics")).body.decode().splitlines()
            return float(next(line for line in lines if line.startswith("convergio_gateway_inflight_bytes")).split()[1])

        async def post() -> None:
            answer = await gateway.post(batch(*large))
            details.append(answer.json.get("title", "accepted"))
            assert answer.status in (202, 503)

        broker.suspend()
        try:
            for _ in range(3):
                await asyncio.gather(*[post() for _ in range(12)])
                assert await held() <= limit
            assert "Too much is waiting for Kafka" in details
            assert await held() > 0
        finally:
            broker.signal(signal.SIGCONT)

        async def is_released() -> bool:
            return await held() == 0

        await until(is_released, 60)

        async def accepts() -> bool:
            return (await gateway.post(batch())).status == 202

        await until(accepts, 60)


async def test_a_killed_kafka_comes_back_and_nothing_acknowledged_is_missing(broker: Broker) -> None:
    topic = await create_topic(broker.kafka.bootstrap)
    async with running_gateway(settings(broker.kafka.bootstrap, topic, ack_timeout_seconds=1)) as gateway:
        acknowledged: set[object] = set()
        refused = asyncio.Event()
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                made = event()
                answer = await gateway.post(batch(made))
                if answer.status == 202:
                    acknowledged.add(made["eventId"])
                else:
                    refused.set()
                    await asyncio.sleep(0.05)

        loads = [asyncio.create_task(load()) for _ in range(4)]

        async def has_accepted() -> bool:
            return len(acknowledged) > 50

        await until(has_accepted)
        await broker.kill()
        await asyncio.wait_for(refused.wait(), 30)
        await broker.start()
        before = len(acknowledged)

        async def accepts_again() -> bool:
            return len(acknowledged) > before + 20

        await until(accepts_again, 60)
        stop.set()
        await asyncio.gather(*loads)
        assert acknowledged <= await stored_ids(gateway)


async def test_a_producer_that_kafka_will_not_hear_any_more_is_replaced(broker: Broker) -> None:
    """A batch that fails for good leaves a gap in the sequence numbers; what follows it would be refused for ever."""
    topic = await create_topic(broker.kafka.bootstrap, partitions=1)
    async with running_gateway(settings(broker.kafka.bootstrap, topic)) as gateway:
        assert (await gateway.post(batch())).status == 202
        await limit_messages(broker.kafka.bootstrap, topic, 100)

        async def is_refused() -> bool:
            return (await gateway.post(batch())).status == 503

        await until(is_refused)
        await limit_messages(broker.kafka.bootstrap, topic, MIB)
        acknowledged = 0

        async def accepts() -> bool:
            nonlocal acknowledged
            acknowledged += (await gateway.post(batch())).status == 202
            return acknowledged > 10

        await until(accepts, 60)
        metrics = (await gateway.request("GET", "/metrics")).body.decode()
        assert "convergio_gateway_producer_replacements_total 0.0" not in metrics


async def limit_messages(bootstrap: str, topic: str, size: int) -> None:
    """Sets the topic's `max.message.bytes`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        change = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})
        await admin.alter_configs([change])
    finally:
        await admin.close()
