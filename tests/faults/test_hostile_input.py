"""Whatever is posted: never a 500, never a crash, memory bounded, and everyone else still served.

One gateway takes the corpus and then what hypothesis makes up.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.batches import batches
from tests.gateway import EVENTS, batch, create_topic, until
from tests.gateway_process import KIB, Process, gateway_process
from tests.raw_http import exchange, post, statuses

CORPUS = Path(__file__).parent / "corpus"
BODIES = sorted((CORPUS / "bodies").iterdir(), key=lambda file: file.name)
REQUESTS = sorted((CORPUS / "requests").iterdir(), key=lambda file: file.name)
ENCODINGS = {".gz": "gzip", ".zst": "zstd"}

MIB = KIB * KIB
MAX_INFLATED_BYTES = 4 * MIB
MAX_INFLIGHT_BYTES = 8 * MIB
TIMES_A_BODY = 32
"""A body of two million numbers is looked at as two million objects; one body at a time."""

fuzz = hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """Whatever the tests of this module did to it, in the end it lives, has kept within its memory, and complains of
    nothing."""
    topic = await create_topic(kafka_bootstrap)
    log = tmp_path_factory.mktemp("gateway") / "log"
    async with gateway_process(
        kafka_bootstrap,
        topic,
        log,
        max_inflated_bytes=str(MAX_INFLATED_BYTES),
        max_inflight_bytes=str(MAX_INFLIGHT_BYTES),
        head_seconds="1",
        keep_alive_seconds="1",
        body_stall_seconds="1",
    ) as process:
        await until(process.is_ready)
        before = process.memory_high_water()
        yield process
        assert await process.is_alive()
        assert process.memory_high_water() - before < TIMES_A_BODY * MAX_INFLATED_BYTES + MAX_INFLIGHT_BYTES
        assert await process.sample('convergio_gateway_requests_total{status="500"}') == 0
        assert await process.sample("convergio_gateway_inflight_bytes") == 0
        assert "Traceback" not in log.read_text()
        async with process.session.post(process.url + EVENTS, json=batch()) as response:
            assert response.status == 202


@pytest.fixture
def content(file: Path) -> bytes:
    return file.read_bytes()


@pytest.mark.parametrize("file", BODIES, ids=lambda file: file.name)
async def test_a_hostile_body_is_answered_as_its_name_says(gateway: Process, file: Path, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    if file.suffix in ENCODINGS:
        headers["Content-Encoding"] = ENCODINGS[file.suffix]
    async with gateway.session.post(gateway.url + EVENTS, data=content, headers=headers) as response:
        answer = await response.read()
        assert response.status == int(file.name[:3]), answer
        assert len(answer) < 4 * KIB
        assert json.loads(answer)["accepted" if response.status == 202 else "detail"]


@pytest.mark.parametrize("file", REQUESTS, ids=lambda file: file.name)
async def test_a_hostile_request_is_answered_as_its_name_says(gateway: Process, file: Path, content: bytes) -> None:
    answer = await exchange(gateway.port, content)
    assert [status for status in statuses(answer) if status != 100] == [int(file.name[:3])], answer


async def test_what_hides_behind_an_ambiguous_body_is_never_taken_for_a_request(gateway: Process) -> None:
    """Request smuggling: two readings of where a body ends. The metrics would be the answer to the hidden request."""
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    for confusion in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 36\r\n\r\n",
    ):
        head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
        answer = await exchange(gateway.port, head + confusion + hidden)
        assert statuses(answer) == [400], confusion
        assert b"convergio_gateway" not in answer


def expect_an_answer(status: int, answer: bytes) -> None:
    assert status in (202, 400, 401, 403, 408, 413, 415, 422, 431), answer
    assert json.loads(answer)["accepted" if status == 202 else "detail"] is not None


@st.composite
def spoiled_bodies(draw: st.DrawFn) -> bytes:
    """A batch as JSON in some encoding, with some bytes of it replaced, repeated or cut."""
    body = json.dumps(draw(batches()), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 20)))
        piece = draw(
            st.binary(max_size=6) | st.sampled_from([b"NaN", b"-0", b"1e999", b"\\ud800", b"\\u0000", b"[[[[", b"{}"])
        )
        body = body[:start] + piece + body[end:]
    return body


@fuzz
@given(body=spoiled_bodies() | st.binary(max_size=200))
async def test_any_body_is_answered(gateway: Process, body: bytes) -> None:
    async with gateway.session.post(
        gateway.url + EVENTS, data=body, headers={"Content-Type": "application/json"}
    ) as response:
        expect_an_answer(response.status, await response.read())


TELEMETRY = "/api/telemetry/"
header_values = st.binary(max_size=40).map(lambda value: re.sub(rb"[\0\r\n]", b"", value))
known_headers = st.sampled_from(
    b"Content-Type Content-Encoding Cookie Origin Authorization X-Write-Key Host DNT Sec-GPC X-Forwarded-For"
    b" X-Forwarded-Proto Expect Connection Upgrade Accept".split()
)
plausible_values = st.sampled_from(
    b"gzip zstd identity text/plain application/json;charset=\xff close keep-alive 1 convergio_uid= null Bearer"
    b" convergio_optout=1 https://evil.example 100-continue upgrade".split()
)


@fuzz
@given(
    method=st.sampled_from([b"POST", b"GET", b"OPTIONS", b"HEAD", b"DELETE", b"PUT"]),
    path=st.sampled_from(
        [EVENTS, *(TELEMETRY + name for name in ("consent", "identity", "me")), "/metrics", "/healthz", "/docs", "/x"]
    ),
    headers=st.lists(st.tuples(known_headers, header_values | plausible_values), max_size=6),
)
async def test_any_headers_are_answered(
    gateway: Process, method: bytes, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    body = json.dumps(batch()).encode()
    lines = [b"%s: %s" % header for header in headers]
    head = [
        b"%s %s HTTP/1.1" % (method, path.encode()),
        *lines,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    answer = await exchange(gateway.port, b"\r\n".join([*head, b"", b""]) + body)
    found = [status for status in statuses(answer) if status != 100]
    assert len(found) == 1, answer
    assert found[0] < 500, answer


WIRE_PIECES = (
    post(EVENTS, b"{}"),
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    *(b"GET ", b"POST ", b"OPTIONS ", b"/", EVENTS.encode(), b"/healthz", b" HTTP/1.1", b" HTTP/1.0"),
    *(b"\r\n", b"\n", b"\r\n\r\n", b"Host: x\r\n", b"\0", b"\xff" * 9),
    *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n", b"hello"),
    *(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffff\r\n"),
    *(b"Content-Type: application/json\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
)
wire = st.lists(st.binary(max_size=12) | st.sampled_from(WIRE_PIECES), min_size=1, max_size=14).map(b"".join)


@fuzz
@given(sent=wire)
async def test_any_bytes_on_a_connection_are_answered_or_end_it(gateway: Process, sent: bytes) -> None:
    answer = await exchange(gateway.port, sent, eof=True)
    assert max(statuses(answer), default=0) < 500, answer


async def test_a_hundred_bombs_at_once_go_off_one_at_a_time(gateway: Process) -> None:
    bombs = [gzip.compress(b" " * 3 * MAX_INFLATED_BYTES)] * 100
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    async def throw(bomb: bytes) -> int:
        async with gateway.session.post(gateway.url + EVENTS, data=bomb, headers=headers) as response:
            return response.status

    assert set(await asyncio.gather(*map(throw, bombs))) == {413}
