"""Plays schedules of `first_seconds` with real processors, several at the same time, and judges what is stored."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from infra.clickhouse.migrate import migrate
from infra.local.ports import free_ports
from processors.settings import ProcessorSettings
from tests.commands import COMMAND
from tests.faults.deliveries import Commits, DeliveryBroken, Ledger, until_everything_is_committed
from tests.faults.fetch_in_hand import CONVERGIO_WITH_INTERRUPTIONS, slow_rebalances
from tests.faults.first_seconds import (
    SESSION_TIMEOUT_SECONDS,
    Action,
    Beginning,
    Moment,
    Move,
    Program,
    Schedule,
)
from tests.faults.wire import Wire
from tests.processors import FAUST_WORKER, Pipeline
from tests.servers import ClickHouseAddress

_SETTLE_SECONDS = 60.0
_SAMPLE_SECONDS = 0.2
_TICK_SECONDS = 0.02
_REBALANCE_SECONDS = SESSION_TIMEOUT_SECONDS + 2.0
"""A move that waits for a rebalance does not wait for longer: there may be none."""
_METADATA_MAX_AGE = {"CONSUMER_METADATA_MAX_AGE_MS": "1000"}
"""A setting of Faust's own; it has no name among ours."""
_PROGRAMS: dict[Program, tuple[tuple[str, ...], dict[str, str]]] = {
    Program.CONVERGIO: ((*COMMAND, "process"), {}),
    Program.FAUST: (FAUST_WORKER, {}),
    Program.SLOW: ((*CONVERGIO_WITH_INTERRUPTIONS, "process"), slow_rebalances(0.4)),
}
_SIGNALS = {
    Action.LEAVE: signal.SIGTERM,
    Action.KILL: signal.SIGKILL,
    Action.PAUSE: signal.SIGSTOP,
}


@dataclass(frozen=True)
class Servers:
    """What all schedules of a run share."""

    bootstrap: str
    clickhouse: ClickHouseAddress
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, bootstrap: str, clickhouse: ClickHouseAddress) -> AsyncIterator[Servers]:
        # Idempotent: a batch that is sent again must not be appended twice.
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            await producer.start()
            await admin.start()
            yield cls(bootstrap, clickhouse, producer, admin)
        finally:
            await producer.stop()
            await admin.close()

    @contextlib.asynccontextmanager
    async def pipeline(self, schedule: Schedule, folder: Path) -> AsyncIterator[Pipeline]:
        """Topics, a group and a database of the schedule's own."""
        prefix = f"first-{uuid.uuid4().hex[:12]}-"
        partitions = schedule.partitions
        with self.clickhouse.own_database() as database:
            settings = ProcessorSettings(
                **self.clickhouse.settings(database),
                kafka_bootstrap=self.bootstrap,
                events_topic=f"{prefix}events",
                dead_letter_topic=f"{prefix}dlq",
                consumer_group=f"{prefix}group",
                partitions=partitions,
                session_timeout_seconds=SESSION_TIMEOUT_SECONDS,
                flush_seconds=schedule.flush_seconds,
            )
            await asyncio.to_thread(migrate, settings)
            topics = {settings.events_topic: partitions, settings.dead_letter_topic: 1}
            await self.admin.create_topics([NewTopic(topic, count, 1) for topic, count in topics.items()])
            try:
                yield Pipeline(settings, self.producer, self.clickhouse, folder / "processor.log")
            finally:
                await self.admin.delete_topics(list(topics))


@dataclass
class Player:
    """One schedule under way. Processors are killed when `opened` is closed."""

    schedule: Schedule
    servers: Servers
    pipeline: Pipeline
    clickhouse: Wire
    """Between ClickHouse and the processors."""
    opened: contextlib.AsyncExitStack
    trace: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    _told_to_end: set[int] = field(default_factory=set)
    _members: frozenset[str] = frozenset()
    _traffic_ends: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._partitions = self.schedule.partitions
        self._traffic: list[asyncio.Task[None]] = []
        self._ledger = Ledger(self.pipeline)
        self._commits = Commits.of(self.pipeline, self.servers.admin)

    async def run(self) -> None:
        """Plays it to the end. Raises `DeliveryBroken`, in a group."""
        schedule = self.schedule
        for partition in range(schedule.partitions):
            await self._ledger.send(partition, schedule.traffic[partition].before)
        moves = list(schedule.moves)
        if schedule.beginning is Beginning.PARTITIONS:
            # Something is committed, so nothing but what is added later is new.
            await self._start(moves.pop(0).processor)
            for partition in range(schedule.partitions):
                await self._ledger.send(partition)
            await until_everything_is_committed(self._ledger, self._commits, _SETTLE_SECONDS)
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            sampling = tasks.create_task(self._sample())
            outage = tasks.create_task(self._outage())
            for partition in range(schedule.partitions):
                self._traffic.append(tasks.create_task(self._send(partition)))
            pauses = []
            for move in moves:
                if move.after is Moment.REBALANCE:
                    await self._until_rebalanced()
                await asyncio.sleep(move.delay)
                await self._move(move)
                if move.action is Action.PAUSE:
                    pauses.append(tasks.create_task(self._resume(move)))
                for partition in range(len(self._traffic), self._partitions):
                    self._traffic.append(tasks.create_task(self._send(partition)))
            await asyncio.gather(outage, *pauses)
            self._traffic_ends.set()
            await asyncio.gather(*self._traffic)
            await self._settle(1 + max(move.processor for move in schedule.moves))
            self._tell("everything is committed")
            sampling.cancel()
        self._ledger.expect_everything_stored_once()

    async def _settle(self, number: int) -> None:
        """Nothing happens any more; everything must come to be committed."""
        running = self._running()
        # A leader that began before partitions were added does not know of them for some minutes, unless told to look.
        unknown = self._partitions > self.schedule.partitions and not self.schedule.refreshes_metadata
        if not running or unknown:
            await self._move(Move(Moment.PREVIOUS, 0.0, Action.JOIN, number))
        if unknown:
            for processor in running:
                await self._move(Move(Moment.PREVIOUS, 0.0, Action.LEAVE, processor))
        await until_everything_is_committed(self._ledger, self._commits, _SETTLE_SECONDS)

    def _running(self) -> list[int]:
        return [
            number
            for number, process in self._processes.items()
            if process.returncode is None and number not in self._told_to_end
        ]

    async def _until_rebalanced(self) -> None:
        """Waits until the group is stable with other members than when this was last called, or for a bounded time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REBALANCE_SECONDS):
                while True:
                    members = await self._commits.members()
                    if members is not None and members != self._members:
                        self._members = members
                        self._tell(f"rebalanced: {len(members)} members")
                        return
                    await asyncio.sleep(_SAMPLE_SECONDS / 2)

    async def _move(self, move: Move) -> None:
        if move.action is Action.JOIN:
            await self._start(move.processor)
        elif move.action is Action.ADD:
            await self._add_partitions(move.added)
        else:
            if move.action is not Action.PAUSE:
                self._told_to_end.add(move.processor)
            self._tell(f"processor-{move.processor} {move.action}")
            self._signal(move.processor, _SIGNALS[move.action])

    async def _outage(self) -> None:
        if self.schedule.clickhouse_seconds == 0.0:
            return
        async with self.clickhouse.refused():
            await asyncio.sleep(self.schedule.clickhouse_seconds)
        self._tell("ClickHouse can be reached")

    async def _resume(self, move: Move) -> None:
        await asyncio.sleep(move.pause_seconds)
        self._tell(f"processor-{move.processor} wakes up")
        self._signal(move.processor, signal.SIGCONT)

    def _signal(self, processor: int, number: signal.Signals) -> None:
        process = self._processes[processor]
        if process.returncode is None:
            process.send_signal(number)
        else:
            self._tell(f"processor-{processor} had already ended with exit code {process.returncode}")

    async def _start(self, number: int) -> None:
        self._tell(f"processor-{number} is started")
        folder = self.pipeline.log.parent
        own = {
            "processor_port": free_ports(1)[0],
            "clickhouse_port": self.clickhouse.port,
            "data_dir": str(folder / f"faust-{number}"),
        }
        settings = self.pipeline.settings.model_copy(update=own)
        pipeline = replace(self.pipeline, settings=settings, log=folder / f"processor-{number}.log")
        command, environment = _PROGRAMS[self.schedule.program]
        if self.schedule.refreshes_metadata:
            environment = environment | _METADATA_MAX_AGE
        process = await self.opened.enter_async_context(pipeline.processor(command, environment))
        self._processes[number] = process

    async def _add_partitions(self, count: int) -> None:
        topic, old = self.pipeline.settings.events_topic, self._partitions
        self._partitions = old + count
        self._tell(f"partitions {old} to {self._partitions - 1} are added")
        await self.servers.admin.create_partitions({topic: NewPartitions(self._partitions)})
        producer = self.servers.producer
        while len(await producer.partitions_for(topic)) < self._partitions:
            await producer.client.force_metadata_update()
        for partition in range(old, self._partitions):
            await self._ledger.send(partition, self.schedule.traffic[partition].before)

    async def _send(self, partition: int) -> None:
        """The traffic of one partition, until it is told to end."""
        traffic = self.schedule.traffic[partition]
        wait = traffic.begins
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._traffic_ends.wait(), wait)
                return
            await self._ledger.send(partition, math.ceil(traffic.rate * _TICK_SECONDS))
            wait = max(_TICK_SECONDS, 1 / traffic.rate)

    async def _sample(self) -> None:
        """Watches the commits, until it is cancelled."""
        before: dict[int, int] = {}
        while True:
            commits = await self._commits.read(self._partitions)
            if commits is not None and commits != before:
                before = commits
                self._tell(f"committed: {commits}")
                await asyncio.to_thread(self._ledger.expect_committed_are_stored, commits)
            await asyncio.sleep(_SAMPLE_SECONDS)

    def _tell(self, what: str) -> None:
        self.trace.append(f"{time.monotonic() - self._began:6.2f} s  {what}")


async def play(schedule: Schedule, servers: Servers, folder: Path) -> None:
    """Plays a schedule. Raises `DeliveryBroken` with the schedule, its trace, and where the logs are."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with (
        servers.pipeline(schedule, folder) as pipeline,
        Wire(free_ports(1)[0], servers.clickhouse.port) as clickhouse,
        contextlib.AsyncExitStack() as opened,
    ):
        player = Player(schedule, servers, pipeline, clickhouse, opened)
        try:
            await player.run()
        except* DeliveryBroken as broken:
            what = "; ".join(map(str, broken.exceptions))
            trace = "\n".join(player.trace)
            raise DeliveryBroken(f"{what}\n{schedule}\n{trace}\nlogs: {folder}") from None


@dataclass
class Outcome:
    """What was played."""

    schedules: int = 0
    beginnings: Counter[Beginning] = field(default_factory=Counter)
    actions: Counter[Action] = field(default_factory=Counter)

    def add(self, schedule: Schedule) -> None:
        self.schedules += 1
        self.beginnings[schedule.beginning] += 1
        self.actions.update(move.action for move in schedule.moves)

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name, count in (*self.beginnings.items(), *self.actions.items())]
        return f"{self.schedules} schedules: {', '.join(parts)}"


async def explore(seed: int, servers: Servers, folder: Path, *, together: int, seconds: float) -> Outcome:
    """Plays the schedules of `seed` and the numbers after it, `together` at a time; none begins after `seconds`.

    Raises `DeliveryBroken` for the first that fails, and gives the others up.
    """
    outcome, seeds, began = Outcome(), itertools.count(seed), time.monotonic()

    async def play_in_turn() -> None:
        while True:
            schedule = Schedule.draw(next(seeds))
            await play(schedule, servers, folder / f"seed-{schedule.seed}")
            outcome.add(schedule)
            if time.monotonic() - began > seconds:
                return

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(together):
                tasks.create_task(play_in_turn())
    except* DeliveryBroken as broken:
        raise broken.exceptions[0] from None
    return outcome
