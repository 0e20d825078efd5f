"""`convergio simulate` against a real gateway: a good client, with an honest ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from infra.local.ports import free_ports
from infra.simulate import client as client_module
from infra.simulate.client import EVENTS_PATH, GatewayClient
from infra.simulate.plan import ClientBatch, SentEvent
from tests.commands import Convergio
from tests.gateway import Gateway, create_topic, running_gateway, settings
from tests.oracle import read_ledger


async def acknowledged(gateway: Gateway) -> Counter[tuple[str, str, datetime]]:
    """(user, event, time) of every row in the gateway's topic."""
    return Counter(
        (row["user_id"], row["event_id"], datetime.fromisoformat(row["occurred_at"]))
        for message in await gateway.messages()
        for row in message.rows
    )


def said_to_be(lines: list[dict[str, str]]) -> Counter[tuple[str, str, datetime]]:
    """The same out of a ledger."""
    return Counter(
        (line["user"], line["event"], datetime.fromisoformat(line["occurred_at"]))
        for line in lines
        if line["answer"] == "accepted"
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.ndjson"


async def test_the_ledger_is_what_kafka_holds(kafka_bootstrap: str, ledger: Path) -> None:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    async with running_gateway(chosen) as gateway:
        result = await Convergio()(
            *("simulate", "--url", gateway.url, "--events", "1500", "--users", "30", "--days", "5"),
            *("--duplicates", "0.1", "--late", "0.1", "--bad", "0.05", "--ledger", str(ledger)),
        )
        lines = read_ledger(ledger)
        assert await acknowledged(gateway) == said_to_be(lines)
    assert "0 unanswered" in result.output
    assert [line for line in lines if line["answer"] != line["expected"]] == []
    assert len({line["event"] for line in lines if line["answer"] == "accepted"}) == 1500


async def test_a_client_that_is_told_to_wait_comes_back_until_all_is_accepted(
    kafka_bootstrap: str, ledger: Path
) -> None:
    chosen = settings(
        kafka_bootstrap,
        await create_topic(kafka_bootstrap),
        rate_limit_enabled=True,
        address_requests_per_second=20,
        address_requests_burst=5,
    )
    async with running_gateway(chosen) as gateway:
        result = await Convergio()("simulate", "--url", gateway.url, "--events", "800", "--ledger", str(ledger))
        assert await acknowledged(gateway) == said_to_be(read_ledger(ledger))
    assert "0 unanswered; 0 batches tried again" not in result.output
    answers = Counter(line["answer"] for line in read_ledger(ledger))
    assert answers["unanswered"] == 0
    assert answers["accepted"] >= 800


async def test_a_client_that_is_told_to_hurry_gives_up_so_many_seconds_later_however_long_it_has_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "_LONGEST_PAUSE", 0.05)
    clock, up = asyncio.get_running_loop().time, False

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"accepted": 1, "rejected": []}, status=202) if up else web.Response(status=502)

    app = web.Application()
    app.router.add_post(EVENTS_PATH, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    event = SentEvent(eventId="1", category="navigation", action="page_view", timestamp="2026-05-04T12:00:00Z")
    try:
        async with aiohttp.ClientSession() as session:
            client = GatewayClient(session, [f"http://127.0.0.1:{port}"])
            began, delivery = clock(), asyncio.create_task(client.deliver(ClientBatch("user", [event])))

            async def tried_for(seconds: float, retries: int) -> None:
                while clock() - began < seconds or client.deliveries.retries < retries:
                    assert not delivery.done(), "given up"
                    await asyncio.sleep(0.005)

            await tried_for(5.0, 1)
            client.hurry(4.9)
            await tried_for(0.0, client.deliveries.retries + 2)
            up = True
            assert await delivery == ["accepted"]
    finally:
        await runner.cleanup()


async def test_a_gateway_that_wants_a_key_gets_one(kafka_bootstrap: str, ledger: Path) -> None:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap), write_keys="a-write-key")
    async with running_gateway(chosen) as gateway:
        arguments = ("simulate", "--url", gateway.url, "--events", "30", "--bad", "0", "--ledger", str(ledger))
        await Convergio()(*arguments, "--write-key", "a-write-key")
        refused = await Convergio()(*arguments, code=1)
    assert "http_401" in refused.errors
    assert {line["answer"] for line in read_ledger(ledger)} == {"accepted", "http_401"}


async def test_it_keeps_to_the_asked_time(kafka_bootstrap: str) -> None:
    chosen = settings(kafka_bootstrap, await create_topic(kafka_bootstrap))
    async with running_gateway(chosen) as gateway:
        result = await Convergio()("simulate", "--url", gateway.url, "--rate", "50", "--seconds", "1")
    assert "0 unanswered" in result.output
