"""Clients that misuse the connection itself: endless and dripping heads, silence, crowds, queues, unread answers.

One gateway with small limits takes all of it. It must answer or close in bounded time and bounded memory, and
serve everyone else meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ingest.connection import LINGER_SECONDS
from tests.gateway import EVENTS, batch, create_topic, event, until
from tests.gateway_process import KIB, Process, gateway_process
from tests.raw_http import Connection, connection, exchange, post, statuses

MIB = KIB * KIB
CONSENT = "/api/telemetry/consent"
MAX_CONNECTIONS = 40
MAX_HEAD_BYTES = 8 * KIB
MAX_BODY_BYTES = 256 * KIB
CHUNKED_HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """Whatever the tests of this module did to it, in the end it lives and has nothing to complain about."""
    topic = await create_topic(kafka_bootstrap)
    log = tmp_path_factory.mktemp("gateway") / "log"
    async with gateway_process(
        kafka_bootstrap,
        topic,
        log,
        max_connections=str(MAX_CONNECTIONS),
        max_head_bytes=str(MAX_HEAD_BYTES),
        max_body_bytes=str(MAX_BODY_BYTES),
        head_seconds="0.4",
        keep_alive_seconds="1",
        body_stall_seconds="0.5",
        body_total_seconds="1",
        unread_seconds="1",
    ) as process:
        await until(process.is_ready)
        yield process
        assert await process.is_alive()
        assert await process.sample('convergio_gateway_requests_total{status="500"}') == 0
        assert "Traceback" not in log.read_text()


async def memory_gained(gateway: Process, before: int) -> float:
    """MiB by which the most memory it ever had has grown."""
    assert await gateway.is_alive()
    return (gateway.memory_high_water() - before) / MIB


async def send_much(opened: Connection, piece: bytes, total: int) -> None:
    """Sends the piece over and over, until `total` bytes or until the other side does not take any more; reads too."""
    reading = asyncio.create_task(opened.read_to_end())
    block = piece * max(1, 65536 // len(piece))
    for _ in range(total // len(block)):
        if not await opened.send(block):
            break
    await reading


def reset_at_once(port: int) -> None:
    """Connects, and drops the connection without a goodbye."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_a_head_that_never_ends_is_a_431_whatever_it_is_made_of(gateway: Process) -> None:
    before = gateway.memory_high_water()
    for endless in (b"x-filler: 0123456789abcdef\r\n", b"a:\r\n", b"y", b"\t"):
        async with connection(gateway.port) as opened:
            await opened.send(GET + (b"x-open: " if len(endless) == 1 else b""))
            await send_much(opened, endless, 40 * MIB)
            assert statuses(opened.received) == [431], endless
            assert b"connection: close" in opened.received
            assert b"application/problem+json" in opened.received
    assert await memory_gained(gateway, before) < 16


async def test_a_request_line_that_never_ends_is_a_431(gateway: Process) -> None:
    assert statuses(await exchange(gateway.port, b"GET /" + b"x" * MIB)) == [431]


async def test_the_limit_of_a_head_holds_also_when_it_comes_at_once(gateway: Process) -> None:
    def request(filler: int, lines: int = 1) -> bytes:
        return GET + b"".join(b"x-%d: %s\r\n" % (n, b"y" * filler) for n in range(lines)) + b"Connection: close\r\n\r\n"

    assert statuses(await exchange(gateway.port, request(MAX_HEAD_BYTES - 200))) == [200]
    assert statuses(await exchange(gateway.port, request(MAX_HEAD_BYTES))) == [431]
    assert statuses(await exchange(gateway.port, request(1, 90))) == [200]
    assert statuses(await exchange(gateway.port, request(1, 110))) == [431]


async def test_a_head_behind_a_large_body_in_the_same_packets_is_not_taken_for_a_large_head(gateway: Process) -> None:
    body = json.dumps(batch()).encode().ljust(200 * KIB)
    async with connection(gateway.port) as opened:
        await opened.send(post(EVENTS, body) + GET)
        while statuses(opened.received) != [202]:
            assert await opened.read_some()
        await opened.send(b"Connection: close\r\n\r\n")
        assert statuses(await opened.read_to_end()) == [202, 200]


@pytest.mark.parametrize("begun", [b"GET /", GET, GET + b"x-open: "], ids=["line", "headers", "header"])
async def test_a_head_that_comes_drop_by_drop_is_a_408(gateway: Process, begun: bytes) -> None:
    async with connection(gateway.port) as opened:
        await opened.send(begun)

        async def has_an_answer() -> bool:
            await opened.send(b"y")
            await asyncio.sleep(0.05)
            return opened.received != b""

        reading = asyncio.create_task(opened.read_to_end())
        await until(has_an_answer, 10)
        assert statuses(await reading) == [408]


async def test_empty_lines_in_place_of_a_request_do_not_keep_a_connection(gateway: Process) -> None:
    async with connection(gateway.port) as opened:
        reading = asyncio.create_task(opened.read_to_end())

        async def is_closed() -> bool:
            await opened.send(b"\r\n")
            await asyncio.sleep(0.05)
            return reading.done()

        await until(is_closed, 10)
        assert statuses(await reading) == [408]


async def test_a_connection_that_never_says_anything_is_closed(gateway: Process) -> None:
    assert await exchange(gateway.port, b"") == b""


async def test_a_connection_that_falls_silent_after_a_request_is_closed(gateway: Process) -> None:
    assert statuses(await exchange(gateway.port, GET + b"\r\n")) == [200]


async def test_the_rest_of_a_refused_body_does_not_keep_a_connection(gateway: Process) -> None:
    async with connection(gateway.port) as opened:
        head = (
            f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {10**12}\r\n\r\n"
        )
        await opened.send(head.encode())
        reading = asyncio.create_task(opened.read_to_end())

        async def is_closed() -> bool:
            await opened.send(b" " * 1000)
            await asyncio.sleep(0.05)
            return reading.done()

        await until(is_closed, 10)
        assert statuses(await reading) == [413]


async def test_one_connection_too_many_is_a_503_and_the_others_are_served(gateway: Process) -> None:
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(connection(gateway.port)) for _ in range(2 * MAX_CONNECTIONS)]
        answers = [await opened.read_to_end() for opened in crowd[MAX_CONNECTIONS:]]
        assert [statuses(answer) for answer in answers] == [[503]] * MAX_CONNECTIONS
        assert all(b"retry-after: " in answer and b"connection: close" in answer for answer in answers)
        served = crowd[5]
        await served.send(GET + b"Connection: close\r\n\r\n")
        assert statuses(await served.read_to_end()) == [200]
    await until(gateway.is_alive)
    refused = 'convergio_gateway_refused_connections_total{reason="too-many-connections"}'
    assert await gateway.sample(refused) >= MAX_CONNECTIONS


async def test_where_few_files_may_be_open_clients_cannot_take_those_that_kafka_needs(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, log, open_files=160) as few, AsyncExitStack() as stack:
        await until(few.is_ready)
        crowd = [await stack.enter_async_context(connection(few.port)) for _ in range(300)]
        assert statuses(await crowd[-1].read_to_end()) == [503]
        served = crowd[5]
        await served.send(post(EVENTS, json.dumps(batch()).encode(), "Connection: close"))
        assert statuses(await served.read_to_end()) == [202]
        assert "fewer connections than asked for" in await asyncio.to_thread(log.read_text)
        assert "Traceback" not in await asyncio.to_thread(log.read_text)


async def test_connections_that_are_reset_leave_no_memory_behind(kafka_bootstrap: str, tmp_path: Path) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log", keep_alive_seconds="600") as gateway:
        await until(gateway.is_ready)
        before = gateway.memory_high_water()
        for _ in range(6000):
            reset_at_once(gateway.port)
        assert await memory_gained(gateway, before) < 10


async def test_requests_ahead_of_their_answers_are_bounded_and_none_is_answered_wrongly(gateway: Process) -> None:
    before = gateway.memory_high_water()
    first, request = json.dumps(batch()).encode(), GET + b"\r\n"
    async with connection(gateway.port) as opened:
        await opened.send(post(EVENTS, first) + request * 3)
        await send_much(opened, request, 20 * MIB)
        answered = statuses(opened.received)
    # Whoever sends on into a connection that was closed may lose answers to its reset, the last ones first.
    assert answered == [202, *[200] * len(answered)][: len(answered)]
    assert await memory_gained(gateway, before) < 16


async def test_a_client_that_goes_away_before_several_answers_leaves_no_trace(gateway: Process) -> None:
    """The fixture looks into the log; uvicorn tells only the newest request that its client has gone."""
    request = post(EVENTS, json.dumps(batch()).encode())
    for _ in range(20):
        async with connection(gateway.port) as opened:
            await opened.send(request + request * 3)
            await opened.read_some()
            opened.reset()


async def test_garbage_behind_a_request_does_not_take_the_place_of_its_answer(gateway: Process) -> None:
    body = json.dumps(batch()).encode()
    assert statuses(await exchange(gateway.port, post(EVENTS, body) + b"\x00garbage\r\n\r\n")) == [202]


async def test_a_client_that_goes_on_sending_slowly_after_its_refusal_is_not_reset(gateway: Process) -> None:
    """A reset may take the answer along, before the client has read it."""
    async with connection(gateway.port) as opened:
        assert await opened.send(b"no request at all\r\n\r\n")
        for _ in range(15 * round(LINGER_SECONDS)):
            assert await opened.send(b"x" * 100)
            await asyncio.sleep(0.1)
        assert statuses(await opened.read_to_end()) == [400]


async def test_a_client_that_reads_no_answer_is_cut_off(gateway: Process) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", gateway.port))
        deaf.settimeout(0.2)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        cut = False

        async def is_cut() -> bool:
            nonlocal cut
            try:
                await asyncio.to_thread(deaf.sendall, request)
            except TimeoutError:
                pass
            except OSError:
                cut = True
            return cut

        await until(is_cut, 20)


async def test_the_body_of_any_route_is_bounded(gateway: Process) -> None:
    before = gateway.memory_high_water()
    async with connection(gateway.port) as opened:
        await opened.send(CHUNKED_HEAD % CONSENT.encode())
        await send_much(opened, b"10000\r\n" + b" " * 65536 + b"\r\n", 40 * MIB)
        assert statuses(opened.received) == [413]
    assert await memory_gained(gateway, before) < 16


async def test_the_body_of_any_route_is_bounded_in_time(gateway: Process) -> None:
    answer = await exchange(gateway.port, post(CONSENT, b'{"optOut":true}')[:-3])
    assert statuses(answer) == [408]


@pytest.mark.parametrize("path", [EVENTS, CONSENT, "/healthz"])
@pytest.mark.parametrize("endless", [b"a: b\r\n", b"y"], ids=["many", "long"])
async def test_a_trailer_that_never_ends_is_refused(gateway: Process, path: str, endless: bytes) -> None:
    before = gateway.memory_high_water()
    async with connection(gateway.port) as opened:
        await opened.send(
            CHUNKED_HEAD % path.encode() + b"2\r\n{}\r\n0\r\n" + (b"x-open: " if endless == b"y" else b"")
        )
        await send_much(opened, endless, 40 * MIB)
        assert statuses(opened.received) in ([413], [405] if path == "/healthz" else [413])
    assert await memory_gained(gateway, before) < 16


async def test_a_body_in_chunks_of_one_byte_is_taken(gateway: Process) -> None:
    body = json.dumps(batch(event(metadata={f"key-{n}": "x" * 250 for n in range(16)}))).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    async with connection(gateway.port) as opened:
        await opened.send(CHUNKED_HEAD % EVENTS.encode() + chunks + b"0\r\nx-trailer: ignored\r\n\r\n")
        assert statuses(await opened.read_some()) == [202]


async def test_a_large_answer_cannot_be_had_for_a_small_request(gateway: Process) -> None:
    sent = batch(*[event(**{"x" * 20_000: 1}) for _ in range(10)])
    async with gateway.session.post(gateway.url + EVENTS, json=sent) as response:
        assert response.status == 422
        assert len(await response.read()) < 10 * 400


async def test_slow_clients_do_not_hold_up_the_others(gateway: Process) -> None:
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connection(gateway.port)) for _ in range(MAX_CONNECTIONS - 5)]
        for opened in slow:
            await opened.send(GET)
        async with gateway.session.post(gateway.url + EVENTS, json=batch()) as response:
            assert response.status == 202
        assert {tuple(statuses(await opened.read_to_end())) for opened in slow} == {(408,)}


async def test_hostile_clients_cannot_keep_a_gateway_from_stopping(kafka_bootstrap: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    topic = await create_topic(kafka_bootstrap)
    async with AsyncExitStack() as stack:
        stubborn = await stack.enter_async_context(
            gateway_process(
                kafka_bootstrap,
                topic,
                log,
                head_seconds="60",
                body_stall_seconds="60",
                keep_alive_seconds="600",
                ack_timeout_seconds="0.5",
            )
        )
        await until(stubborn.is_ready)
        begun = (b"", GET, post(EVENTS, b"{}")[:-1], post(CONSENT, b"{}")[:-1], b"\x00", GET + b"\r\n")
        clients = [await stack.enter_async_context(connection(stubborn.port)) for _ in begun]
        for client, data in zip(clients, begun, strict=True):
            await client.send(data)
        assert await stubborn.is_alive()
        stubborn.process.terminate()
        assert await asyncio.wait_for(stubborn.process.wait(), 60) == 0
        answers = [statuses(await client.read_to_end()) for client in clients]
    assert answers == [[], [], [503], [503], [400], [200]]
    assert "Traceback" not in await asyncio.to_thread(log.read_text)
