"""Delivery is contiguous whatever the consumer brings: nothing is passed over but what the log does not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.envelopes import Message
from processors.ownership import DeliveryError, Fetch, FetchLost, Ownership, Ownerships


def messages(*offsets: int) -> list[Message]:
    return [Message(0, offset, None, b"", []) for offset in offsets]


def offsets(fetch: Fetch | None) -> list[int]:
    return [] if fetch is None else [message.offset for message in fetch.messages]


def test_records_that_follow_each_other_are_handed_on() -> None:
    ownership = Ownership(0, 5)
    admission = ownership.admit(messages(5, 6, 7), position=8)
    assert (offsets(admission.fetch), admission.check) == ([5, 6, 7], False)
    assert ownership.handed_on == 8


def test_a_poll_without_records_at_the_expected_position_is_right() -> None:
    admission = Ownership(0, 5).admit([], position=5)
    assert admission == (None, False)


@pytest.mark.parametrize("found", [messages(9, 10), []])
def test_a_position_ahead_of_what_was_handed_on_is_checked_and_nothing_is_handed_on(found: list[Message]) -> None:
    ownership = Ownership(0, 5)
    assert ownership.admit(found, position=11) == (None, True)
    assert ownership.handed_on == 5


def test_records_that_were_handed_on_before_are_left_out() -> None:
    ownership = Ownership(0, 5)
    ownership.admit(messages(5, 6), position=7)
    assert offsets(ownership.admit(messages(5, 6, 7), position=8).fetch) == [7]


def test_only_the_records_before_a_gap_are_handed_on() -> None:
    ownership = Ownership(0, 5)
    admission = ownership.admit(messages(5, 6, 8), position=9)
    assert (offsets(admission.fetch), admission.check) == ([5, 6], True)


def test_offsets_at_which_a_check_finds_no_record_are_passed_over_and_counted() -> None:
    ownership = Ownership(0, 5)
    admission = ownership.admit(messages(8, 9), position=10, verified=True)
    assert admission.fetch is not None
    assert (offsets(admission.fetch), admission.fetch.begins, admission.fetch.ends) == ([8, 9], 5, 10)
    assert (admission.fetch.missing, admission.check) == (3, False)


def test_all_gaps_of_what_a_check_has_brought_are_passed_over_at_once() -> None:
    admission = Ownership(0, 5).admit(messages(5, 7, 9), position=11, verified=True)
    assert admission.fetch is not None
    assert (offsets(admission.fetch), admission.fetch.missing, admission.check) == ([5, 7, 9], 3, False)


def test_an_end_of_the_log_without_records_is_passed_over_after_a_check() -> None:
    ownership = Ownership(0, 5)
    admission = ownership.admit([], position=6, verified=True)
    assert admission.fetch is not None
    assert (admission.fetch.begins, admission.fetch.ends, admission.fetch.missing) == (5, 6, 1)


def test_a_fetch_that_follows_a_lost_one_is_refused_until_it_is_fetched_again() -> None:
    ownership = Ownership(0, 0)
    first, lost, later = (ownership.admit(messages(offset), offset + 1).fetch for offset in range(3))
    assert first is not None and lost is not None and later is not None
    ownership.receive(first)
    with pytest.raises(FetchLost):
        ownership.receive(later)
    assert ownership.rewind() == 1
    again = ownership.admit(messages(1, 2), 3).fetch
    assert again is not None
    assert [message.offset for message in ownership.receive(again)] == [1, 2]


def test_a_fetch_that_was_received_before_brings_nothing() -> None:
    ownership = Ownership(0, 0)
    fetch = ownership.admit(messages(0, 1), 2).fetch
    assert fetch is not None
    assert len(ownership.receive(fetch)) == 2
    assert ownership.receive(fetch) == []
    assert ownership.received == 2


def test_a_watermark_beyond_what_was_received_is_refused() -> None:
    ownership = Ownership(0, 0)
    ownership.admit(messages(0, 1), 2)
    with pytest.raises(DeliveryError, match="cannot store up to 1"):
        ownership.store(1)


def test_a_log_that_still_holds_the_offset_cannot_be_passed_over() -> None:
    with pytest.raises(DeliveryError, match="the log still holds offset 5"):
        Ownership(0, 5).pass_over(5)


def test_a_revoked_ownership_commits_nothing() -> None:
    ownerships = Ownerships()
    ownership = ownerships.begin(0, 0)
    ownership.receive(Fetch(ownership, 0, messages(0), 1))
    ownership.store(1)
    assert ownerships.committable() == {0: 1}
    ownerships.revoke([0])
    assert (ownerships.committable(), ownership.committable) == ({}, None)


def test_a_watermark_is_committed_once() -> None:
    ownerships = Ownerships()
    ownership = ownerships.begin(0, 3)
    assert ownerships.committable() == {}
    ownership.receive(Fetch(ownership, 3, messages(3), 4))
    ownership.store(4)
    ownership.committed = 4
    assert ownerships.committable() == {}


@given(data=st.data())
def test_whatever_the_consumer_brings_every_record_arrives_once_and_in_order(data: st.DataObject) -> None:
    """The consumer's position jumps, polls are dropped, fetches get lost on their way, and the log has gaps."""
    log = sorted(data.draw(st.sets(st.integers(3, 40), max_size=30)))
    end = data.draw(st.integers(log[-1] + 1 if log else 3, 42))
    ownership = Ownership(0, 3)
    position, received = 3, list[int]()

    def poll(at: int) -> tuple[list[Message], int]:
        held = [offset for offset in log if offset >= at]
        size = data.draw(st.integers(0, len(held)))
        cut = held[:size]
        if size == len(held):
            return messages(*cut), max(at, end) if data.draw(st.booleans()) else (cut[-1] + 1 if cut else at)
        return messages(*cut), cut[-1] + 1 if cut else at

    def deliver(fetch: Fetch | None) -> None:
        if fetch is None or data.draw(st.integers(0, 5)) == 0:
            return
        try:
            received.extend(message.offset for message in ownership.receive(fetch))
        except FetchLost:
            ownership.rewind()

    for _ in range(data.draw(st.integers(0, 30))):
        if data.draw(st.integers(0, 3)) == 0:
            position = data.draw(st.integers(0, end))
        found, position = poll(position)
        if data.draw(st.integers(0, 3)) == 0:
            continue
        admission = ownership.admit(found, position)
        deliver(admission.fetch)
        if admission.check:
            found, position = poll(ownership.handed_on)
            admission = ownership.admit(found, position, verified=True)
            deliver(admission.fetch)
        assert received == [offset for offset in log if offset < ownership.received]
        assert ownership.start <= ownership.stored <= ownership.received <= ownership.handed_on <= end
