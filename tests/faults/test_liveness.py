"""A processor that does nothing any more says so and is replaced; one that is only slow is left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.local.ports import HOST
from infra.local.probes import answers_ok
from infra.local.restarts import RestartPolicy
from infra.local.service import EventKind
from processors.steps import Step
from tests.events import erasure, message, sent
from tests.faults.bugs import CONVERGIO_WITH_BUGS, Bug, Bugs
from tests.faults.failpoints import CONVERGIO_WITH_FAIL_POINTS, Action, FailPoints
from tests.faults.loads import expect_every_number_exact, load
from tests.processors import Pipeline
from tests.stacks import RunningStack, running_stack, until

HEARTBEAT_SECONDS = 4.0
SETTINGS = {"CONVERGIO_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS), "CONVERGIO_SESSION_TIMEOUT_SECONDS": "6"}
QUICK = RestartPolicy(first_delay=0.1, health_interval=0.5)
WEDGED_AT = (Step.TAKEN, Step.USERS_READ, Step.EVENTS_INSERTED)
"""On the event loop, in the thread that prepares a flush, in the one that writes it."""


@pytest.mark.parametrize(
    "step", [WEDGED_AT[0], *(pytest.param(step, marks=pytest.mark.long) for step in WEDGED_AT[1:])]
)
async def test_a_processor_that_hangs_says_so_and_the_next_one_stores_everything(
    pipeline: Pipeline, tmp_path: Path, step: Step
) -> None:
    pipeline.settings.heartbeat_seconds = HEARTBEAT_SECONDS
    failpoints = FailPoints(tmp_path / "failpoints")
    failpoints.arm(step, Action.HANG)
    for partition in (0, 1):
        await pipeline.send(message([sent()], 0, partition))
    async with pipeline.processor((*CONVERGIO_WITH_FAIL_POINTS, "process"), failpoints.environment):
        await pipeline.until_trouble("healthz", "the flush loop has been silent")
        assert [point.step for point in failpoints.spent] == [step]
    async with pipeline.processor():
        await pipeline.until_committed()
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
    assert pipeline.stored() == 2


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("bug", [Bug.COMMITS_NOTHING, Bug.DELIVERS_NOTHING])
async def test_when_commits_stand_still_the_processor_is_restarted(tmp_path: Path, bug: Bug) -> None:
    ledger = tmp_path / "ledger.ndjson"
    bugs = Bugs(tmp_path / "bugs")
    bugs.plant(bug)
    settings = SETTINGS | bugs.environment
    async with running_stack(
        tmp_path / "stack", policy=QUICK, convergio=CONVERGIO_WITH_BUGS, extra_env=settings
    ) as stack:
        async with load(stack, ledger):
            await until_restarted(stack, "processor-0")
        await expect_every_number_exact(stack, ledger)
    assert {event.service for event in stack.happenings if event.kind is EventKind.UNHEALTHY} == {"processor-0"}
    log = (tmp_path / "stack" / "logs" / "processor-0.log").read_text()
    assert "is committed up to" in log


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_processor_that_hangs_is_killed_and_restarted_by_its_supervisor(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    failpoints = FailPoints(tmp_path / "failpoints")
    settings = SETTINGS | failpoints.environment
    async with running_stack(
        tmp_path / "stack", policy=QUICK, convergio=CONVERGIO_WITH_FAIL_POINTS, extra_env=settings
    ) as stack:
        async with load(stack, ledger):
            failpoints.arm(Step.EVENTS_INSERTED, Action.HANG)
            await until_restarted(stack, "processor-0")
        await expect_every_number_exact(stack, ledger)
    assert [point.step for point in failpoints.spent] == [Step.EVENTS_INSERTED]
    assert {event.service for event in stack.happenings if event.kind is EventKind.UNHEALTHY} == {"processor-0"}


async def until_restarted(stack: RunningStack, service: str) -> None:
    """Returns once it was found unhealthy, and is ready again."""
    kinds: list[EventKind] = []

    def again() -> bool:
        kinds[:] = [event.kind for event in stack.happenings if event.service == service]
        return kinds[-2:] == [EventKind.RESTARTED, EventKind.READY]

    await until(again)
    assert EventKind.UNHEALTHY in kinds


@asynccontextmanager
async def slow(port: int, seconds: float) -> AsyncIterator[int]:
    """A port behind which every answer of another port comes later."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        while data := await reader.read(1 << 20):
            await asyncio.sleep(delay)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(
            forward(reader, behind_writer, 0.0), forward(behind_reader, writer, seconds), return_exceptions=True
        )

    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.long
async def test_a_flush_of_many_slow_steps_is_not_taken_for_a_hanging_one(pipeline: Pipeline) -> None:
    pipeline.settings.heartbeat_seconds = HEARTBEAT_SECONDS
    for _ in range(4):
        event = sent()
        await pipeline.send(message([event], 0))
        await pipeline.send(erasure(event.user, 0))
    async with slow(pipeline.settings.clickhouse_port, HEARTBEAT_SECONDS / 8) as port:
        pipeline.settings.clickhouse_port = port
        async with pipeline.processor():
            await pipeline.until_trouble("readyz", "")
            healthy = answers_ok(pipeline.settings.processor_port, "/healthz")
            while await pipeline.lag():
                assert await healthy(), await pipeline.trouble("healthz")
                await asyncio.sleep(0.2)
            assert await pipeline.metric("convergio_processor_flush_seconds_sum") > 2 * HEARTBEAT_SECONDS
            assert await pipeline.metric("convergio_processor_flush_seconds_count") == 1
