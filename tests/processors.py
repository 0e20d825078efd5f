"""One processor, or several, as processes of their own with topics and a database of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import GroupCoordinatorNotAvailableError

from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports
from processors.envelopes import Message
from processors.offsets import OffsetReader
from processors.settings import ProcessorSettings
from tests.commands import Convergio
from tests.servers import ClickHouseAddress

DEADLINE_SECONDS = 60.0
FAUST_WORKER = (sys.executable, "-m", "faust", "-A", "processors", "worker", "--without-web", "--loglevel", "info")


@dataclass
class Pipeline:
    """Topics and a database of this test's own, and what stands in them."""

    settings: ProcessorSettings
    producer: AIOKafkaProducer
    clickhouse: ClickHouseAddress
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.convergio.environment)

    @property
    def convergio(self) -> Convergio:
        """The command line, pointed at these topics and this database."""
        given = self.settings.model_dump(exclude_defaults=True, exclude={"clickhouse_password"}, mode="json")
        return Convergio(
            {name: str(value) for name, value in given.items()} | {"clickhouse_password": self.clickhouse.password}
        )

    def beside(self) -> Pipeline:
        """The same topics and database, for one more processor that runs at the same time."""
        own = {"processor_port": free_ports(1)[0], "data_dir": f"{self.settings.data_dir}-beside"}
        return replace(
            self, settings=self.settings.model_copy(update=own), log=self.log.with_name("processor-beside.log")
        )

    @asynccontextmanager
    async def processor(
        self, command: Sequence[str] = FAUST_WORKER, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A processor for as long as the context lasts; it is killed at the end if it has not gone by then."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**self.environment, **(environment or {})},
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

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the views."""
        options = self.clickhouse.client_options
        with clickhouse_connect.get_client(**options, database=self.settings.clickhouse_database) as client:
            return [tuple(row) for row in client.query(query).result_rows]

    def stored(self) -> int:
        """Events in the view."""
        ((count,),) = self.rows("SELECT count() FROM events")
        return int(count)

    async def lag(self) -> int:
        """Messages that are not committed."""
        reader = OffsetReader(self.settings)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while True:
                    try:
                        return sum(progress.lag for progress in (await reader.read([0, 1])).values())
                    except GroupCoordinatorNotAvailableError:  # the first group of a new Kafka
                        await asyncio.sleep(0.1)
        finally:
            await reader.close()

    async def trouble(self, probe: str) -> str:
        """Why the processor's `healthz` or `readyz` is not 200; empty if it is. Raises `OSError` if nobody answers."""

        def ask() -> str:
            try:
                urlopen(f"http://127.0.0.1:{self.settings.processor_port}/{probe}", timeout=5).close()
            except HTTPError as answer:
                return answer.read().decode()
            return ""

        return await asyncio.to_thread(ask)

    async def until_trouble(self, probe: str, text: str) -> None:
        """Waits until `healthz` or `readyz` says a text."""

        async def said() -> bool:
            try:
                return text in await self.trouble(probe)
            except OSError:
                return False

        await until(said, self.log)

    async def until_committed(self) -> None:
        """Waits until everything in the events topic is committed."""

        async def done() -> bool:
            return await self.lag() == 0

        await until(done, self.log)

    async def metric(self, name: str) -> float:
        """The sum of the samples whose name and labels begin like this. Raises `OSError` if nobody answers."""
        return sum(float(line.split()[-1]) for line in await self._metrics() if line.startswith(name))

    async def partitions(self) -> set[int]:
        """Those the processor says it has; none if it does not answer."""
        series = 'convergio_processor_lag_messages{partition="'
        try:
            lines = await self._metrics()
        except OSError:
            return set()
        return {int(line.removeprefix(series).split('"')[0]) for line in lines if line.startswith(series)}

    async def _metrics(self) -> list[str]:
        url = f"http://127.0.0.1:{self.settings.processor_port}/metrics"
        text: str = await asyncio.to_thread(lambda: urlopen(url, timeout=5).read().decode())
        return text.splitlines()


async def until(condition: Callable[[], Awaitable[bool]], log: Path) -> None:
    """Waits until a condition holds; fails with the end of the processor's log."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await condition():  # noqa: ASYNC110 - the event is another process's
                await asyncio.sleep(0.1)
    except TimeoutError:
        said = await asyncio.to_thread(log.read_text)
        pytest.fail(f"it never came true; the processor said:\n{said[-4000:]}")
