"""`POST /api/telemetry/events`: what a client may rely on, against a real Kafka."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import sys
import uuid
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ingest.envelope import MAX_MESSAGE_BYTES
from schemas.envelope import partition_for
from tests.gateway import (
    EVENTS,
    Gateway,
    batch,
    create_topic,
    event,
    now,
    rfc3339,
    running_gateway,
    settings,
    until,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
HEAD = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n".encode()
"""The beginning of a request whose body is not all there yet."""


@pytest.fixture(scope="module")
async def gateway(kafka_bootstrap: str) -> AsyncIterator[Gateway]:
    topic = await create_topic(kafka_bootstrap)
    async with running_gateway(settings(kafka_bootstrap, topic)) as running:
        yield running


async def test_a_202_means_that_the_rows_are_already_in_the_topic(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    first, second = event(label="deck", value=2.5, metadata={"n": 3, "ok": True, "at": "/x"}), event()

    answer = await gateway.post(batch(first, second, userId=user))

    assert (answer.status, answer.json) == (202, {"accepted": 2, "rejected": []})
    assert answer.headers["Content-Type"] == "application/json"
    (message,) = await gateway.messages(user)
    assert message.partition == partition_for(user, 4)
    assert message.headers == {"kind": b"events", "v": b"1"}
    assert [row["event_id"] for row in message.rows] == [first["eventId"], second["eventId"]]
    row = message.rows[0]
    assert row["user_id"] == user
    assert row["session_id"] == first["sessionId"]
    assert (row["category"], row["action"], row["label"]) == ("education", "flashcard_review", "deck")
    assert (row["value"], row["metadata"]) == (2.5, {"n": 3, "ok": True, "at": "/x"})
    assert row["occurred_at"] == first["timestamp"]


async def test_a_bad_event_does_not_take_its_batch_down(gateway: Gateway) -> None:
    good, bad = event(), event(category="gossip")

    answer = await gateway.post(batch(good, bad, event(), userId=(user := str(uuid.uuid4()))))

    assert answer.status == 202
    assert answer.json["accepted"] == 2
    (rejection,) = answer.json["rejected"]
    assert (rejection["index"], rejection["eventId"]) == (1, bad["eventId"])
    assert rejection["code"] == "unknown_category"
    assert "$.category" in rejection["message"]
    assert len(await gateway.rows(user)) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "gossip"}, "unknown_category"),
        ({"action": "page_view"}, "unknown_action"),
        ({"email": "someone@example.org"}, "unknown_field"),
        ({"eventId": None}, "missing_field"),
        ({"sessionId": None}, "missing_field"),
        ({"timestamp": None}, "missing_field"),
        ({"category": None}, "missing_field"),
        ({"action": None}, "missing_field"),
        ({"eventId": "12345"}, "invalid_value"),
        ({"sessionId": "z" * 36}, "invalid_value"),
        ({"timestamp": "yesterday"}, "invalid_value"),
        ({"timestamp": "2026-05-04T09:30:00"}, "invalid_value"),
        ({"label": "x" * 129}, "invalid_value"),
        ({"value": "12"}, "invalid_value"),
        ({"metadata": {"a": [1]}}, "invalid_value"),
        ({"metadata": {"a": 2**63}}, "invalid_value"),
        ({"metadata": {"x" * 65: 1}}, "invalid_value"),
        ({"metadata": {"a": "x" * 257}}, "invalid_value"),
        ({"metadata": {str(n): n for n in range(17)}}, "invalid_value"),
        ({"category": "maestro", "action": "maestro_selected"}, "label_required"),
        ({"category": "maestro", "action": "maestro_selected", "label": "No Slug!"}, "invalid_value"),
        ({"timestamp": "2001-01-01T00:00:00Z"}, "too_old"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "too_old"),
    ],
)
async def test_a_refused_event_has_a_code_and_a_message(
    gateway: Gateway, changes: dict[str, object], code: str
) -> None:
    answer = await gateway.post(batch(event(), event(**changes)))
    assert answer.status == 202
    assert (answer.json["accepted"], answer.codes) == (1, [code])
    assert answer.json["rejected"][0]["message"]


async def test_a_batch_with_nothing_acceptable_is_a_422_that_says_why(gateway: Gateway) -> None:
    answer = await gateway.post(batch(event(category="gossip"), event(timestamp="2001-01-01T00:00:00Z")))
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.codes == ["unknown_category", "too_old"]
    assert [rejection["index"] for rejection in answer.json["rejected"]] == [0, 1]


async def test_a_number_beyond_a_double_refuses_its_event_only(gateway: Gateway) -> None:
    body = json.dumps(batch(event(value=123.456), event())).replace("123.456", "1e999", 1)
    answer = await gateway.post(body.encode())
    assert (answer.status, answer.codes) == (202, ["invalid_value"])


async def test_a_maestro_is_selected_by_its_slug(gateway: Gateway) -> None:
    chosen = event(category="maestro", action="maestro_selected", label="archimede")
    assert (await gateway.post(batch(chosen))).json == {"accepted": 1, "rejected": []}


async def test_upper_case_ids_are_stored_in_lower_case(gateway: Gateway) -> None:
    user, sent = str(uuid.uuid4()), event()
    upper = {**sent, "eventId": str(sent["eventId"]).upper(), "sessionId": str(sent["sessionId"]).upper()}
    assert (await gateway.post(batch(upper, userId=user.upper()))).status == 202
    (row,) = await gateway.rows(user)
    assert (row["event_id"], row["session_id"], row["user_id"]) == (sent["eventId"], sent["sessionId"], user)


async def test_an_event_sent_twice_in_a_batch_is_accepted_twice(gateway: Gateway) -> None:
    same = event()
    assert (await gateway.post(batch(same, same))).json["accepted"] == 2


async def test_half_an_emoji_in_a_label_does_not_cost_the_batch(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    body = json.dumps(batch(event(label="cut \ud83d"), event(label="whole \U0001f600 \\ud83d"), userId=user))
    answer = await gateway.post(body.encode())
    assert (answer.status, answer.json["accepted"]) == (202, 2)
    labels = [row["label"] for row in await gateway.rows(user)]
    assert labels == ["cut \ufffd", "whole \U0001f600 \\ud83d"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"null",
        b"[]",
        b"{}",
        b'{"events": [NaN]}',
        b"[" * 100_000,
        b'{"sentAt":"2026-05-04T09:30:00Z","events":' + b"[" * 100_000,
        b'\xff{"sentAt":"2026-05-04T09:30:00Z","events":[{}]}',
        b'{"sentAt":"2026-05-04T09:30:00Z","events":[{"label":"\xff"}]}',
    ],
)
async def test_what_is_not_a_batch_is_a_400(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.post(body)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize(
    "changes",
    [
        {"events": []},
        {"events": None},
        {"events": {}},
        {"sentAt": None},
        {"sentAt": "now"},
        {"userId": "me"},
        {"userId": "-" * 36},
        {"address": "Via Roma 1"},
    ],
)
async def test_a_batch_of_another_shape_is_a_400(gateway: Gateway, changes: dict[str, object]) -> None:
    assert (await gateway.post(batch(**changes))).status == 400


async def test_not_a_number_makes_the_whole_body_a_400(gateway: Gateway) -> None:
    assert (await gateway.post(batch(event(), event(value=float("nan"))))).status == 400


async def test_500_events_are_a_batch_and_501_are_not(gateway: Gateway) -> None:
    assert (await gateway.post(batch(*[event() for _ in range(500)]))).json["accepted"] == 500
    assert (await gateway.post(batch(*[event() for _ in range(501)]))).status == 400


async def test_a_client_clock_that_is_off_has_its_timestamps_shifted(gateway: Gateway) -> None:
    user, sent_at = str(uuid.uuid4()), now() - timedelta(days=3)
    old = event(timestamp=rfc3339(sent_at - timedelta(minutes=10)))
    before = now()
    await gateway.post(batch(old, userId=user, sentAt=rfc3339(sent_at)))
    (row,) = await gateway.rows(user)
    assert row["occurred_at"] > rfc3339(before - timedelta(minutes=10, seconds=1))
    assert row["occurred_at"] < row["received_at"]


async def test_a_small_skew_leaves_timestamps_as_they_were_sent(gateway: Gateway) -> None:
    user, sent_at = str(uuid.uuid4()), now() - timedelta(seconds=30)
    local = event(timestamp=(sent_at - timedelta(minutes=10)).isoformat())
    await gateway.post(batch(local, userId=user, sentAt=rfc3339(sent_at)))
    (row,) = await gateway.rows(user)
    assert row["occurred_at"] == rfc3339(sent_at - timedelta(minutes=10))


async def test_an_event_from_the_future_happened_when_it_was_received(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    await gateway.post(
        batch(
            event(timestamp=rfc3339(now() + timedelta(hours=1))),
            event(timestamp="9999-12-31T23:59:59-14:00"),
            userId=user,
        )
    )
    for row in await gateway.rows(user):
        assert row["occurred_at"] == row["received_at"]


@pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_an_absurd_client_clock_is_no_error_of_the_gateway(gateway: Gateway, sent_at: str) -> None:
    answer = await gateway.post(batch(event(), sentAt=sent_at))
    assert answer.status in (202, 422)


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "text/plain;charset=UTF-8", "Text/Plain"])
async def test_json_may_be_sent_as_text_as_beacons_do(gateway: Gateway, media_type: str) -> None:
    assert (await gateway.post(batch(), headers={"Content-Type": media_type})).status == 202


@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, {"Content-Type": ""}, {"Content-Encoding": "br"}])
async def test_other_types_and_encodings_are_a_415(gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await gateway.post(batch(), headers=headers)
    assert answer.status == 415
    assert "Accept" in answer.headers or "Accept-Encoding" in answer.headers


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "zstd", "identity"])
async def test_a_compressed_body_is_inflated(gateway: Gateway, encoding: str) -> None:
    plain = json.dumps(batch(event(), event())).encode()
    body = {"zstd": zstd.compress(plain), "identity": plain}.get(encoding, gzip.compress(plain))
    answer = await gateway.post(body, headers={"Content-Encoding": encoding})
    assert (answer.status, answer.json["accepted"]) == (202, 2)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(json.dumps(batch()).encode())[:-9],
        zstd.compress(json.dumps(batch()).encode())[:-5],
        b"not compressed at all",
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_broken_compressed_body_is_a_400(gateway: Gateway, body: bytes, encoding: str) -> None:
    assert (await gateway.post(body, headers={"Content-Encoding": encoding})).status == 400


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_bomb_is_cut_off_with_413(gateway: Gateway, encoding: str) -> None:
    plain = b" " * (200 * MIB)
    body = zlib.compress(plain, wbits=31) if encoding == "gzip" else zstd.compress(plain)
    assert len(body) < MIB
    answer = await gateway.post(body, headers={"Content-Encoding": encoding})
    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_body_over_one_mebibyte_is_a_413_even_when_its_length_is_not_announced(gateway: Gateway) -> None:
    assert (await gateway.post(b" " * (MIB + 1))).status == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65536

    async with gateway.session.post(
        gateway.url + EVENTS, data=pieces(), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 413


async def test_a_batch_larger_than_a_message_is_split_and_all_of_it_acknowledged(gateway: Gateway) -> None:
    user = str(uuid.uuid4())
    padding = {f"key-{n}": "\u0001" * 256 for n in range(3)}
    body = json.dumps(batch(*[event(metadata=padding) for _ in range(500)], userId=user)).encode()
    assert 2 * MIB < len(body) < 4 * MIB
    answer = await gateway.post(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.json["accepted"]) == (202, 500)
    messages = await gateway.messages(user)
    assert len(messages) > 1
    assert max(len(message.value) for message in messages) <= MAX_MESSAGE_BYTES
    assert sum(len(message.rows) for message in messages) == 500


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_a_405_that_names_the_right_ones(gateway: Gateway, method: str) -> None:
    answer = await gateway.request(method, EVENTS)
    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_body_that_stalls_is_a_408_and_the_connection_is_closed(kafka_bootstrap: str) -> None:
    topic = await create_topic(kafka_bootstrap)
    async with running_gateway(settings(kafka_bootstrap, topic, body_stall_seconds=0.2)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD + b"{")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer


async def test_a_body_that_drips_for_too_long_is_a_408(kafka_bootstrap: str) -> None:
    topic = await create_topic(kafka_bootstrap)
    slow = settings(kafka_bootstrap, topic, body_stall_seconds=5, body_total_seconds=0.3)
    async with running_gateway(slow) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD)
        answer = asyncio.create_task(reader.readline())

        async def drip() -> bool:
            writer.write(b" ")
            return answer.done()

        await until(drip)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_client_that_goes_away_in_the_middle_is_only_counted(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(HEAD + b"{")

    async def is_counted() -> bool:
        return b'requests_total{status="499"} 1.0' in (await gateway.request("GET", "/metrics")).body

    await until(is_counted)


async def test_pipelined_requests_are_answered_in_order_over_one_connection(gateway: Gateway) -> None:
    def raw(method: str, path: str, body: bytes, last: bool) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{'Connection: close' if last else 'X-More: 1'}\r\n\r\n"
        ).encode() + body

    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        raw("POST", EVENTS, json.dumps(batch()).encode(), False)
        + raw("HEAD", "/healthz", b"", False)
        + raw("GET", "/docs", b"", False)
        + raw("POST", EVENTS, b"no", True)
    )
    answers = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers) == [b"202", b"200", b"200", b"400"]
    assert b"connection: close" in answers.rpartition(b"HTTP/1.1 ")[2].lower()


async def test_a_compressed_message_holds_the_same_rows(kafka_bootstrap: str) -> None:
    topic = await create_topic(kafka_bootstrap)
    sent = event()
    user = str(uuid.uuid4())
    async with running_gateway(settings(kafka_bootstrap, topic, kafka_compression="lz4")) as gateway:
        answer = await gateway.post(batch(sent, userId=user))
        assert answer.status == 202
        assert [row["event_id"] for row in await gateway.rows(user)] == [sent["eventId"]]
