"""Rows that decode but that ClickHouse may not want: it takes them or blames them, it is never called unavailable.

What is called unavailable is tried again for ever, so a row that is to blame would stop its partition.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.clickhouse.migrate import migrate
from processors.envelopes import EventBatch, Message, Poison, decode
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, Sink
from schemas.envelope import headers
from tests.servers import ClickHouseAddress

OFFSETS = itertools.count()
COLUMNS = ["category", "value", "metadata", "received_at", "label", "kafka_offset", "epoch", "unknown"]
DEEP = 900


@pytest.fixture(scope="module")
def sink_settings(clickhouse: ClickHouseAddress) -> ProcessorSettings:
    """One database for all rows: they differ in their offsets."""
    processor_settings = ProcessorSettings(**clickhouse.settings(f"test_{uuid4().hex[:12]}"))
    migrate(processor_settings)
    return processor_settings


@pytest.fixture(scope="module")
def sink(sink_settings: ProcessorSettings) -> Iterator[Sink]:
    sink = Sink(sink_settings)
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouseAddress, sink_settings: ProcessorSettings) -> Iterator[Client]:
    name = sink_settings.clickhouse_database
    with clickhouse_connect.get_client(**clickhouse.client_options, database=name) as client:
        yield client
        client.command(f"DROP DATABASE {name} SYNC")


def good_row() -> dict[str, object]:
    moment = datetime.now(UTC).isoformat()
    return {
        **{name: str(uuid4()) for name in ("event_id", "user_id", "session_id")},
        "category": "navigation",
        "action": "page_view",
        "occurred_at": moment,
        "received_at": moment,
    }


def offer(sink: Sink, row: str) -> int | None:
    """The offset under which a row was stored; None if it is poison or was refused."""
    message = Message(0, next(OFFSETS), None, row.encode("utf-8", "surrogatepass") + b"\n", headers("events"))
    try:
        batch = decode(message)
        assert isinstance(batch, EventBatch)
        sink.insert_events(batch.stored_lines(None, 0))
    except (Poison, RowsRefused):
        return None
    return message.offset


def stored(client: Client, offset: int) -> list[tuple[str, int]]:
    query = f"SELECT toString(event_id), epoch FROM events_data WHERE kafka_offset = {offset}"
    return [(str(event), int(epoch)) for event, epoch in client.query(query).result_rows]


def one_member(name: str, value: str) -> str:
    """A good row with one member of the given JSON."""
    return json.dumps({key: each for key, each in good_row().items() if key != name})[:-1] + f',"{name}":{value}}}'


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize(
    "value",
    [
        "null",
        "{}",
        "[1,{}]",
        "true",
        '""',
        '"never"',
        "1e999",
        "-1",
        "99999999999999999999",
        "9" * 4000,
        '"9999-12-31T23:59:59Z"',
        '"0001-01-01T00:00:00Z"',
        '"\\u0000"',
        '"\\ud83d\\ude00"',
        "[" * DEEP + "]" * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
    ],
    ids=lambda value: value[:24],
)
def test_a_strange_value_is_stored_or_blamed(sink: Sink, client: Client, name: str, value: str) -> None:
    row = one_member(name, value)
    offset = offer(sink, row)
    if offset is not None:
        assert stored(client, offset) == [(json.loads(row)["event_id"], 0)]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(datetime.isoformat),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(members=st.dictionaries(st.sampled_from(COLUMNS) | st.text(), values, max_size=4), ascii_only=st.booleans())
@example(members={"kafka_offset": [], "\x80" * 20: None, "é" * 20: None}, ascii_only=False)
@example(members={"kafka_offset": [], "\x80" * 20 + "a": None, "é" * 20: None}, ascii_only=False)
def test_any_members_are_stored_or_blamed(
    sink: Sink, client: Client, members: dict[str, object], ascii_only: bool
) -> None:
    row = good_row() | members
    offset = offer(sink, json.dumps(row, ensure_ascii=ascii_only))
    if offset is not None:
        assert stored(client, offset) == [(row["event_id"], 0)]
