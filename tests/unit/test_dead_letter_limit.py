import pytest

from processors.dead_letters import DeadLetterLimit, TooManyDeadLetters


def limit() -> DeadLetterLimit:
    return DeadLetterLimit(share=0.1, window=100, allowance=5)


def admit(some: DeadLetterLimit, messages: int, dead: int) -> None:
    some.check(messages, dead)
    some.note(messages, dead)


def test_a_few_bad_messages_among_few_stop_nothing() -> None:
    admit(limit(), messages=5, dead=5)


def test_more_than_the_share_stops() -> None:
    some = limit()
    admit(some, messages=50, dead=0)
    with pytest.raises(TooManyDeadLetters, match="8 of the last 60 messages"):
        admit(some, messages=10, dead=8)


def test_a_refused_flush_leaves_no_trace_so_asking_again_is_refused_again() -> None:
    some = limit()
    for _ in range(3):
        with pytest.raises(TooManyDeadLetters, match="10 of the last 10 messages"):
            admit(some, messages=10, dead=10)


def test_old_messages_leave_the_window() -> None:
    some = limit()
    admit(some, messages=5, dead=5)
    for _ in range(20):
        admit(some, messages=10, dead=0)
    admit(some, messages=5, dead=5)


def test_poison_that_trickles_in_above_the_share_stops_in_the_end() -> None:
    some = limit()
    with pytest.raises(TooManyDeadLetters):
        for _ in range(20):
            admit(some, messages=2, dead=1)
