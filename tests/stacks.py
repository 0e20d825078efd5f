"""A whole local stack for tests, and the questions people ask of one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import clickhouse_connect

from infra.local.ports import is_taken
from infra.local.restarts import RestartPolicy
from infra.local.service import Event, EventKind
from infra.local.stack import LocalStack, StackConfig
from tests.commands import Convergio
from tests.suspension import suspend

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class RunningStack:
    """A stack that is ready."""

    config: StackConfig
    happenings: list[Event] = field(default_factory=list)
    """What the supervisor had to say, in order."""

    @property
    def convergio(self) -> Convergio:
        """The command line, pointed at this stack."""
        return Convergio(
            {
                "kafka_bootstrap": self.config.kafka.bootstrap,
                "clickhouse_port": str(self.config.clickhouse_port),
                "ingest_port": str(self.config.ingest_port),
                "exporter_port": str(self.config.exporter_port),
            }
        )

    @property
    def origin(self) -> str:
        return self.config.gateways[0]

    async def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a query over the views."""

        def ask() -> list[tuple[Any, ...]]:
            with clickhouse_connect.get_client(
                host="127.0.0.1", port=self.config.clickhouse_port, database="convergio"
            ) as client:
                return [tuple(row) for row in client.query(query, parameters=parameters).result_rows]

        return await asyncio.to_thread(ask)

    async def event_rows(self) -> list[tuple[Any, ...]]:
        """What `Oracle.event_rows` gives, out of the view `events`."""
        return sorted(
            await self.rows(
                "SELECT toString(user_id), toString(event_id), toString(session_id),"
                " toUnixTimestamp64Milli(occurred_at), category, action, label, value FROM events"
            )
        )

    async def session_rows(self) -> list[tuple[Any, ...]]:
        """What `Oracle.session_rows` gives, out of the view `sessions`."""
        return sorted(
            await self.rows(
                "SELECT toString(user_id), toString(session_id), toUnixTimestamp64Milli(started_at),"
                " toUnixTimestamp64Milli(last_event_at), study_ms, events,"
                " page_views, questions, flashcards, quizzes, mind_maps FROM sessions"
            )
        )

    async def metrics(self) -> dict[str, float]:
        """The exporter's samples by name and labels, e.g. `convergio_sessions_total 24h`."""
        text = await self.get(f"{self.config.exporter}/metrics")
        return {
            " ".join([name, *(value for _, value in LABEL.findall(labels or ""))]): float(value)
            for name, labels, value in SAMPLE.findall(text)
        }

    async def running_audit(self) -> dict[str, float]:
        """The samples of the running audit, without their prefix."""
        text = await self.get(f"http://127.0.0.1:{self.config.audit_port}/metrics")
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("convergio_audit_")]
        return {name.removeprefix("convergio_audit_"): float(value) for name, value in samples}

    async def get(self, url: str, **headers: str) -> str:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.text()

    async def audit(self, wait: float = 120) -> dict[str, Any]:
        """The report of an audit that found nothing wrong."""
        result = await self.convergio("audit", "--wait", str(wait), "--format", "json", seconds=wait + 60)
        report: dict[str, Any] = json.loads(result.output)
        return report

    def pid(self, service: str) -> int:
        return int((self.config.data_dir / "run" / f"{service}.pid").read_text())

    async def kill(self, service: str) -> None:
        """SIGKILL, and back once it has been started again and is ready."""
        seen = len(self.happenings)
        os.kill(self.pid(service), signal.SIGKILL)
        await until(
            lambda: any(event.kind is EventKind.READY and event.service == service for event in self.happenings[seen:])
        )

    @contextlib.contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """SIGSTOP for as long as the context lasts."""
        pid = self.pid(service)
        suspend(pid)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


PORTS = 40
"""A stack's ports; those from the 35th on are for the tests' own use."""


@contextlib.asynccontextmanager
async def running_stack(
    data_dir: Path, *, first_port: int | None = None, policy: RestartPolicy | None = None, **options: Any
) -> AsyncIterator[RunningStack]:
    """A stack at free ports, or from `first_port` on; `options` are those of StackConfig."""
    first = free_block(PORTS) if first_port is None else first_port
    config = StackConfig(
        data_dir,
        ingest_port=first,
        exporter_port=first + 8,
        kafka_port=first + 10,
        clickhouse_port=first + 20,
        processor_port=first + 25,
        audit_port=first + 30,
        **options,
    )
    running = RunningStack(config)
    async with LocalStack(config, on_event=running.happenings.append, policy=policy):
        yield running


def free_block(count: int) -> int:
    """The first of `count` consecutive ports that nobody listens on; below those the kernel hands out."""
    while True:
        first = random.randrange(11_000, 30_000)
        if not any(is_taken(port) for port in range(first, first + count)):
            return first


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 120, every: float = 0.1
) -> None:
    """Asks until the condition holds; fails after so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(every)


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
