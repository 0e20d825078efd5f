"""What can go wrong, by name: each is done to a rig and undone again, with its details drawn from a seeded source."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from random import Random

import clickhouse_connect
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from clickhouse_connect.driver.exceptions import ClickHouseError

from infra.kafka.topics import wanted_topics
from infra.local.process import ServiceProcess
from infra.local.stack import processor
from infra.settings import Settings
from processors.steps import Step
from schemas.envelope import headers, message_key, partition_for
from tests.faults.failpoints import Action
from tests.faults.rig import Rig, send
from tests.faults.wire import Wire
from tests.stacks import until

Injection = Callable[[Rig, Random], Awaitable[None]]
"""Returns when the fault is over, not when its consequences are. Raises `NothingHappened`."""


class NothingHappened(Exception):
    """No process ran into the fault in time."""


_REACHED_SECONDS = 20.0
"""How long a fail point stays armed when no process comes to it."""
_ERASURE_STEPS = (Step.ERASURE_READ, Step.ERASURE_SUMMED, Step.ERASURE_MARKED)
_FLUSH_STEPS = (
    *(Step.TAKEN, Step.USERS_READ, Step.FOLDED, Step.EVENTS_INSERTED),
    *(Step.SESSIONS_INSERTED, Step.SET_ASIDE, Step.ACKNOWLEDGED),
)
STEPS = (*_FLUSH_STEPS, *_ERASURE_STEPS, Step.ERASED_DELETED, Step.DAYS_SUMMED)


async def kill(service: str, rig: Rig, _: Random) -> None:
    """SIGKILL, whatever it is doing."""
    await rig.signal(service, signal.SIGKILL)


async def stop(service: str, rig: Rig, _: Random) -> None:
    """SIGTERM, as an orchestrator does; it is started again."""
    await rig.signal(service, signal.SIGTERM)


async def kill_broker(rig: Rig, rng: Random) -> None:
    """One of three, until it is back: leaders move."""
    async with rig.kafka_lock:
        broker = _broker(rig, rng)
        pid = await rig.signal(broker, signal.SIGKILL)
        await _until_replaced(rig, broker, pid)


async def stop_broker(rig: Rig, rng: Random) -> None:
    """A controlled shutdown: it hands its leaderships over first."""
    async with rig.kafka_lock:
        broker = _broker(rig, rng)
        pid = await rig.signal(broker, signal.SIGTERM)
        await _until_replaced(rig, broker, pid)


async def lose_majority(rig: Rig, rng: Random) -> None:
    """One broker dies while another is silent: nothing can be acknowledged."""
    async with rig.kafka_lock:
        silent, dying = rng.sample(rig.stack.config.kafka.names, 2)
        async with rig.paused(silent):
            pid = await rig.signal(dying, signal.SIGKILL)
            await asyncio.sleep(rng.uniform(1, 5))
        await _until_replaced(rig, dying, pid)


async def too_few_in_sync(rig: Rig, rng: Random) -> None:
    """The topic wants three in-sync replicas and has two: Kafka refuses every batch until the third is back."""
    async with rig.kafka_lock:
        await _set_in_sync(rig, 3)
        try:
            broker = _broker(rig, rng)
            pid = await rig.signal(broker, signal.SIGKILL)
            await _until_replaced(rig, broker, pid)
        finally:
            await _set_in_sync(rig, 2)


async def pause_broker(rig: Rig, rng: Random) -> None:
    """Silent, and then it answers all at once."""
    async with rig.kafka_lock, rig.paused(_broker(rig, rng)):
        await asyncio.sleep(rng.uniform(1, 10))


async def slow_broker(rig: Rig, rng: Random) -> None:
    """Gets a fifth of its time."""
    async with rig.kafka_lock:
        await _slow(rig, _broker(rig, rng), rng.uniform(2, 5))


async def pause_gateway(rig: Rig, rng: Random) -> None:
    """Requests hang, and are then answered all at once."""
    async with rig.paused(f"ingest-{rng.randrange(2)}"):
        await asyncio.sleep(rng.uniform(0.5, 6))


async def pause_clickhouse(rig: Rig, rng: Random) -> None:
    """Up to 12 s, more than many time limits."""
    async with rig.paused("clickhouse"):
        await asyncio.sleep(rng.uniform(1, 12))


async def slow_clickhouse(rig: Rig, rng: Random) -> None:
    """Gets a fifth of its time."""
    await _slow(rig, "clickhouse", rng.uniform(2, 6))


async def sleeper(rig: Rig, rng: Random) -> None:
    """A processor sleeps past its session timeout; it wakes up when others have done its work."""
    async with rig.paused(_processor(rng)):
        await rig.until_caught_up()


async def sleeper_in_a_flush(rig: Rig, rng: Random) -> None:
    """The same, put to sleep at a step of its flush."""
    await _sleep_at(rig, rng.choice(_FLUSH_STEPS))


async def sleeper_in_an_erasure(rig: Rig, rng: Random) -> None:
    """The same, in the middle of an erasure."""
    await _sleep_at(rig, rng.choice(_ERASURE_STEPS))


async def sleeper_with_an_insert_in_flight(rig: Rig, rng: Random) -> None:
    """An insert stays on its way until all of it has been done by another, and then arrives."""
    async with rig.clickhouse.held(b"INSERT", rng.choice((b"events_data", b"sessions_data"))) as caught:
        try:
            await asyncio.wait_for(caught.wait(), _REACHED_SECONDS)
        except TimeoutError:
            raise NothingHappened from None
        await asyncio.sleep(rng.uniform(1, 10))


async def die_at(step: Step, rig: Rig, rng: Random) -> None:
    """Dies at the step, and perhaps once more when it comes there again."""
    times = rng.choice((1, 1, 2))
    before = len(rig.points.spent)
    rig.points.arm(step, Action.KILL, times)
    try:
        await until(lambda: len(rig.points.spent) >= before + times, seconds=_REACHED_SECONDS)
    except TimeoutError:
        if not any(point.step is step for point in rig.points.spent[before:]):
            raise NothingHappened from None


async def refuse_clickhouse(rig: Rig, rng: Random) -> None:
    """Connections break and none can be made."""
    async with rig.clickhouse.refused():
        await asyncio.sleep(rng.uniform(0.5, 5))


async def lose_clickhouse_answers(rig: Rig, rng: Random) -> None:
    """It did insert, and nobody learns of it."""
    await _wear_off(rig.clickhouse, lambda wire: wire.lose_answers(rng.randint(1, 12)))


async def cut_clickhouse_answers(rig: Rig, rng: Random) -> None:
    """Half an answer, and the connection closes as if that were all."""
    await _wear_off(rig.clickhouse, lambda wire: wire.cut_answers(rng.randint(1, 12)))


async def cut_clickhouse_requests(rig: Rig, rng: Random) -> None:
    """Half an insert."""
    await _wear_off(rig.clickhouse, lambda wire: wire.cut_requests(rng.randint(1, 12)))


async def delay_clickhouse(rig: Rig, rng: Random) -> None:
    """Every answer takes 10 s."""
    with rig.clickhouse.delayed(10.0):
        await asyncio.sleep(rng.uniform(2, 10))


async def too_many_parts(rig: Rig, rng: Random) -> None:
    """The engine's own refusal of an insert."""
    await _with_table_setting(rig, rng, "parts_to_throw_insert = 1")


async def no_space(rig: Rig, rng: Random) -> None:
    """The engine's own refusal when the disk is almost full."""
    await _with_table_setting(rig, rng, "min_free_disk_bytes_to_perform_insert = 1e18")


async def lose_gateway_answers(rig: Rig, rng: Random) -> None:
    """The 202 never arrives; the client sends the batch again."""
    await _wear_off(rng.choice(rig.gateways), lambda wire: wire.lose_answers(rng.randint(1, 20)))


async def cut_gateway_requests(rig: Rig, rng: Random) -> None:
    """The connection breaks in the middle of a request."""
    await _wear_off(rng.choice(rig.gateways), lambda wire: wire.cut_requests(rng.randint(1, 20)))


async def refuse_gateway(rig: Rig, rng: Random) -> None:
    """Clients cannot reach one of the gateways."""
    async with rng.choice(rig.gateways).refused():
        await asyncio.sleep(rng.uniform(0.5, 4))


async def join_and_leave(rig: Rig, rng: Random) -> None:
    """One more processor comes, works, and goes: two rebalances."""
    service = replace(processor(rig.stack.config, 3), name=f"guest-{rng.getrandbits(32):08x}")
    process = await ServiceProcess.start(service, rig.stack.config.data_dir)
    try:
        assert service.ready is not None
        await until(service.ready, seconds=60)
        await asyncio.sleep(rng.uniform(0, 3))
    finally:
        if rng.random() < 0.5:
            await process.stop(20.0)
        else:
            send(process.pid, signal.SIGKILL)
            await process.wait()


async def poison(rig: Rig, rng: Random) -> None:
    """A message that nobody can process, in some user's partition."""
    values = (b"{poison", b"\xff\xfe\x00", b"", b'{"event_id":"not an id"}\n', b"[" * 5000)
    user = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    producer = AIOKafkaProducer(
        bootstrap_servers=rig.stack.config.kafka.bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=30_000,
    )
    async with rig.kafka_lock, producer:
        await producer.send_and_wait(
            *("convergio.events", rng.choice(values), message_key(user)),
            partition_for(user, Settings().partitions),
            headers=headers(rng.choice(("events", "erasure"))),
        )
    rig.poison += 1


async def _sleep_at(rig: Rig, step: Step) -> None:
    before = len(rig.points.spent)
    rig.points.arm(step, Action.SLEEP)
    try:
        await until(lambda: len(rig.points.spent) > before, seconds=_REACHED_SECONDS)
    except TimeoutError:
        raise NothingHappened from None
    else:
        await rig.until_caught_up()
    finally:
        for point in rig.points.spent[before:]:
            if point.action is Action.SLEEP:
                send(point.pid, signal.SIGCONT)


async def _slow(rig: Rig, service: str, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                async with rig.paused(service):
                    await asyncio.sleep(0.2)
                await asyncio.sleep(0.05)


async def _wear_off(wire: Wire, begin: Callable[[Wire], None]) -> None:
    begin(wire)
    wanted = wire.faults_left
    try:
        await until(lambda: wire.faults_left == 0, seconds=_REACHED_SECONDS)
    except TimeoutError:
        if wire.faults_left == wanted:
            raise NothingHappened from None
    finally:
        wire.forget()


async def _with_table_setting(rig: Rig, rng: Random, setting: str) -> None:
    table = rng.choice(("events_data", "sessions_data"))

    def command(text: str) -> None:
        with clickhouse_connect.get_client(
            host="127.0.0.1", port=rig.stack.config.clickhouse_port, database="convergio"
        ) as client:
            client.command(text)

    async def done(text: str) -> bool:
        try:
            await asyncio.to_thread(command, text)
        except ClickHouseError:  # it is away at the moment
            return False
        return True

    await until(lambda: done(f"ALTER TABLE {table} MODIFY SETTING {setting}"))
    try:
        await asyncio.sleep(rng.uniform(1, 5))
    finally:
        await until(lambda: done(f"ALTER TABLE {table} RESET SETTING {setting.split()[0]}"))


async def _set_in_sync(rig: Rig, replicas: int) -> None:
    settings = Settings(kafka_bootstrap=rig.stack.config.kafka.bootstrap, replication_factor=3)
    topic = wanted_topics(settings)[0]
    configs = {**topic.topic_configs, "min.insync.replicas": str(replicas)}
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs)])
    finally:
        await admin.close()


async def _until_replaced(rig: Rig, service: str, pid: int) -> None:
    async def replaced() -> bool:
        return await rig.pid(service) != pid and await rig.stack.config.kafka.is_ready()

    await until(replaced)


def _broker(rig: Rig, rng: Random) -> str:
    return rng.choice(rig.stack.config.kafka.names)


def _processor(rng: Random) -> str:
    return f"processor-{rng.randrange(3)}"


_SERVICES = ("processor-0", "processor-1", "processor-2", "ingest-0", "ingest-1", "exporter", "audit", "clickhouse")

INJECTIONS: dict[str, Injection] = {
    **{f"kill {service}": partial(kill, service) for service in _SERVICES},
    **{f"stop {service}": partial(stop, service) for service in _SERVICES},
    **{f"die at {step}": partial(die_at, step) for step in STEPS},
    "kill a broker": kill_broker,
    "stop a broker": stop_broker,
    "kill a broker, pause another": lose_majority,
    "too few in-sync replicas": too_few_in_sync,
    "pause a broker": pause_broker,
    "slow broker": slow_broker,
    "pause a gateway": pause_gateway,
    "pause ClickHouse": pause_clickhouse,
    "slow ClickHouse": slow_clickhouse,
    "sleeper": sleeper,
    "sleeper in a flush": sleeper_in_a_flush,
    "sleeper in an erasure": sleeper_in_an_erasure,
    "insert in flight": sleeper_with_an_insert_in_flight,
    "ClickHouse refuses connections": refuse_clickhouse,
    "ClickHouse's answers are lost": lose_clickhouse_answers,
    "ClickHouse's answers are cut": cut_clickhouse_answers,
    "requests to ClickHouse are cut": cut_clickhouse_requests,
    "ClickHouse answers after 10 s": delay_clickhouse,
    "too many parts": too_many_parts,
    "no space": no_space,
    "a gateway's answers are lost": lose_gateway_answers,
    "requests to a gateway are cut": cut_gateway_requests,
    "a gateway refuses connections": refuse_gateway,
    "a processor joins and leaves": join_and_leave,
    "poison": poison,
}
"""Every fault by its name."""
