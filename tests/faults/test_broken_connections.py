"""Connections to ClickHouse that break anywhere: half an answer is no answer, and an insert sent again counts once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import clickhouse_connect
import pytest

from infra.clickhouse.migrate import migrate
from infra.clickhouse.requirements import PROCESSOR, check_server
from infra.local.ports import free_ports
from processors import connection
from processors.dedup import Outcome
from processors.settings import ProcessorSettings
from processors.sink import SinkUnavailable, StoredEvent
from tests.events import expected_sessions, message, sent
from tests.faults.wire import Wire
from tests.in_process import FlushFailed, Processor
from tests.integration.test_flush import sessions
from tests.servers import ClickHouseAddress

EVENTS = 3000
Break = Callable[[Wire, int], None]
BREAKS = [
    pytest.param(Wire.lose_answers, id="no answer"),
    pytest.param(Wire.cut_requests, id="half a request"),
    *(
        pytest.param(partial(Wire.cut_answers, kept_share=share), id=f"{share:.0%} of an answer")
        for share in (0.05, 0.3, 0.5, 0.7, 0.9, 0.99)
    ),
]


@pytest.fixture
async def wire(clickhouse: ClickHouseAddress) -> AsyncIterator[Wire]:
    """On the way to a ClickHouse that is well."""
    async with Wire(free_ports(1)[0], clickhouse.port) as wire:
        yield wire


@pytest.fixture
async def behind_the_wire(clickhouse: ClickHouseAddress, database: str, wire: Wire) -> ProcessorSettings:
    settings = ProcessorSettings(**{**clickhouse.settings(database), "clickhouse_port": wire.port})
    await asyncio.to_thread(migrate, settings)
    return settings


@pytest.mark.parametrize("break_", BREAKS)
@pytest.mark.parametrize("fresh", [False, True], ids=["connected", "connecting"])
async def test_half_an_answer_is_no_answer(
    wire: Wire, behind_the_wire: ProcessorSettings, break_: Break, fresh: bool
) -> None:
    user = sent().user
    processor = Processor(behind_the_wire)
    events = [sent(user) for _ in range(EVENTS)]
    ids = [event.event for event in events]
    await asyncio.to_thread(processor.flush, message(events, 1))

    def read() -> list[StoredEvent] | None:
        if fresh:
            processor.sink.close()
        try:
            return processor.sink.stored_events({user: ids})
        except SinkUnavailable:
            return None

    outcomes: Counter[int | None] = Counter()
    for count in range(1, 7):
        break_(wire, count)
        found = await asyncio.to_thread(read)
        outcomes[None if found is None else len(found)] += 1
        wire.forget()
    assert outcomes.keys() <= {None, EVENTS}
    assert outcomes[None] > 0
    assert len(await asyncio.to_thread(processor.sink.stored_events, {user: ids})) == EVENTS


@pytest.mark.parametrize("kept_share", [0.05, 0.5, 0.9, 0.99])
async def test_a_start_takes_no_broken_connection_for_a_server_that_is_wrong(
    wire: Wire, behind_the_wire: ProcessorSettings, kept_share: float
) -> None:
    for after in range(10):
        wire.cut_answers(2, kept_share, after)
        await asyncio.to_thread(check_server, behind_the_wire, PROCESSOR)
        wire.forget()


@pytest.mark.parametrize("break_", BREAKS)
async def test_a_flush_that_broke_anywhere_is_stored_once_when_it_is_repeated(
    wire: Wire,
    behind_the_wire: ProcessorSettings,
    clickhouse: ClickHouseAddress,
    break_: Break,
) -> None:
    user, session = sent().user, sent().session
    events = [sent(user, session=session, minutes_ago=minutes) for minutes in range(12, 0, -1)]
    processor = Processor(behind_the_wire)
    failures = 0
    for offset, event in enumerate(events):
        break_(wire, 1 + offset % 4)
        while True:
            try:
                await asyncio.to_thread(processor.flush, message([event], offset))
                break
            except FlushFailed:
                failures += 1
                processor.restart()
        wire.forget()
    assert failures > 0
    database = behind_the_wire.clickhouse_database
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        shown = client.query("SELECT count(), uniqExact(event_id) FROM events").result_rows
        assert shown == [(len(events), len(events))]
        assert sessions(client) == expected_sessions(events)


async def test_an_insert_that_timed_out_and_was_done_all_the_same_counts_once(
    wire: Wire, behind_the_wire: ProcessorSettings, clickhouse: ClickHouseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_ANSWER_SECONDS", 0.5)
    user, session = sent().user, sent().session
    events = [sent(user, session=session, minutes_ago=minutes) for minutes in (3, 2, 1)]
    processor = Processor(behind_the_wire)
    loop = asyncio.get_running_loop()
    database = behind_the_wire.clickhouse_database
    with (
        ThreadPoolExecutor(1) as thread,
        clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client,
    ):
        # Connected, and the user is cached: the next question is the insert.
        await loop.run_in_executor(thread, processor.flush, message(events[:1], 1))
        with wire.delayed(1.5), pytest.raises(FlushFailed, match="timed out"):
            await loop.run_in_executor(thread, processor.flush, message(events[1:], 2))
        assert client.query("SELECT count() FROM events").result_rows == [(3,)]
        processor.restart()
        report = await loop.run_in_executor(thread, processor.flush, message(events[1:], 2))
        assert report.outcomes == {Outcome.REDELIVERED: 2}
        assert client.query("SELECT count() FROM events_data").result_rows == [(3,)]
        assert sessions(client) == expected_sessions(events)
