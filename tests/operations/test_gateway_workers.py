"""`convergio ingest --workers N`: several processes at one address that behave like one gateway."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from infra.local.ports import free_ports, is_taken
from tests.commands import COMMAND, Convergio
from tests.gateway import EVENTS, batch, create_topic, event, read_topic, until
from tests.gateway_process import Process, gateway_process
from tests.raw_http import connection

WORKERS = 3
REQUESTS = 'convergio_gateway_requests_total{status="202"}'
CPU = "process_cpu_seconds_total"


@asynccontextmanager
async def running_workers(
    bootstrap: str, topic: str, log: Path, command: tuple[str, ...] = COMMAND, **changes: Any
) -> AsyncIterator[Process]:
    """A gateway with workers, ready; none of its processes outlives the test."""
    changes.setdefault("drain_delay_seconds", "0")
    command = (*command, "ingest", "--workers", str(WORKERS))
    children: set[int] = set()
    try:
        async with gateway_process(bootstrap, topic, log, command=command, **changes) as gateway:
            await until(gateway.is_ready)
            children.update(workers_of(gateway))
            yield gateway
            children.update(workers_of(gateway))
    finally:
        await until(lambda: asyncio.sleep(0, not any(map(is_running, children))))


def workers_of(gateway: Process) -> list[int]:
    """The processes that serve; none once the parent has ended."""
    pid = gateway.process.pid
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@asynccontextmanager
async def new_connections() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a connection for every request, so that each may meet another worker."""
    connector = aiohttp.TCPConnector(force_close=True, limit=30)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def post(session: aiohttp.ClientSession, gateway: Process, document: object) -> int:
    async with session.post(gateway.url + EVENTS, json=document) as response:
        await response.read()
        return response.status


async def sample(session: aiohttp.ClientSession, gateway: Process, series: str) -> float:
    async with session.get(gateway.url + "/metrics") as response:
        lines = (await response.text()).splitlines()
    return float(next(line for line in lines if line.startswith(series + " ")).rpartition(" ")[2])


async def test_every_worker_shows_what_all_of_them_counted(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log") as gateway, new_connections() as session:
        assert len(workers_of(gateway)) == WORKERS
        statuses = await asyncio.gather(*[post(session, gateway, batch(event(), event())) for _ in range(90)])
        assert Counter(statuses) == {202: 90}
        for series, total in (
            (REQUESTS, 90),
            ('convergio_gateway_events_total{verdict="accepted"}', 180),
            ("convergio_gateway_inflight_bytes", 0),
            ("convergio_gateway_ready", 1),
        ):
            shown = await asyncio.gather(*[sample(session, gateway, series) for _ in range(12)])
            assert set(shown) == {total}, series
        batches = "convergio_gateway_acknowledgement_seconds_count"
        shown = await asyncio.gather(*[sample(session, gateway, batches) for _ in range(12)])
        assert len(set(shown)) == 1
        assert shown[0] > 0
        assert len(await read_topic(kafka_bootstrap, topic)) == 90


async def test_rates_hold_for_all_workers_together(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    limits: dict[str, Any] = {
        "rate_limit_enabled": "true",
        "user_events_per_second": "0.001",
        "user_events_burst": "500",
        "address_requests_per_second": "0.001",
        "address_requests_burst": "100",
    }
    async with (
        running_workers(kafka_bootstrap, topic, tmp_path / "log", **limits) as gateway,
        new_connections() as session,
    ):
        user = str(uuid.uuid4())
        posts = [post(session, gateway, batch(*(event() for _ in range(10)), userId=user)) for _ in range(70)]
        assert Counter(await asyncio.gather(*posts)) == {202: 50, 429: 20}
        # 70 of the address's 100 requests are gone.
        others = await asyncio.gather(*[post(session, gateway, batch()) for _ in range(50)])
        assert Counter(others) == {202: 30, 429: 20}


async def test_bytes_in_flight_and_connections_are_bounded_for_all_workers_together(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    topic = await create_topic(kafka_bootstrap)
    bounds: dict[str, Any] = {"max_inflight_bytes": str(8 << 20), "max_connections": "12", "body_stall_seconds": "100"}
    held = (1 << 20) - 1
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {held + 1}\r\n\r\n"
    unfinished = head.encode() + b"x" * held
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log", **bounds) as gateway:
        await gateway.session.close()
        async with new_connections() as session, AsyncExitStack() as open_connections:
            for number in range(1, 9):
                client = await open_connections.enter_async_context(connection(gateway.port))
                assert await client.send(unfinished)

                async def all_of_it_is_held(expected: float = number * held) -> bool:
                    return await sample(session, gateway, "convergio_gateway_inflight_bytes") == expected

                await until(all_of_it_is_held)
            ninth = await open_connections.enter_async_context(connection(gateway.port))
            assert await ninth.send(unfinished)
            assert b"urn:convergio:problem:buffer-full" in await ninth.read_some()
            # Nine are open, and three more may be; which of them, the workers decide as they see them.
            more = [await open_connections.enter_async_context(connection(gateway.port)) for _ in range(8)]
            answers = [asyncio.create_task(client.read_to_end(100)) for client in more]
            for answer in itertools.islice(asyncio.as_completed(answers), 5):
                assert b"urn:convergio:problem:too-many-connections" in await answer
            for answer in answers:
                answer.cancel()


async def test_a_killed_worker_is_replaced_and_no_count_falls(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log") as gateway, new_connections() as session:
        await asyncio.gather(*[post(session, gateway, batch()) for _ in range(30)])
        cpu = await sample(session, gateway, CPU)
        for victim in workers_of(gateway):
            os.kill(victim, signal.SIGKILL)
            await until(lambda: asyncio.sleep(0, len(workers_of(gateway)) < WORKERS))
            assert await sample(session, gateway, REQUESTS) == 30
            await until(lambda: asyncio.sleep(0, len(workers_of(gateway)) == WORKERS))
            await until(gateway.is_ready)
        assert await sample(session, gateway, CPU) >= cpu
        statuses = await asyncio.gather(*[post(session, gateway, batch()) for _ in range(30)])
        assert Counter(statuses) == {202: 30}
        assert await sample(session, gateway, REQUESTS) == 60


async def test_what_was_answered_is_stored_and_counted_whichever_worker_is_killed(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log") as gateway, new_connections() as session:
        answered: set[object] = set()
        killed = asyncio.Event()

        async def load() -> None:
            while not killed.is_set():
                sent = event()
                with contextlib.suppress(aiohttp.ClientError):
                    if await post(session, gateway, batch(sent)) == 202:
                        answered.add(sent["eventId"])

        loads = [asyncio.create_task(load()) for _ in range(8)]
        for victim in workers_of(gateway):
            enough = len(answered) + 50
            await until(lambda enough=enough: asyncio.sleep(0, len(answered) >= enough))  # type: ignore[misc]
            os.kill(victim, signal.SIGKILL)
        killed.set()
        await asyncio.gather(*loads)
        await until(gateway.is_ready)
        assert await sample(session, gateway, REQUESTS) >= len(answered)
        stored = {row["event_id"] for message in await read_topic(kafka_bootstrap, topic) for row in message.rows}
        assert answered <= stored


async def test_a_worker_that_hangs_is_replaced(kafka_bootstrap: str, tmp_path: Path) -> None:
    impatient = "import ingest.workers, infra.cli; ingest.workers.SILENT_CHECKS = 3; infra.cli.main()"
    topic = await create_topic(kafka_bootstrap)
    log = tmp_path / "log"
    async with running_workers(kafka_bootstrap, topic, log, (sys.executable, "-c", impatient)) as gateway:
        hanging = workers_of(gateway)[0]
        os.kill(hanging, signal.SIGSTOP)
        await until(lambda: asyncio.sleep(0, not is_running(hanging)))
        await until(lambda: asyncio.sleep(0, len(workers_of(gateway)) == WORKERS))
        assert "worker is silent, killing it" in await asyncio.to_thread(log.read_text)


async def test_sigterm_under_load_loses_nothing_and_ends_all_workers(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log", drain_delay_seconds="0.5") as gateway:
        workers = workers_of(gateway)
        sent = await load_until_closed(gateway, lambda: gateway.process.send_signal(signal.SIGTERM))
        assert await gateway.process.wait() == 0
        assert not any(map(is_running, workers))
        stored = {row["event_id"] for message in await read_topic(kafka_bootstrap, topic) for row in message.rows}
        assert sent <= stored


async def test_workers_end_in_order_when_their_parent_is_killed(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_workers(kafka_bootstrap, topic, tmp_path / "log", drain_delay_seconds="0.5") as gateway:
        workers = workers_of(gateway)
        sent = await load_until_closed(gateway, gateway.process.kill)
        await until(lambda: asyncio.sleep(0, not any(map(is_running, workers))))
        assert not is_taken(gateway.port)
        stored = {row["event_id"] for message in await read_topic(kafka_bootstrap, topic) for row in message.rows}
        assert sent <= stored


async def load_until_closed(gateway: Process, end: Callable[[], object]) -> set[object]:
    """Posts over several connections until each is closed with its answer; calls `end` in the midst of it.

    The ids of the events that were answered 202.
    """
    sent: set[object] = set()
    ended = False

    async def load() -> None:
        nonlocal ended
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                events = [event() for _ in range(5)]
                async with session.post(gateway.url + EVENTS, json=batch(*events)) as response:
                    assert response.status == 202, await response.text()
                    sent.update(made["eventId"] for made in events)
                    if response.headers.get("Connection") == "close":
                        return
                if len(sent) > 300 and not ended:
                    ended = True
                    end()

    await asyncio.gather(*[load() for _ in range(12)])
    return sent


async def test_settings_that_contradict_each_other_are_one_line_also_with_workers() -> None:
    (port,) = free_ports(1)
    convergio = Convergio({"ingest_port": str(port), "kafka_security_protocol": "SASL_PLAINTEXT"})
    result = await convergio("ingest", "--workers", "2", code=2)
    assert result.errors.count("\n") == 1
    assert "CONVERGIO_KAFKA_SASL_USERNAME" in result.errors
