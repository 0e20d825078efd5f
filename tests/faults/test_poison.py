"""Messages that cannot be processed: set aside and redriven, or so many that all stops, or too large to set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.local.probes import answers_ok
from processors.envelopes import Message
from schemas.envelope import headers
from schemas.topics import LARGEST_MESSAGE
from tests.commands import COMMAND
from tests.events import Sent, message, sent
from tests.faults.bugs import CONVERGIO_WITH_BUGS, LABEL_THAT_BREAKS_THE_FOLD, Bug, Bugs
from tests.processors import Pipeline

EVENTS = headers("events")
SECRET = "what a student wrote"
PROCESSOR = (*COMMAND, "process")
BUGGY_PROCESSOR = (*CONVERGIO_WITH_BUGS, "process")


@pytest.fixture
def bugs(tmp_path: Path) -> Bugs:
    return Bugs(tmp_path / "bugs")


def breaking() -> Sent:
    """A valid event at which the fold of a buggy processor raises."""
    return sent(label=LABEL_THAT_BREAKS_THE_FOLD)


def with_member(text: bytes) -> bytes:
    """A good envelope of one event with one more member."""
    return message([sent()], 0).value.replace(b"}\n", b"," + text + b"}\n")


async def letters(pipeline: Pipeline) -> list[dict[str, Any]]:
    listed = await pipeline.convergio("dlq", "list", "--format", "json")
    found: list[dict[str, Any]] = json.loads(listed.output)
    return found


POISON: dict[str, tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]] = {
    "no bytes, no key, no headers": (None, b"", []),
    "no value": (b"key", None, EVENTS),
    "bytes": (None, b"\xff\x00", EVENTS),
    "headers without values": (b"key", message([sent()], 0).value, [("v", None), ("kind", None)]),
    "a header without a value": (b"key", b"?", [*EVENTS, ("trace", None)]),
    "the same header twice": (b"key", message([sent()], 0).value, [*EVENTS, ("v", b"2")]),
    "an erasure of nobody": (b"key", b'{"user_id":"me"}', headers("erasure")),
    "lists in lists": (b"key", with_member(b'"x":' + b"[" * 100_000 + b"]" * 100_000), EVENTS),
    "an empty line": (b"key", message([sent()], 0).value + b"\n" + message([sent()], 0).value, EVENTS),
    "a time of many digits": (
        b"key",
        with_member(b'"extra":1').replace(b'"received_at"', b'"received_at":99999999999999999999,"x"'),
        EVENTS,
    ),
    "a value that is no number": (b"key", with_member(b'"value":"many"'), EVENTS),
    "what ClickHouse quotes when it refuses it": (
        b"key",
        with_member(f'"x":1,"epoch":[],"y":"{SECRET}"'.encode()),
        EVENTS,
    ),
    "an epoch of its own": (b"key", with_member(b'"epoch":7'), EVENTS),
}


async def test_poison_of_every_kind_is_set_aside_and_what_lies_beside_it_is_stored(pipeline: Pipeline) -> None:
    for number, (key, value, given) in enumerate(POISON.values()):
        await pipeline.send(message([sent()], 0, partition=number % 2))
        await pipeline.producer.send_and_wait(
            pipeline.settings.events_topic, value, key=key, partition=number % 2, headers=list(given)
        )
        await pipeline.send(message([sent()], 0, partition=number % 2))
    async with pipeline.processor(PROCESSOR) as process:
        await pipeline.until_committed()
        assert pipeline.stored() == 2 * len(POISON)
        assert process.returncode is None
    log = pipeline.log.read_text()
    assert log.count('"dead letter"') == len(POISON)
    assert SECRET not in log
    assert len(await letters(pipeline)) == len(POISON)
    for letter in (await letters(pipeline))[::5]:
        assert letter["reason"]
        await pipeline.convergio("dlq", "show", letter["letter"])
    audit = json.loads((await pipeline.convergio("audit", "--format", "json")).output)
    assert (audit["good"], audit["dead_letters"], audit["stored"]) == (True, len(POISON), 2 * len(POISON))
    await pipeline.convergio("dlq", "redrive")
    assert await pipeline.lag() == len(POISON)


async def test_what_the_fold_raised_at_is_stored_once_by_a_redrive_after_the_fix(
    pipeline: Pipeline, bugs: Bugs
) -> None:
    user, session = str(uuid4()), str(uuid4())
    unharmed = [sent(user, session=session, minutes_ago=minutes) for minutes in (9, 5)]
    harmed = [sent(user, session=session, minutes_ago=minutes, label=LABEL_THAT_BREAKS_THE_FOLD) for minutes in (7, 6)]
    await pipeline.send(message(unharmed[:1], 0))
    await pipeline.send(message([*harmed, unharmed[1]], 0))
    await pipeline.send(message(unharmed[1:], 0))
    bugs.plant(Bug.FOLD_RAISES)
    async with pipeline.processor(BUGGY_PROCESSOR, bugs.environment):
        await pipeline.until_committed()
        assert pipeline.stored() == 2
    assert [letter["letter"] for letter in await letters(pipeline)] == ["0:1"]
    async with pipeline.processor():
        for _ in range(2):
            await pipeline.convergio("dlq", "redrive")
            await pipeline.until_committed()
            assert pipeline.stored() == 4
    ((events, study_ms),) = pipeline.rows("SELECT events, study_ms FROM sessions")
    assert (events, study_ms) == (4, 4 * 60_000)


async def test_when_all_is_poison_it_halts_and_says_why_and_the_fixed_one_stores_everything(
    pipeline: Pipeline, bugs: Bugs
) -> None:
    for number in range(60):
        await pipeline.send(message([breaking()], 0, partition=number % 2))
    bugs.plant(Bug.FOLD_RAISES)
    async with pipeline.processor(BUGGY_PROCESSOR, bugs.environment):
        await pipeline.until_trouble("readyz", "Deploy a processor that understands them")
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await pipeline.lag() == 60
    assert await letters(pipeline) == []
    async with pipeline.processor():
        await pipeline.until_committed()
    assert pipeline.stored() == 60


async def test_poison_too_large_for_the_dead_letters_waits_until_there_is_room_for_it(pipeline: Pipeline) -> None:
    huge = b"?" * (LARGEST_MESSAGE - 200)
    await pipeline.send(message([sent()], 0))
    await pipeline.send(Message(0, 0, b"key", huge, EVENTS))
    await pipeline.send(message([sent()], 0))
    async with pipeline.processor() as process:
        await pipeline.until_trouble("readyz", "convergio migrate")
        assert "partition 0 offset 1" in await pipeline.trouble("readyz")
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert await pipeline.lag() > 0
        await pipeline.convergio("migrate", "--no-tables")
        await pipeline.until_committed()
        assert process.returncode is None
    assert pipeline.stored() == 2
    assert [(letter["letter"], letter["bytes"]) for letter in await letters(pipeline)] == [("0:1", len(huge))]
    await pipeline.convergio("dlq", "redrive")
    assert await pipeline.lag() == 1


async def test_a_good_message_of_eight_megabytes_is_stored(pipeline: Pipeline) -> None:
    user, session = str(uuid4()), str(uuid4())
    events = [sent(user, session=session, minutes_ago=number / 200) for number in range(30_000)]
    large = message(events, 0)
    assert len(large.value) > 8_000_000
    await pipeline.send(large)
    async with pipeline.processor():
        await pipeline.until_committed()
    assert pipeline.stored() == len(events)
    assert await letters(pipeline) == []
