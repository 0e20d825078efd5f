"""Whatever bytes come, decoding gives rows that stand one to a line, or says why not."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processors.envelopes import ErasureRequest, EventBatch, Message, Poison, decode
from schemas.envelope import headers
from tests.events import message, sent

DEEP = 100_000


def row(extra: str = "", at: str = "2026-05-04T09:30:00Z") -> str:
    """A good row, and whatever JSON members come after its own."""
    return (
        f'{{"event_id":"{uuid4()}","user_id":"{uuid4()}","session_id":"{uuid4()}","action":"page_view",'
        f'"occurred_at":"{at}"{extra}}}'
    )


def asking(value: bytes, kind: str = "events") -> Message:
    return Message(0, 0, None, value, [("v", b"1"), ("kind", kind.encode())])


def decoded(message: Message) -> EventBatch | ErasureRequest | None:
    """What came out; None for poison. Anything else that is raised fails the test."""
    try:
        return decode(message)
    except Poison as poison:
        assert str(poison)
        return None


POISON = {
    "nothing": b"",
    "not JSON": b"?",
    "bytes that are no text": b"\xff\xfe\x00",
    "a byte order mark": b"\xef\xbb\xbf" + row().encode() + b"\n",
    "no newline at the end": row().encode(),
    "carriage returns": row().encode() + b"\r\n",
    "an empty line before": f"\n{row()}\n".encode(),
    "an empty line between": f"{row()}\n\n{row()}\n".encode(),
    "an empty line after": f"{row()}\n\n".encode(),
    "a row over two lines": row('\n,"x":1').encode() + b"\n",
    "two rows on one line, one of them over two": (row() + row(',"x":{}\n') + "\n").encode(),
    "a raw newline in a text": row(',"label":"}\n"').encode() + b"\n",
    "a raw newline in a text that is not read": row(',"x":"}\n{"').encode() + b"\n",
    "a list": f"[{row()}]\n".encode(),
    "half a row": row().encode()[:80] + b"\n",
    "half a surrogate pair": row(',"label":"\\ud800"').encode() + b"\n",
    "half a surrogate pair that is not read": row(',"metadata":{"a":"\\udc00"}').encode() + b"\n",
    "a text that is no UTF-8 and is not read": row().encode()[:-1] + b',"metadata":{"a":"\xff"}}\n',
    "a null where a text belongs": row(',"label":null').encode() + b"\n",
    "a time without an offset": row(at="2026-05-04T09:30:00").encode() + b"\n",
    "a time that is none": row(at="2026-02-30T09:30:00Z").encode() + b"\n",
    "a time no table can hold": row(at="9999-12-31T23:59:59Z").encode() + b"\n",
    "an id in capitals": row(f',"event_id":"{str(uuid4()).upper()}"').encode() + b"\n",
    "an id that is none": row(',"event_id":"\\ud83d\\ude00"').encode() + b"\n",
    "an action that nobody knows": row(',"action":"sabotage"').encode() + b"\n",
    "lists in lists in lists": row(',"x":' + "[" * DEEP + "]" * DEEP).encode() + b"\n",
    "objects in objects in objects": row(',"x":' + '{"a":' * DEEP + "1" + "}" * DEEP).encode() + b"\n",
    "lists that never end": b'{"x":' + b"[" * DEEP,
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_poison_is_called_poison(value: bytes) -> None:
    with pytest.raises(Poison):
        decode(asking(value))


@pytest.mark.parametrize(
    "value", [b'{"user_id":' + b"[" * DEEP, b'{"user_id":"\xff"}', b'{"x":' + b'{"a":' * DEEP, b""]
)
def test_an_erasure_that_names_nobody_is_poison(value: bytes) -> None:
    with pytest.raises(Poison):
        decode(asking(value, "erasure"))


def test_braces_and_escaped_newlines_within_texts_are_no_row_ends() -> None:
    batch = decoded(asking((row(r',"label":"}\n{","x":"}{"') + "\n" + row(r',"x":["}\n",{"}\n":{}}]') + "\n").encode()))
    assert isinstance(batch, EventBatch)
    stored = batch.stored_lines([1], 0).splitlines()
    assert [json.loads(line)["event_id"] for line in stored] == [batch.rows[1].event_id]


def test_a_message_may_hold_several_users() -> None:
    batch = decoded(asking(f"{row()}\n{row()}\n".encode()))
    assert isinstance(batch, EventBatch)
    assert len({each.user_id for each in batch.rows}) == 2


header_values = st.none() | st.binary(max_size=8) | st.sampled_from([b"1", b"2", b"events", b"erasure"])
header_lists = st.lists(st.tuples(st.sampled_from(["v", "kind", "", "other"]), header_values), max_size=4)


@given(st.binary() | st.text().map(str.encode), header_lists, st.none() | st.binary())
def test_no_bytes_and_no_headers_make_it_raise_anything_but_poison(
    value: bytes, given_headers: list[tuple[str, bytes]], key: bytes | None
) -> None:
    for wrapped in (given_headers, headers("events"), headers("erasure")):
        decoded(Message(3, 9, key, value, wrapped))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["event_id", "user_id", "session_id", "action", "occurred_at", "label", "epoch", "x", "\ud800"]),
    json_values | st.datetimes().map(datetime.isoformat) | st.uuids().map(str),
    max_size=3,
)
glue = st.sampled_from(["\n", "\n", "\n", "", " ", "\n\n", "\r\n", " \n", "\n "])


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """Rows with members added or replaced, laid out as nobody should."""
    value = draw(st.sampled_from(["", "", "\n", " "]))
    for _ in range(draw(st.integers(1, 4))):
        added = draw(members)
        line = json.dumps(
            json.loads(row()) | added, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 0]))
        )
        value += line + draw(glue)
    return value.encode("utf-8", "surrogatepass")


@given(nearly_good())
@example(message([sent(), sent(), sent()], 0).value)
def test_rows_that_are_taken_stand_one_to_a_line(value: bytes) -> None:
    batch = decoded(asking(value))
    if isinstance(batch, EventBatch):
        lines = value.split(b"\n")
        assert lines.pop() == b""
        assert [json.loads(line)["event_id"] for line in lines] == [each.event_id for each in batch.rows]
        for index in range(len(lines)):
            stored = json.loads(batch.stored_lines([index], 3))
            assert (stored["event_id"], stored["kafka_offset"], stored["epoch"]) == (batch.rows[index].event_id, 0, 3)
