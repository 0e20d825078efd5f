"""The verdicts on events: both ways of reaching them agree, and ids are recognised for what they are."""

from __future__ import annotations

import json
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import validate
from ingest.problems import Problem
from ingest.validate import Refusal, Submission, judge, read_batch
from schemas.events import AnyEvent
from schemas.ids import are_canonical, canonical_uuid
from tests.batches import batches, good_events


def encode(document: object) -> bytes:
    return json.dumps(document).encode()


@given(batches())
def test_the_fast_way_gives_the_same_verdicts_as_the_slow_one(document: dict[str, object]) -> None:
    body = encode(document)
    try:
        slow: Submission | Problem | None = validate._slow(body)
    except (msgspec.DecodeError, Problem):
        slow = None
    fast = validate._fast(body) if slow is not None else None
    if fast is not None:
        assert isinstance(slow, Submission)
        assert fast.user_id == slow.user_id
        assert fast.sent_at == slow.sent_at
        assert list(fast.events) == list(slow.events)
        assert list(fast.places) == list(slow.places)
        assert fast.rejected == slow.rejected == []


@given(st.lists(good_events(), min_size=1, max_size=5))
def test_good_events_in_lower_case_take_the_fast_way(events: list[dict[str, object]]) -> None:
    submission = validate._fast(encode({"sentAt": "2026-05-04T09:30:00Z", "events": events}))
    assert submission is not None
    assert [event.eventId for event in submission.events] == [event["eventId"] for event in events]


@given(batches())
def test_every_event_of_a_batch_is_either_acceptable_or_refused(document: dict[str, object]) -> None:
    submission = read_batch(encode(document))
    places = [*submission.places, *(refused.index for refused in submission.rejected)]
    events = document["events"]
    assert isinstance(events, list)
    assert sorted(places) == list(range(len(events)))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_read_but_never_an_error(body: bytes) -> None:
    try:
        read_batch(body)
    except Problem as problem:
        assert problem.status == 400


@given(st.text("0123456789abcdefABCDEF-gG\u00e9", min_size=36, max_size=36) | st.uuids().map(str))
def test_an_id_is_canonical_exactly_if_it_is_a_uuid_in_lower_case(text: str) -> None:
    try:
        expected = str(uuid.UUID(text)) == text
    except ValueError:
        expected = False
    assert are_canonical([text]) is expected
    assert (canonical_uuid(text) == text) is expected


@given(st.lists(st.uuids().map(str), min_size=1, max_size=4), st.integers(0, 143), st.sampled_from("-gA0"))
def test_one_wrong_character_among_many_ids_is_noticed(ids: list[str], at: int, wrong: str) -> None:
    joined = "".join(ids)
    at %= len(joined)
    spoiled = joined[:at] + wrong + joined[at + 1 :]
    pieces = [spoiled[start : start + 36] for start in range(0, len(spoiled), 36)]
    assert are_canonical(pieces) is all(canonical_uuid(piece) == piece for piece in pieces)


@pytest.mark.parametrize(
    "text", ["", "00000000000040008000000000000000", "{00000000-0000-4000-8000-000000000000}", "é" * 36]
)
def test_other_spellings_of_a_uuid_are_not_accepted(text: str) -> None:
    assert canonical_uuid(text) is None


@pytest.mark.parametrize(("raw", "field"), [(b"1", ""), (b"{}", "category"), (b'{"category":"x"}', "category")])
def test_a_refusal_names_the_field(raw: bytes, field: str) -> None:
    verdict = judge(raw)
    assert isinstance(verdict, Refusal)
    assert field in verdict.message


def test_an_integer_in_metadata_has_64_bits_and_a_float_may_be_larger() -> None:
    def verdict(number: str) -> AnyEvent | Refusal:
        return judge(
            b'{"eventId":"00000000-0000-4000-8000-000000000000","sessionId":"00000000-0000-4000-8000-000000000000",'
            b'"timestamp":"2026-05-04T09:30:00Z","category":"tools","action":"tool_created","metadata":{"n":%s}}'
            % number.encode()
        )

    for accepted in ("9223372036854775807", "-9223372036854775808", "1e30", "1.5"):
        assert not isinstance(verdict(accepted), Refusal)
    for refused in ("9223372036854775808", "-9223372036854775809", "1" + "0" * 40, "1e999"):
        found = verdict(refused)
        assert isinstance(found, Refusal)
        assert found.code == "invalid_value"


surrogate_pieces = st.sampled_from(
    [
        "\\",
        "\\\\",
        "\\n",
        "u",
        "d83d",
        "\\ud83d",
        "\\uDE00",
        "\\ud83d\\ude00",
        "\\u00e9",
        "a",
        "\n",
        '"',
        "\\u",
        "\\ud8",
    ]
)


@given(st.lists(surrogate_pieces, max_size=10).map("".join))
def test_lone_surrogates_are_replaced_as_python_would_and_nothing_else_is_touched(text: str) -> None:
    document = f'["{text}"]'
    try:
        expected = json.loads(document, strict=False)
    except json.JSONDecodeError:
        return
    repaired = json.loads(validate._repair_surrogates(document.encode()), strict=False)
    whole = [part.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for part in expected]
    assert repaired == whole


def test_a_body_of_nothing_but_lone_surrogates_is_left_alone() -> None:
    body = b"\\ud83d" * (validate.MOST_REPAIRS + 1)
    assert validate._repair_surrogates(body) == body
    assert validate._repair_surrogates(body[6:]) == b"\\ufffd" * validate.MOST_REPAIRS


@pytest.mark.parametrize("body", [b'{"%s": 1}', b'{"sentAt": "2026-05-04T09:30:00Z", "events": [{"%s": 1}]}'])
def test_a_refusal_does_not_quote_what_is_long(body: bytes) -> None:
    try:
        (rejection,) = read_batch(body % (b"x" * 10_000)).rejected
        message = rejection.message
    except Problem as problem:
        message = problem.detail
    assert len(message) <= validate.LONGEST_MESSAGE + 1
