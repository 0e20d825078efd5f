"""What an audit expects to be stored, folded out of messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.audit.sent import Sent
from schemas.envelope import Erasure, EventRow, encode_erasure, encode_events
from schemas.retention import Announcement, Retention

NOW = datetime(2026, 5, 4, tzinfo=UTC)
OLDEST = NOW - timedelta(days=90)
KEPT = Retention(90, (Announcement(NOW - timedelta(days=2), OLDEST.date(), 90),))
USER, OTHER = UUID(int=1), UUID(int=2)


def events(user: UUID, *numbers: int, at: datetime = NOW) -> bytes:
    return encode_events(
        EventRow(
            event_id=str(UUID(int=number)),
            user_id=str(user),
            session_id=str(user),
            category="navigation",
            action="page_view",
            occurred_at=at,
            received_at=NOW,
        )
        for number in numbers
    )


def erasure(user: UUID) -> bytes:
    return encode_erasure(Erasure(user_id=str(user), requested_at=NOW))


def ids(*numbers: int) -> set[bytes]:
    return {UUID(int=number).bytes for number in numbers}


def fold(*messages: tuple[str, bytes], dead: frozenset[tuple[int, int]] = frozenset()) -> Sent:
    sent = Sent(KEPT, dead)
    for offset, (kind, value) in enumerate(messages):
        sent.take(0, offset, kind, value)
    return sent


def test_an_event_sent_twice_is_expected_once() -> None:
    sent = fold(("events", events(USER, 1, 2, 2)), ("events", events(USER, 2, 3)))
    assert sent.kept(USER.bytes) == ids(1, 2, 3)
    assert (sent.rows, sent.unique) == (5, 3)


def test_equal_ids_of_two_users_are_two_events() -> None:
    sent = fold(("events", events(USER, 1)), ("events", events(OTHER, 1)))
    assert sent.unique == 2
    assert set(sent.users()) == {USER.bytes, OTHER.bytes}


def test_what_came_before_an_erasure_is_gone_and_what_came_after_stays() -> None:
    sent = fold(("events", events(USER, 1, 2)), ("erasure", erasure(USER)), ("events", events(USER, 2, 3)))
    assert sent.kept(USER.bytes) == ids(2, 3)
    assert sent.erased(USER.bytes) == ids(1)
    assert (sent.rows, sent.unique, sent.erased_unique) == (4, 4, 2)


def test_an_erasure_touches_no_one_else() -> None:
    sent = fold(("events", events(OTHER, 1)), ("erasure", erasure(USER)))
    assert sent.kept(OTHER.bytes) == ids(1)


def test_what_is_older_than_retention_may_be_missing() -> None:
    sent = fold(("events", events(USER, 1, at=OLDEST - timedelta(seconds=1))), ("events", events(USER, 2, at=OLDEST)))
    assert sent.kept(USER.bytes) == ids(2)
    assert sent.expired(USER.bytes) == ids(1)
    assert sent.unique == 2


def test_a_dead_letter_is_not_expected_until_it_is_sent_again() -> None:
    dead = frozenset({(0, 0)})
    assert fold(("events", events(USER, 1)), dead=dead).kept(USER.bytes) == ids()
    again = fold(("events", events(USER, 1)), ("events", events(USER, 1)), dead=dead)
    assert again.kept(USER.bytes) == ids(1)
    assert (again.rows, again.dead_rows) == (1, 1)


def test_a_message_that_cannot_be_read_is_a_finding_unless_it_is_a_dead_letter() -> None:
    messages = (("events", b"{not json"), ("erasure", b"[]"), ("events", events(USER, 1).replace(b"0", b"x")))
    assert fold(*messages).undecodable == [(0, 0), (0, 1), (0, 2)]
    assert fold(*messages, dead=frozenset({(0, 0), (0, 1), (0, 2)})).undecodable == []
