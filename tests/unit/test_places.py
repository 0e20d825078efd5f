"""Which messages an erasure covers."""

from __future__ import annotations

import pytest

from processors.envelopes import Message
from processors.places import Place, covers
from schemas.topics import UNKNOWN_TOPIC, Source, dead_letter_headers, source_headers, source_of
from tests.events import uuid

TOPIC, EARLIER = uuid(1), uuid(2)
HERE = Place(TOPIC, 0, 90)
"""Where a redriven message stands now, in the partition that its user's messages go to."""


@pytest.mark.parametrize(
    ("source", "covered"),
    [
        pytest.param(Place(TOPIC, 0, 49), True, id="sent before the erasure"),
        pytest.param(Place(TOPIC, 0, 51), False, id="sent after the erasure"),
        pytest.param(Place(EARLIER, 0, 900), True, id="sent through an earlier topic"),
        pytest.param(Place(TOPIC, 3, 900), True, id="sent through the user's earlier partition"),
        pytest.param(Place(UNKNOWN_TOPIC, 0, 49), True, id="sent before the erasure, the topic unknown"),
        pytest.param(Place(UNKNOWN_TOPIC, 0, 51), False, id="sent after the erasure, the topic unknown"),
    ],
)
def test_an_erasure_covers_what_its_user_sent_before_it(source: Place, covered: bool) -> None:
    assert covers(Place(TOPIC, 0, 50), source, HERE) is covered


def test_an_erasure_in_an_earlier_topic_covers_nothing_of_the_present_one() -> None:
    for offset in (0, 50, 900):
        assert not covers(Place(EARLIER, 0, 500), Place(TOPIC, 0, offset), HERE)


def test_an_erasure_in_an_earlier_topic_covers_what_was_sent_before_it_there() -> None:
    assert covers(Place(EARLIER, 0, 500), Place(EARLIER, 0, 499), HERE)
    assert not covers(Place(EARLIER, 0, 500), Place(EARLIER, 0, 501), HERE)


def test_a_redriven_message_names_its_source_and_a_dead_letter_of_it_names_the_same() -> None:
    own = [("kind", b"events"), ("v", b"1")]
    source = Source("events", 0, 7, EARLIER)
    redriven = Message(0, 90, None, b"", [*own, *source_headers(source)], TOPIC)
    assert redriven.source == Place(EARLIER, 0, 7)
    again = dead_letter_headers(source, "why", b"key", redriven.headers)
    assert source_of(again) == source
    assert [header for header in again if header in own] == own
    assert len({name for name, _ in again}) == len(again)


def test_headers_that_name_no_source_leave_a_message_where_it_is() -> None:
    for headers in ([], [("source-partition", b"x"), ("source-offset", b"1"), ("source-topic", b"t")]):
        message = Message(0, 90, None, b"", headers, TOPIC)
        assert message.source == message.place == HERE


def test_events_redriven_into_another_partition_are_stored_with_the_place_that_brought_them() -> None:
    message = Message(0, 90, None, b"", [("a", b""), ("b", b""), *source_headers(Source("events", 3, 7, TOPIC))], TOPIC)
    assert message.source == Place(TOPIC, 3, 7)
    assert message.stored_place == HERE
