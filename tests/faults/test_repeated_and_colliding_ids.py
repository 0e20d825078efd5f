"""The same id again: from the same client it counts once, from another user it changes nothing for the first."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
import pytest

from infra.clickhouse.migrate import migrate
from processors.dedup import Outcome
from processors.settings import ProcessorSettings
from tests.faults.test_accepted_is_storable import consumed
from tests.gateway import EVENTS, batch, create_topic, event, now, read_topic, rfc3339, until
from tests.gateway_process import Process, gateway_process
from tests.in_process import Processor
from tests.raw_http import connection, post
from tests.servers import ClickHouseAddress

Row = tuple[object, ...]


@dataclass
class Pipeline:
    """A gateway and a processor without a cache of its own, driven by hand."""

    gateway: Process
    bootstrap: str
    topic: str
    settings: ProcessorSettings
    address: ClickHouseAddress
    flushed: int = 0

    async def send(self, document: object) -> None:
        async with self.gateway.session.post(self.gateway.url + EVENTS, json=document) as response:
            assert response.status == 202, await response.text()

    async def process(self) -> dict[Outcome, int]:
        """Stores what came since the last time, as a freshly started processor does, and says what became of it."""
        messages = consumed(await read_topic(self.bootstrap, self.topic))
        fresh, self.flushed = messages[self.flushed :], len(messages)
        processor = Processor(self.settings)
        report = await asyncio.to_thread(processor.flush, *fresh)
        processor.sink.close()
        assert not processor.set_aside
        return dict(report.outcomes)

    async def rows(self, user: object) -> tuple[list[Row], list[Row]]:
        """Everything stored of a user: events, sessions."""

        def ask() -> tuple[list[Row], list[Row]]:
            with clickhouse_connect.get_client(
                **self.address.client_options, database=self.settings.clickhouse_database
            ) as client:
                events, sessions = (
                    client.query(f"SELECT * FROM {view} WHERE user_id = '{user}' ORDER BY ALL").result_rows
                    for view in ("events", "sessions")
                )
                return [tuple(row) for row in events], [tuple(row) for row in sessions]

        return await asyncio.to_thread(ask)


@pytest.fixture
async def pipeline(
    kafka_bootstrap: str, clickhouse: ClickHouseAddress, database: str, tmp_path: Path
) -> AsyncIterator[Pipeline]:
    topic = await create_topic(kafka_bootstrap, partitions=1)
    chosen = ProcessorSettings(**clickhouse.settings(database))
    migrate(chosen)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log") as gateway:
        await until(gateway.is_ready)
        yield Pipeline(gateway, kafka_bootstrap, topic, chosen, clickhouse)


async def test_ids_chosen_to_collide_change_nothing_for_the_user_they_belong_to(pipeline: Pipeline) -> None:
    session = str(uuid.uuid4())
    studied = [event(sessionId=session, timestamp=rfc3339(now()), label=str(n), value=n) for n in range(3)]
    victim = batch(*studied)
    await pipeline.send(victim)
    assert await pipeline.process() == {Outcome.STORED: 3}
    before = await pipeline.rows(victim["userId"])

    taken = [{**made, "action": "quiz_complete", "label": "forged", "value": 99} for made in studied]
    attacks = [
        batch(*taken),
        batch(*taken, userId=str(uuid.uuid4()).upper()),
        batch(*[{**made, "eventId": str(made["eventId"]).upper()} for made in taken]),
        # The victim's user id as an event, a session, and an event as a user.
        batch(event(eventId=victim["userId"], sessionId=victim["userId"]), userId=studied[0]["eventId"]),
        batch(event(sessionId=session)),
    ]
    for attack in attacks:
        await pipeline.send(attack)
    assert await pipeline.process() == {Outcome.STORED: 11}
    assert await pipeline.rows(victim["userId"]) == before

    await pipeline.send(victim)
    assert await pipeline.process() == {Outcome.DUPLICATE: 3}
    assert await pipeline.rows(victim["userId"]) == before


async def test_an_id_known_before_the_victim_uses_it_does_not_suppress_the_victims_event(pipeline: Pipeline) -> None:
    foreseen = event()
    await pipeline.send(batch(foreseen))
    victim = batch(foreseen)
    await pipeline.send(victim)
    assert await pipeline.process() == {Outcome.STORED: 2}
    events, sessions = await pipeline.rows(victim["userId"])
    assert (len(events), len(sessions)) == (1, 1)


async def test_an_answer_that_never_arrives_makes_a_duplicate_of_the_repetition_and_no_second_event(
    pipeline: Pipeline,
) -> None:
    document = batch(event(), event())
    async with connection(pipeline.gateway.port) as opened:
        await opened.send(post(EVENTS, json.dumps(document).encode()))
        opened.reset()

    async def has_arrived() -> bool:
        return len(await read_topic(pipeline.bootstrap, pipeline.topic)) == 1

    await until(has_arrived)
    await pipeline.send(document)
    assert await pipeline.process() == {Outcome.STORED: 2, Outcome.DUPLICATE: 2}
    events, _ = await pipeline.rows(document["userId"])
    assert len(events) == 2


@pytest.mark.parametrize("rude", [True, False], ids=["reset", "closed"])
async def test_a_connection_broken_anywhere_in_a_request_leaves_nothing_behind(pipeline: Pipeline, rude: bool) -> None:
    document = batch(event(), event())
    body = json.dumps(document).encode()
    request = post(EVENTS, body)
    cuts = [1, 20, len(request) - len(body), len(request) - len(body) + 1, len(request) - 1]
    for cut in cuts:
        async with connection(pipeline.gateway.port) as opened:
            await opened.send(request[:cut])
            if rude:
                opened.reset()
            else:
                opened.send_eof()
                assert await opened.read_to_end() == b""

    await pipeline.send(document)
    assert await pipeline.process() == {Outcome.STORED: 2}

    async def holds_nothing() -> bool:
        return await pipeline.gateway.sample("convergio_gateway_inflight_bytes") == 0

    await until(holds_nothing)
    assert await pipeline.gateway.sample('convergio_gateway_requests_total{status="202"}') == 1
    assert await pipeline.gateway.sample('convergio_gateway_requests_total{status="500"}') == 0
