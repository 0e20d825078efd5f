"""Kafka, the ClickHouse engine and one processor, each a process of its own on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.processor.timing import NotMeasured, Rate, Watch, measure
from benchmarks.processor.topic import fill
from benchmarks.processor.traffic import Message
from infra.clickhouse.client import connect
from infra.errors import Failure, WrongUse
from infra.local.clickhouse import LocalClickHouse
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports
from infra.local.probes import answers_ok
from infra.local.process import last_log_line, pid_file
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor
from infra.settings import Settings, variable

PARTITIONS = 4
SESSION_TIMEOUT_SECONDS = 300.0
"""Longer than a processor is paused: it keeps its partitions, and its cache."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of this repository whose code is run, by this Python and with its packages."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """Raises `WrongUse` if there is no checkout."""
        if not (path / "infra" / "cli.py").is_file():
            raise WrongUse(f"{path} is not the root of a checkout of this repository")
        return cls(path.resolve())

    def command(self, verb: str) -> list[str]:
        """`convergio VERB`, run in the checkout."""
        return ["sh", "-c", 'cd "$1" && exec "$2" -m infra.cli "$3"', "sh", str(self.root), sys.executable, verb]

    def environment(self, settings: Settings) -> dict[str, str]:
        """What tells the checkout's code about the settings that are not defaults."""
        changed = {name: getattr(settings, name) for name in settings.model_fields_set}
        # Lists and secrets can only come from the environment, which is passed on.
        texts = {variable(name): str(value) for name, value in changed.items() if isinstance(value, str | int | float)}
        return {**texts, "PYTHONPATH": str(self.root)}


HERE = Checkout(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Stack:
    """Running servers. `settings` say where they are; a run may change others with `model_copy`."""

    held: DataDir
    settings: Settings

    async def migrate(self, checkout: Checkout, settings: Settings) -> None:
        """Creates the topics and tables of the checkout."""
        command, environment = checkout.command("migrate"), checkout.environment(settings)
        service = Service("migrate", command, environment=environment, once=True)
        async with Supervisor(self.held, [Stage([service])]):
            pass

    async def run(
        self,
        checkout: Checkout,
        settings: Settings,
        messages: Sequence[Message],
        *,
        warm_up: Sequence[Message] = (),
        limit_seconds: float,
    ) -> Rate:
        """Starts the checkout's processor and measures how fast it empties a topic with these messages.

        If there are others to warm it up, they are stored first, and the processor is paused while the topic is filled.
        Raises `NotMeasured`, with the last line that the processor logged.
        """
        port = settings.processor_port
        processor = Service(
            "processor",
            checkout.command("process"),
            environment=checkout.environment(settings),
            ready=answers_ok(port, "/readyz"),
        )
        early, events = (sum(message.events for message in each) for each in (warm_up, messages))
        await fill(settings, warm_up or messages)
        async with Supervisor(self.held, [Stage([processor])]):
            watch = Watch(port, limit_seconds)
            try:
                if warm_up:
                    await watch.until(early)
                    with self._paused("processor"):
                        await fill(settings, messages)
                return await measure(watch, events, early)
            except NotMeasured as reason:
                logged = await asyncio.to_thread(last_log_line, self.held.path, "processor")
                raise NotMeasured(f"{reason}; its last log line: {logged or 'none'}") from reason

    @contextmanager
    def _paused(self, service: str) -> Iterator[None]:
        pid = int(pid_file(self.held.path, service).read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def stack(directory: Path, clickhouse: Path | None = None) -> AsyncIterator[Stack]:
    """Starts Kafka and ClickHouse with their data in `directory`; ClickHouse's may be kept elsewhere, for the next."""
    kafka_port, controller_port, clickhouse_port, processor_port = free_ports(4)
    kafka = LocalKafka(directory, kafka_port, controller_port=controller_port)
    engine = LocalClickHouse(clickhouse or directory / "clickhouse", clickhouse_port)
    services = [
        Service("kafka", kafka.commands()["kafka"], ready=kafka.is_ready),
        Service("clickhouse", engine.command(), ready=answers_ok(clickhouse_port, "/ping")),
    ]
    settings = Settings(
        kafka_bootstrap=kafka.bootstrap,
        clickhouse_port=clickhouse_port,
        processor_port=processor_port,
        partitions=PARTITIONS,
        session_timeout_seconds=SESSION_TIMEOUT_SECONDS,
        data_dir=str(directory / "faust"),
    )
    with DataDir(directory) as held:
        async with Supervisor(held, [Stage(services)]):
            yield Stack(held, settings)


def require_stored(settings: Settings, events: int, views: Sequence[str] = ("SELECT count() FROM events",)) -> None:
    """Raises `Failure` unless each query over a view counts so many events."""
    with connect(settings) as client:
        for query in views:
            stored = int(client.query(query).result_rows[0][0])
            if stored != events:
                raise Failure(f"{events:,} events were stored before or sent, but {query} gives {stored:,}")
