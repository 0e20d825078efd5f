"""A real exporter for the tests, served by uvicorn in this process, over a database filled row by row."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

import aiohttp
import uvicorn
from clickhouse_connect.driver.client import Client
from fastapi import FastAPI

from exporter import ExporterSettings, create_app
from exporter.board import Board
from infra.clickhouse.migrate import migrate
from infra.local.ports import free_ports
from schemas.events import ACTION_COLUMNS, CATEGORIES
from tests.gateway import until
from tests.servers import ClickHouseAddress

T = datetime.now(UTC).replace(microsecond=0)
"""The moment the tests' exporters believe it is, unless they say otherwise. ClickHouse has a clock of its own, so this
is not far from it."""

CATEGORY_OF = {action: category for category, actions in CATEGORIES.items() for action in actions}


class ManualClock:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime = T) -> None:
        self.moment = moment

    def __call__(self) -> float:
        return self.moment.timestamp()

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Answer(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def json(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.body))


@dataclass
class Exporter:
    """A running exporter: its address, its board, and a client that sends only what it is told to."""

    port: int
    clock: ManualClock
    app: FastAPI
    session: aiohttp.ClientSession = field(repr=False)

    @property
    def board(self) -> Board:
        return cast("Board", self.app.state.board)

    async def get(self, path: str, **headers: str) -> Answer:
        """GETs a path; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        skip = ("User-Agent", "Accept", "Accept-Encoding")
        async with self.session.get(url, headers=sent, skip_auto_headers=skip) as response:
            return Answer(response.status, response.headers, await response.read())

    async def samples(self) -> dict[str, float]:
        """The samples of a scrape after a fresh reading: series as written, and values."""
        # The first may join a reading that began before the call; the second begins after it.
        await self.board.refresh()
        await self.board.refresh()
        lines = (await self.get("/metrics")).lines
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {series: float(value) for series, value in pairs}


@asynccontextmanager
async def running_exporter(
    settings: ExporterSettings, clock: ManualClock | None = None, app: FastAPI | None = None
) -> AsyncIterator[Exporter]:
    """An exporter on a free port, whether or not ClickHouse answers."""
    (port,) = free_ports(1)
    clock = clock or ManualClock()
    app = app or create_app(settings, clock=clock)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        await until(lambda: asyncio.sleep(0, server.started))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
            yield Exporter(port, clock, app, session)
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@asynccontextmanager
async def exporter_over_empty_tables(clickhouse: ClickHouseAddress, **changes: object) -> AsyncIterator[Exporter]:
    """An exporter with settings and a database of its own, that has read it."""
    with clickhouse.own_database() as database:
        chosen = ExporterSettings.model_validate({**clickhouse.settings(database), **changes})
        await asyncio.to_thread(migrate, chosen)
        async with running_exporter(chosen) as running:
            await running.board.refresh()
            yield running


@dataclass(frozen=True)
class SessionRow:
    """A row of sessions_data; what is not given is a session of one page view that ended as it started."""

    user: uuid.UUID
    session: uuid.UUID = field(default_factory=uuid.uuid4)
    started_at: datetime = T
    last_event_at: datetime | None = None
    study_ms: int = 0
    events: int = 1
    epoch: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: {"page_views": 1})
    maestros: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended_at(self) -> datetime:
        return self.last_event_at or self.started_at


@dataclass(frozen=True)
class EventRow:
    """A row of events_data."""

    user: uuid.UUID
    action: str
    occurred_at: datetime = T
    label: str = ""
    event: uuid.UUID = field(default_factory=uuid.uuid4)
    epoch: int = 0


SESSION_COLUMNS = ["user_id", "session_id", "epoch", "started_at", "last_event_at", "study_ms", "events"]
COUNT_COLUMNS = list(ACTION_COLUMNS.values())


def insert_sessions(client: Client, rows: Iterable[SessionRow]) -> None:
    """One insert, so one part."""
    client.insert(
        "sessions_data",
        [
            [
                row.user,
                row.session,
                row.epoch,
                row.started_at,
                row.ended_at,
                row.study_ms,
                row.events,
                *(row.counts.get(column, 0) for column in COUNT_COLUMNS),
                dict(row.maestros),
            ]
            for row in rows
        ],
        column_names=[*SESSION_COLUMNS, *COUNT_COLUMNS, "maestros"],
    )


def insert_events(client: Client, rows: Iterable[EventRow]) -> None:
    client.insert(
        "events_data",
        [
            [
                row.event,
                row.user,
                uuid.UUID(int=1),
                CATEGORY_OF[row.action],
                row.action,
                row.label,
                row.occurred_at,
                row.occurred_at + timedelta(seconds=1),
                row.epoch,
            ]
            for row in rows
        ],
        column_names=[
            "event_id",
            "user_id",
            "session_id",
            "category",
            "action",
            "label",
            "occurred_at",
            "received_at",
            "epoch",
        ],
    )


def insert_totals(client: Client, **columns: object) -> None:
    """A row of totals_data."""
    client.insert("totals_data", [list(columns.values())], column_names=list(columns))


def insert_erasure(client: Client, user: uuid.UUID, epoch: int, offset: int) -> None:
    """A row of erasures_data; carried out just now, so that its user's id is not yet due to go."""
    client.insert(
        "erasures_data",
        [[0, offset, user, epoch, datetime.now(UTC)]],
        column_names=["kafka_partition", "kafka_offset", "user_id", "epoch", "erased_at"],
    )
