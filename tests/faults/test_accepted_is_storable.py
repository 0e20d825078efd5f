"""What the gateway answers 202, the processors can store, to the last digit: no dead letter, no refused row."""

from __future__ import annotations

import asyncio
import http.client
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clickhouse.migrate import migrate
from processors.envelopes import Message as Consumed
from processors.settings import ProcessorSettings
from tests.batches import Event, good_events, spoiled_events
from tests.gateway import EVENTS, Message, create_topic, event, now, read_topic, rfc3339, until
from tests.gateway_process import Process, gateway_process
from tests.in_process import Processor
from tests.servers import ClickHouseAddress

EXAMPLES = 300

odd_text = st.text(st.characters() | st.characters(categories=["Cs", "Cc", "Cf", "Co", "Cn"]), max_size=12) | (
    st.sampled_from(
        ["\0", '"', "'", "\\", "\n", "\r\n", "\t", "\\N", "null", "{}", "\ud83d", "🧑‍🚀", "\u2028", "x" * 128]
    )
)
odd_numbers = (
    st.sampled_from([1e308, -1e308, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 0.1, -0.0, 0, 1e-5, 1e16])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**300), 10**300)
    | st.integers(-(2**63), 2**64)
)
odd_metadata = st.dictionaries(
    odd_text | st.sampled_from(["", "a.b", "__proto__", "k" * 64]),
    odd_text | odd_numbers | st.booleans() | st.just("v" * 256),
    max_size=16,
)


@st.composite
def odd_moments(draw: st.DrawFn) -> str:
    """RFC 3339 from the usual to the edge of what a calendar holds."""
    if draw(st.booleans()):
        moment = now() - draw(st.timedeltas(timedelta(days=-2), timedelta(days=92)))
        digits = draw(st.integers(0, 12))
        fraction = f"{moment.microsecond:06}{draw(st.integers(0, 10**6 - 1)):06}"[:digits]
        offset = draw(st.sampled_from(["Z", "z", "+00:00", "-00:00", "+23:59", "-23:59", "+05:30"]))
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + offset
    year = draw(st.sampled_from([0, 1, 1969, 1970, 1971, 2038, 2106, 2149, 2299, 2300, 9999, 10000]))
    rest = draw(st.sampled_from(["01-01T00:00:00", "12-31T23:59:59.999999999", "06-30T23:59:60", "02-29T12:00:00"]))
    return f"{year:04}-{rest}" + draw(st.sampled_from(["Z", "+23:59", "-23:59"]))


@st.composite
def odd_events(draw: st.DrawFn) -> Event:
    made: Event = event(timestamp=draw(odd_moments()))
    if draw(st.booleans()):
        made["label"] = draw(odd_text)
    if draw(st.booleans()):
        made["value"] = draw(odd_numbers)
    if draw(st.booleans()):
        made["metadata"] = draw(odd_metadata)
    return made


@st.composite
def odd_batches(draw: st.DrawFn) -> dict[str, object]:
    events = draw(st.lists(odd_events() | good_events() | spoiled_events(), min_size=1, max_size=5))
    sent_at = draw(st.just(rfc3339(now())) | odd_moments() | st.just("2026-05-04T09:30:00Z"))
    return {"userId": str(uuid.uuid4()), "sentAt": sent_at, "events": events}


@pytest.fixture
async def gateway(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[tuple[Process, str]]:
    topic = await create_topic(kafka_bootstrap)
    async with gateway_process(kafka_bootstrap, topic, tmp_path / "log") as process:
        await until(process.is_ready)
        yield process, topic


def post_what_comes_to_mind(port: int) -> int:
    """Returns how many events the gateway accepted."""
    accepted = 0
    connection = http.client.HTTPConnection("127.0.0.1", port)

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(odd_batches(), st.booleans())
    def post(batch: dict[str, object], escaped: bool) -> None:
        nonlocal accepted
        body = json.dumps(batch, ensure_ascii=escaped).encode("utf-8", "replace")
        connection.request("POST", EVENTS, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        read = json.loads(answer.read())
        assert answer.status in (202, 400, 422), read
        accepted += read.get("accepted", 0)

    post()
    connection.close()
    return accepted


def consumed(messages: list[Message]) -> list[Consumed]:
    return [
        Consumed(message.partition, offset, message.key.encode(), message.value, list(message.headers.items()))
        for offset, message in enumerate(messages)
    ]


def as_stored(row: dict[str, Any]) -> tuple[object, ...]:
    """A row of a message as ClickHouse must give it back: milliseconds cut off, everything else unchanged."""
    at = datetime.fromisoformat(row["occurred_at"]).astimezone(UTC)
    return (
        row["user_id"],
        row["event_id"],
        row["session_id"],
        at.replace(microsecond=at.microsecond // 1000 * 1000),
        row["category"],
        row["action"],
        row.get("label", ""),
        repr(float(row.get("value", 0.0))),
        row.get("metadata", {}),
    )


def stored(address: ClickHouseAddress, database: str) -> list[tuple[object, ...]]:
    with clickhouse_connect.get_client(**address.client_options, database=database) as client:
        rows = client.query(
            "SELECT toString(user_id), toString(event_id), toString(session_id), occurred_at, category, action, label,"
            " value, metadata FROM events"
        ).result_rows
    return [(*row[:3], row[3].replace(tzinfo=UTC), *row[4:7], repr(row[7]), json.loads(row[8] or "{}")) for row in rows]


async def test_every_event_answered_202_is_stored_as_it_was_accepted(
    gateway: tuple[Process, str], kafka_bootstrap: str, clickhouse: ClickHouseAddress, database: str
) -> None:
    process, topic = gateway
    accepted = await asyncio.to_thread(post_what_comes_to_mind, process.port)
    messages = await read_topic(kafka_bootstrap, topic)
    sent = [row for message in messages for row in message.rows]
    assert len(sent) == accepted > EXAMPLES / 4

    processor_settings = ProcessorSettings(**clickhouse.settings(database))
    migrate(processor_settings)
    processor = Processor(processor_settings)
    report = await asyncio.to_thread(processor.flush, *consumed(messages))
    processor.sink.close()
    assert [letter.reason for letter in [*report.dead_letters, *processor.set_aside]] == []

    # Of an event that came twice the first is stored.
    expected = {row[:2]: row for row in map(as_stored, reversed(sent))}
    found = {row[:2]: row for row in await asyncio.to_thread(stored, clickhouse, database)}
    assert found.keys() == expected.keys()
    assert [(found[key], row) for key, row in expected.items() if found[key] != row] == []
    assert sum(report.outcomes.values()) == accepted
