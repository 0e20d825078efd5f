from collections.abc import Sequence

import pytest

from processors.cache import UserCache
from processors.dead_letters import DeadLetter, DeadLetterLimit, SetAsideFailed, TooManyDeadLetters
from processors.envelopes import Message
from processors.flush import Flusher
from processors.settings import ProcessorSettings
from processors.sink import Sink


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


def test_poison_that_kafka_does_not_take_counts_once_however_often_it_is_tried() -> None:
    settings = ProcessorSettings()
    poison = [Message(0, 7, None, b"?", [])]
    caches = {0: UserCache()}
    kafka_is_away = True

    def set_aside(letters: Sequence[DeadLetter]) -> None:
        if kafka_is_away:
            raise SetAsideFailed("Kafka is away")

    flusher = Flusher(settings, Sink(settings), set_aside)
    for _ in range(settings.dead_letter_allowance * 2):
        with pytest.raises(SetAsideFailed):
            flusher.flush(poison, caches)
    kafka_is_away = False
    assert len(flusher.flush(poison, caches).dead_letters) == 1
