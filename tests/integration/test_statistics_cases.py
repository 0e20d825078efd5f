"""The cases of `tests/cases/statistics.json`, which the client answers too, through the processor and the exporter."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from exporter import ExporterSettings, create_stats_app
from infra.clickhouse.migrate import migrate
from processors.dedup import Outcome
from processors.envelopes import Message
from processors.settings import ProcessorSettings
from schemas.envelope import EventRow, encode_events, headers, message_key
from tests.exporter import Exporter, ManualClock, running_exporter
from tests.in_process import Processor
from tests.servers import ClickHouseAddress

Case = dict[str, Any]

CASES: list[Case] = json.loads((Path(__file__).parents[1] / "cases" / "statistics.json").read_text())["cases"]


def user(case: Case) -> str:
    """Each case is a person of its own."""
    return str(uuid5(NAMESPACE_URL, case["name"]))


def messages(case: Case, first_offset: int) -> list[Message]:
    """One event a message, in the order of the case."""
    result = []
    for offset, event in enumerate(case["events"], first_offset):
        at = datetime.fromisoformat(event["timestamp"])
        row = EventRow(
            event_id=str(uuid4()),
            user_id=user(case),
            session_id=event["sessionId"],
            category=event["category"],
            action=event["action"],
            label=event.get("label", ""),
            occurred_at=at,
            received_at=at,
        )
        result.append(Message(0, offset, message_key(row.user_id), encode_events([row]), headers("events")))
    return result


def put_through_the_processor(settings: ProcessorSettings, cases: Sequence[Case]) -> None:
    """What arrived of each case in two flushes, by two processors: the second reads what the first has stored."""
    all_messages = [messages(case, 1000 * number) for number, case in enumerate(cases)]
    halves = (
        [each for one in all_messages for each in one[: len(one) // 2]],
        [each for one in all_messages for each in one[len(one) // 2 :]],
    )
    for half in halves:
        processor = Processor(settings)
        with closing(processor.sink):
            report = processor.flush(*half)
        assert report.outcomes == {Outcome.STORED: len(half)}
        assert processor.set_aside == []


@pytest.fixture(scope="module")
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """One database for the module: these tests only look at it."""
    with clickhouse.own_database() as name:
        yield name


@pytest.fixture(scope="module")
async def exporter(clickhouse: ClickHouseAddress, database: str) -> AsyncIterator[Exporter]:
    """The statistics, over a database in which the processor has stored every case."""
    processor = ProcessorSettings(**clickhouse.settings(database))
    migrate(processor)
    put_through_the_processor(processor, CASES)
    settings, clock = ExporterSettings(**clickhouse.settings(database)), ManualClock()
    async with running_exporter(settings, clock, create_stats_app(settings, clock=clock)) as running:
        yield running


def test_no_two_cases_have_one_name() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_server_answers_what_the_client_computes(exporter: Exporter, case: Case) -> None:
    exporter.clock.moment = datetime.fromisoformat(case["now"])
    question = urlencode({"range": "7d", "tz": case["timeZone"]})
    answer = await exporter.get(f"/api/telemetry/stats?{question}", Cookie=f"convergio_uid={user(case)}")
    assert answer.status == 200, answer.text
    told: Any = answer.json()
    expected = case["expected"]
    assert (told["range"]["from"], told["range"]["to"]) == (expected["from"], expected["to"])
    assert told["totals"] == expected["totals"]
    days = {day.pop("date"): day for day in told["days"]}
    assert (len(days), min(days), max(days)) == (7, expected["from"], expected["to"])
    busy = {date: {name: number for name, number in day.items() if number} for date, day in days.items()}
    assert {date: numbers for date, numbers in busy.items() if numbers} == expected["days"]
    assert {each["feature"]: each["count"] for each in told["features"]} == expected["features"]
    assert told["score"]["score"] == expected["score"]
    components = {
        part["name"]: {"value": part["value"], "points": part["points"]} for part in told["score"]["components"]
    }
    assert components == expected["components"]
