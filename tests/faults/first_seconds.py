"""Seeded random schedules of the first seconds of a topic, of added partitions, and of a consumer group.

That is when a partition holds records and the group has no commit for it. Real processors join, leave (SIGTERM), are
killed, and are paused beyond their session timeout while records come in. At every sampled moment, what is committed is
stored; at the end, everything sent is stored once and committed.

A schedule is a function of its seed. What the processes make of it is not: their timing differs from run to run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

MOST_PROCESSORS = 4
SESSION_TIMEOUT_SECONDS = 6.0
"""The least that a broker allows by default (`group.min.session.timeout.ms`)."""
_PAUSE_SECONDS = (SESSION_TIMEOUT_SECONDS + 0.5, SESSION_TIMEOUT_SECONDS + 2.0)
_LATEST_TRAFFIC_SECONDS = 12.0


class Beginning(StrEnum):
    """What is new."""

    TOPIC = "new topic"
    PARTITIONS = "partitions added while a processor runs"
    GROUP = "new group on a topic that has records"


class Program(StrEnum):
    """What a processor is started as."""

    CONVERGIO = "convergio process"
    FAUST = "faust -A processors worker"
    SLOW = "convergio process with slow rebalances"


class Action(StrEnum):
    """What is done to a processor, or to the topic."""

    JOIN = "is started"
    LEAVE = "is told to stop (SIGTERM)"
    KILL = "is killed"
    PAUSE = "is paused until its session has timed out (SIGSTOP, SIGCONT)"
    ADD = "partitions are added"


class Moment(StrEnum):
    """What a move waits for before its delay."""

    PREVIOUS = "the move before"
    REBALANCE = "a rebalance since the move before"


class Move(NamedTuple):
    """One action, `delay` seconds after a moment. Each start makes a new processor, counted from 0."""

    after: Moment
    delay: float
    action: Action
    processor: int = -1
    pause_seconds: float = 0.0
    added: int = 0


class Traffic(NamedTuple):
    """The records of a partition: how many when it is new, and from `begins` seconds on how many per second."""

    before: int
    begins: float
    rate: float

    def __str__(self) -> str:
        return f"{self.before} then {self.rate:.0f}/s from {self.begins:.1f} s"


@dataclass(frozen=True)
class Schedule:
    """What is done in which order."""

    seed: int
    beginning: Beginning
    partitions: int
    """At first; moves may add more."""
    traffic: tuple[Traffic, ...]
    """Of each partition, also of those that are added."""
    flush_seconds: float
    """How long a flush waits: no first commit comes earlier."""
    clickhouse_seconds: float
    """When ClickHouse can be reached: nothing is committed before."""
    refreshes_metadata: bool
    """Whether consumers look for new partitions every second. If not, only a leader that is new knows of them."""
    program: Program
    moves: tuple[Move, ...]

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        """The schedule of a seed."""
        draw = Random(seed)
        beginning = draw.choice(list(Beginning))
        partitions = draw.choice([2, 4, 8])
        moves = list(_moves(draw))
        if beginning is Beginning.PARTITIONS:
            moves.insert(1, Move(Moment.PREVIOUS, 0.0, Action.ADD, added=draw.randint(1, 4)))
        rate = draw.choice([400.0, 800.0]) / partitions
        return cls(
            seed,
            beginning,
            partitions,
            tuple(
                _traffic(draw, beginning is Beginning.GROUP, rate)
                for _ in range(partitions + sum(move.added for move in moves))
            ),
            flush_seconds=draw.choice([0.5, 1.0, 2.0]),
            clickhouse_seconds=draw.choice([0.0] * 5 + [draw.uniform(3.0, 8.0)]),
            refreshes_metadata=draw.random() < 0.8,
            program=draw.choice([Program.CONVERGIO, Program.FAUST, *[Program.SLOW] * 4]),
            moves=tuple(moves),
        )

    def __str__(self) -> str:
        traffic = ", ".join(map(str, self.traffic))
        metadata = "every second" if self.refreshes_metadata else "by default"
        return (
            f"schedule of seed {self.seed}: {self.beginning}; {self.partitions} partitions at first; "
            f"records by partition: {traffic}; flush after {self.flush_seconds:g} s; "
            f"ClickHouse from {self.clickhouse_seconds:.1f} s; metadata refreshed {metadata}; {self.program}"
        )


def _traffic(draw: Random, some_before: bool, rate: float) -> Traffic:
    """Most partitions are busy from the beginning, so that fetches return at any time; some begin later."""
    before = draw.randint(20, 300) if some_before or draw.random() < 0.3 else 0
    return Traffic(before, draw.choice([0.0, 0.0, draw.uniform(0.0, _LATEST_TRAFFIC_SECONDS)]), rate)


def _moves(draw: Random) -> Iterator[Move]:
    """At most MOST_PROCESSORS run at a time. Some are started close together: they join while the group is new."""
    numbers = itertools.count()
    running = set[int]()
    awake = set[int]()
    departures = draw.choice([0, 1, 1, 2])
    together = draw.randint(2, MOST_PROCESSORS)
    for number in range(together + draw.randint(3, 5)):
        actions = [Action.ADD] * 3
        if len(running) < MOST_PROCESSORS:
            actions += [Action.JOIN] * 2
        if awake and departures:
            actions += [Action.LEAVE] * 2 + [Action.KILL, Action.PAUSE]
        action = Action.JOIN if number < together or not awake else draw.choice(actions)
        if number == together or action is Action.LEAVE:
            # One that is told to stop while it starts would hold the group up for its whole grace.
            after = Moment.REBALANCE
        elif action in (Action.JOIN, Action.ADD):
            after = Moment.PREVIOUS
        else:
            after = draw.choice(list(Moment))
        delay = draw.uniform(0.0, 1.5)
        if action is Action.ADD:
            yield Move(after, delay, action, added=draw.randint(1, 3))
            continue
        if action is Action.JOIN:
            processor = next(numbers)
            running.add(processor)
            awake.add(processor)
            yield Move(after, delay, action, processor)
            continue
        # A younger one may not have joined yet.
        processor = draw.choice(sorted(awake)[: (len(awake) + 1) // 2])
        awake.remove(processor)
        if action is not Action.PAUSE:
            running.remove(processor)
        departures -= 1
        yield Move(after, delay, action, processor, draw.uniform(*_PAUSE_SECONDS) if action is Action.PAUSE else 0.0)
