"""The committed JSON Schema is current, and says the same as the gateway's own validation."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, FormatChecker

from ingest.problems import Problem
from ingest.validate import read_batch
from schemas.json_schema import FILE, batch_schema, render
from tests.batches import batches

DATE_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-\d{2}[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):?[0-5]\d)\Z"
)
formats = FormatChecker(formats=())


@formats.checks("date-time")
def is_date_time(value: object) -> bool:
    return not isinstance(value, str) or DATE_TIME.match(value) is not None


validator = Draft202012Validator(batch_schema(), format_checker=formats)


def test_the_committed_schema_is_what_the_types_say() -> None:
    assert FILE.read_text() == render(), "run `python -m schemas.json_schema`"


def test_it_is_a_valid_schema_of_its_draft() -> None:
    Draft202012Validator.check_schema(batch_schema())


def has_large_integer(value: object) -> bool:
    """Whether metadata holds an integer beyond 64 bits, which JSON Schema cannot tell from a float."""
    match value:
        case dict():
            return any(has_large_integer(child) for child in value.values())
        case list():
            return any(has_large_integer(child) for child in value)
        case bool():
            return False
        case int():
            return not -(2**63) <= value < 2**63
        case _:
            return False


@settings(max_examples=300)
@given(batches())
def test_schema_and_gateway_agree_on_what_is_acceptable(document: dict[str, object]) -> None:
    events = document["events"]
    assert isinstance(events, list)
    for event in events:
        if isinstance(event, dict) and has_large_integer(event.get("metadata")):
            return
    try:
        accepted = not read_batch(json.dumps(document).encode()).rejected
    except Problem:
        accepted = False
    assert validator.is_valid(document) is accepted


@pytest.mark.parametrize(("label", "valid"), [("archimede", True), (None, False), ("", False), ("Archimede", False)])
def test_selecting_a_maestro_needs_its_slug(label: str | None, valid: bool) -> None:
    event = {
        "eventId": "00000000-0000-4000-8000-000000000000",
        "sessionId": "00000000-0000-4000-8000-000000000000",
        "timestamp": "2026-05-04T09:30:00Z",
        "category": "maestro",
        "action": "maestro_selected",
    }
    if label is not None:
        event["label"] = label
    assert validator.is_valid({"sentAt": "2026-05-04T09:30:00Z", "events": [event]}) is valid
    assert validator.is_valid({"sentAt": "2026-05-04T09:30:00Z", "events": [event | {"action": "voice_session"}]})
