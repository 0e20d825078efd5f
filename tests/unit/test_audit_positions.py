"""How far the running audit is: what it commits to Kafka, what it reads back, and which records it reads again."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from infra.audit.follow.log_reader import _runs
from infra.audit.follow.positions import MOST_WRONG, Position, position_of
from infra.audit.follow.verdict import Violations

TOPIC_ID = "q1Jk9fRrQ0mX3vZtYw5uAA"
KAFKA_METADATA_BYTES = 4096
"""`offset.metadata.max.bytes` of a broker that nobody has configured."""
LARGEST_OFFSET = 10**14 - 1
"""At a million messages a second it takes three years."""


@given(
    st.integers(0, LARGEST_OFFSET).flatmap(
        lambda offset: st.tuples(st.just(offset), st.sets(st.integers(0, max(0, offset - 1)), max_size=MOST_WRONG))
    )
)
def test_a_commit_is_read_back_as_it_was_and_has_room_in_kafka(case: tuple[int, set[int]]) -> None:
    offset, wrong = case
    wrong = {each for each in wrong if each < offset}
    commit = Position(offset, {each: Violations() for each in wrong}).commit(TOPIC_ID)
    assert len(commit.metadata.encode()) <= KAFKA_METADATA_BYTES
    found = position_of(commit, TOPIC_ID)
    assert (found.offset, set(found.wrong)) == (offset, wrong)


def test_as_many_wrong_messages_as_there_may_be_have_room_however_far_back_they_are() -> None:
    position = Position(LARGEST_OFFSET, {offset: Violations() for offset in range(MOST_WRONG)})
    assert position.is_full
    commit = position.commit(TOPIC_ID)
    assert len(commit.metadata.encode()) <= KAFKA_METADATA_BYTES
    assert set(position_of(commit, TOPIC_ID).wrong) == set(range(MOST_WRONG))


def test_a_commit_of_another_topic_of_that_name_and_none_at_all_mean_the_start() -> None:
    commit = Position(7, {3: Violations()}).commit(TOPIC_ID)
    assert position_of(commit, "another") == position_of(None, TOPIC_ID) == Position(0)


def test_it_stays_before_what_it_has_no_room_for() -> None:
    position = Position(0)
    position.found({offset: Violations() for offset in range(0, 2 * MOST_WRONG, 2)}, 1000)
    assert (position.offset, len(position.wrong)) == (1000, MOST_WRONG)
    position.found({1001: Violations()}, 2000)
    assert (position.offset, 1001 in position.wrong) == (1001, False)
    del position.wrong[0]
    position.found({1001: Violations(), 1500: Violations()}, 2000)
    assert (position.offset, 1001 in position.wrong, 1500 in position.wrong) == (1500, True, False)


@given(st.sets(st.integers(0, 60)))
def test_runs_are_the_ranges_of_consecutive_offsets(offsets: set[int]) -> None:
    runs = list(_runs(sorted(offsets)))
    assert [offset for start, stop in runs for offset in range(start, stop)] == sorted(offsets)
    assert all(start < stop for start, stop in runs)
    assert all(stop < start for (_, stop), (start, _) in pairwise(runs)), "neighbours are one run"
