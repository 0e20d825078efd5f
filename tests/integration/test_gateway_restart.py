"""A gateway process of its own: a rolling restart loses nothing, and it starts while Kafka is away."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from pathlib import Path

import aiohttp

from infra.local.ports import free_ports, is_taken
from tests.gateway import EVENTS, batch, create_topic, event, read_topic, until
from tests.gateway_process import gateway_process


async def test_sigterm_under_load_answers_every_request_and_exits_with_0(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log", drain_delay_seconds="0.5") as gateway:
        await until(gateway.is_ready)
        sent: set[object] = set()
        failed: list[str] = []
        draining = asyncio.Event()

        async def load() -> None:
            """Posts one batch after another until an answer closes the connection, as a balancer would notice."""
            while True:
                events = [event() for _ in range(5)]
                async with gateway.session.post(gateway.url + EVENTS, json=batch(*events)) as response:
                    if response.status != 202:
                        failed.append(f"{response.status} {await response.text()}")
                        return
                    sent.update(made["eventId"] for made in events)
                    if response.headers.get("Connection") == "close":
                        return
                    if len(sent) > 200 and not draining.is_set():
                        draining.set()
                        gateway.process.send_signal(signal.SIGTERM)

        await asyncio.gather(*[load() for _ in range(8)])
        assert failed == []
        assert await gateway.process.wait() == 0
        stored = {row["event_id"] for message in await read_topic(kafka_bootstrap, topic) for row in message.rows}
        assert sent <= stored


async def test_it_listens_only_once_it_is_ready_so_no_balancer_sends_it_what_it_cannot_take(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log") as gateway:
        statuses: list[int] = []

        async def answers() -> bool:
            try:
                async with gateway.session.post(gateway.url + EVENTS, json=batch()) as response:
                    statuses.append(response.status)
            except aiohttp.ClientConnectionError:
                return False
            return True

        await until(answers)
        assert statuses == [202]


async def test_draining_is_not_ready_first_then_deaf_and_the_request_under_way_is_answered(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log", drain_delay_seconds="0.5") as gateway:
        await until(gateway.is_ready)
        body = json.dumps(batch(userId=(user := str(uuid.uuid4())))).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:10]
        )
        await writer.drain()
        await until(gateway.is_alive)
        gateway.process.send_signal(signal.SIGTERM)

        async def is_not_ready() -> bool:
            return await gateway.status("/readyz") == 503

        async def is_deaf() -> bool:
            return not is_taken(gateway.port) or await gateway.status("/healthz") == 0

        await until(is_not_ready)
        assert await gateway.is_alive()
        await until(is_deaf)
        assert gateway.process.returncode is None

        writer.write(body[10:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"connection: close" in answer.lower()
        assert await gateway.process.wait() == 0
        assert [message.key for message in await read_topic(kafka_bootstrap, topic)] == [user]


async def test_it_starts_while_kafka_is_away_and_says_so(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    async with gateway_process(f"127.0.0.1:{nobody}", "absent", tmp_path / "log") as gateway:
        await until(gateway.is_alive)
        assert await gateway.status("/readyz") == 503
        async with gateway.session.post(gateway.url + EVENTS, json=batch()) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert response.content_type == "application/problem+json"
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.process.wait() == 0


async def test_logs_are_json_lines_without_personal_data(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    log = tmp_path / "log"
    user = str(uuid.uuid4())
    async with gateway_process(kafka_bootstrap, topic, log, log_level="debug") as gateway:
        await until(gateway.is_ready)
        for document in (batch(userId=user), {"events": user}, batch(event(label=user * 9), userId=user)):
            async with gateway.session.post(gateway.url + EVENTS, json=document, headers={"User-Agent": user}):
                pass
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(user.encode() + b"\r\n\r\n")
        await reader.read()
        writer.close()
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.process.wait() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"producer connected", "listening", "draining", "stopped"} <= {line["event"] for line in lines}
    assert user not in log.read_text()
    # Its own address, and nobody else's.
    assert [line["event"] for line in lines if "127.0.0.1" in json.dumps(line)] == ["listening"]
