"""A seeded explorer of interleavings: processors, their crashes, sleeps and unsure inserts, against the real engine.

One `random.Random(seed)` makes every choice, so a schedule is its seed. Two processors share two partitions of a log;
each stops at every step of its work and before every statement, and the scheduler says who goes on, who dies, who
loses a partition in the middle of anything, and what becomes of a statement. After each statement that wrote, what
people read is compared with what may be read at that moment; at the end with the oracle.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from clickhouse_connect.driver.client import Client

from processors.settings import ProcessorSettings
from processors.sink import Sink, SinkUnavailable
from tests.faults.group import Group
from tests.faults.owners import IDLE, Owner, Work, no_stops, stop_owners_at_steps
from tests.faults.promises import Promises
from tests.faults.traffic import Traffic, moment

PARTITIONS = 2
MOMENTS = {
    "stored_events",
    "erasures",
    "insert_events",
    "insert_sessions",
    "erase_totals",
    "erase_mark",
    "erase_events",
}
"""The statements before which an owner most often falls asleep and loses its partition."""
MESSAGES_AT_FIRST = 16
HOUR_MS = 3_600_000
LONGEST_WAIT_HOURS = 23
"""A day is closed two days after it left retention: a message may wait for one, and a session may last for one."""


class Broken(AssertionError):
    """The promise is broken; the message holds the seed and the schedule."""


class Fate(StrEnum):
    """What becomes of a statement."""

    DONE = "done"
    FAILED = "failed"
    UNHEARD = "done with the answer lost"
    DELAYED = "reported as failed and done later"


@dataclass
class Delayed:
    """A statement whose caller was told that it failed."""

    name: str
    run: Callable[[], Any]


@dataclass
class Faults:
    """What was done to the processors, by kind."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))


class Explorer:
    """One schedule."""

    def __init__(
        self, seed: int, settings: ProcessorSettings, sink: Sink, client: Client, faults: Faults, start_ms: int
    ) -> None:
        self.seed = seed
        self.trace: list[str] = []
        self._draw = random.Random(seed)
        self._settings = settings
        self._sink = sink
        self._faults = faults
        self._now_ms = start_ms
        self._traffic = Traffic(self._draw, PARTITIONS, settings.retention_days)
        self._group = Group(PARTITIONS, self._draw)
        self._owners: list[Owner] = []
        self._asleep: dict[Owner, int] = {}
        self._delayed: list[Delayed] = []
        self._promises = Promises(client, self._group.log, settings.retention_days)
        self._names = 0

    def run(self, steps: int) -> None:
        """Plays the schedule and compares the end with the oracle; raises `Broken`."""
        stop_owners_at_steps()
        try:
            for _ in range(2):
                self._start_owner()
            for partition in range(PARTITIONS):
                self._give(partition, self._owners[partition])
            for _ in range(MESSAGES_AT_FIRST):
                self._append()
            for _ in range(steps):
                self._choose()
            self._finish()
            self._promises.expect_the_end(self._now_ms)
        except Exception as error:
            raise self._broken(error) from error
        finally:
            for owner in self._owners:
                owner.end()
            no_stops()

    # What the scheduler may do.

    def _choose(self) -> None:
        for owner in [owner for owner, steps in self._asleep.items() if steps <= 0]:
            del self._asleep[owner]
            self._note(f"{owner.name} wakes up")
        for owner in self._asleep:
            self._asleep[owner] -= 1
        action = self._draw.choices(
            [self._step, self._append, self._crash, self._move, self._sleep, self._land, self._tick, self._days],
            [78, 6, 2, 2, 2, 4, 3, 2],
        )[0]
        action()

    def _step(self) -> None:
        awake = [owner for owner in self._owners if owner not in self._asleep]
        if not awake:
            return
        owner = self._draw.choice(awake)
        ours = self._group.partitions_of(owner)
        if ours and owner.stop and owner.stop.name in MOMENTS and self._draw.random() < 0.15:
            self._lose(self._draw.choice(ours), owner)
        else:
            self._advance(owner, faults=True)

    def _append(self) -> None:
        partition = self._draw.randrange(PARTITIONS)
        entry = self._traffic.entry(partition, self._now_ms)
        offset = self._group.append(partition, entry, self._now_ms)
        self._note(f"message {partition}/{offset}: {self._traffic.told(entry)}")

    def _crash(self) -> None:
        owner = self._draw.choice(self._owners)
        self._count("crashes")
        self._note(f"{owner.name} dies at {self._place(owner)}")
        owner.end()
        self._owners.remove(owner)
        self._asleep.pop(owner, None)
        orphans = self._group.leave(owner)
        self._start_owner()
        for partition in orphans:
            self._give(partition, self._draw.choice(self._owners))

    def _move(self) -> None:
        """A partition goes to another owner, or comes back to the same; the old one may be in the middle of it."""
        partition = self._draw.randrange(PARTITIONS)
        self._lose(partition, self._group.holder(partition))

    def _lose(self, partition: int, owner: Owner) -> None:
        if owner.stop is not None and owner.stop.name != IDLE:
            self._count("partitions lost in the middle of work")
            if self._draw.random() < 0.9:
                self._asleep[owner] = self._draw.randint(30, 160)
                self._count("sleeps past ownership")
        others = [other for other in self._owners if other is not owner]
        self._give(partition, self._draw.choice([owner, *others, *others, *others]))

    def _sleep(self) -> None:
        owner = self._draw.choice(self._owners)
        self._asleep[owner] = self._draw.randint(3, 60)
        self._note(f"{owner.name} falls asleep at {self._place(owner)}")

    def _land(self) -> None:
        if self._delayed:
            delayed = self._delayed.pop(self._draw.randrange(len(self._delayed)))
            self._note(f"lands late: {delayed.name}")
            delayed.run()
            self._promises.expect_any_moment()

    def _tick(self) -> None:
        since_ms = self._group.waiting_since()
        if since_ms is None:
            hours = self._draw.choice([0.1, 1, 7, 24, 30, 48, 80, 24 * 8])
        else:
            hours = min(self._draw.choice([0.1, 1, 7, 24]), (since_ms - self._now_ms) / HOUR_MS + LONGEST_WAIT_HOURS)
        if hours > 0:
            self._now_ms += round(hours * HOUR_MS)
            self._note(f"the clock shows {moment(self._now_ms):%m-%d %H:%M}")

    def _days(self) -> None:
        idle = [owner for owner in self._owners if owner.stop and owner.stop.name == IDLE]
        if idle:
            owner = self._draw.choice(idle)
            self._note(f"{owner.name} looks for days to close")
            owner.resume(Owner.close_days)

    # How one owner goes on.

    def _advance(self, owner: Owner, faults: bool) -> bool:
        """Lets an owner do one thing; False if there is nothing for it to do."""
        assert owner.stop is not None
        if owner.stop.name == IDLE:
            work = self._work_of(owner)
            if work is None:
                return False
            owner.resume(work)
        elif owner.stop.statement is None:
            owner.resume()
        else:
            self._state(owner, owner.stop.name, owner.stop.statement, owner.stop.writes, faults)
        if owner.failure is not None:
            raise owner.failure
        return True

    def _state(self, owner: Owner, name: str, statement: Callable[[], Any], writes: bool, faults: bool) -> None:
        fates = [Fate.DONE, Fate.FAILED, Fate.UNHEARD, Fate.DELAYED if writes else Fate.FAILED]
        fate = self._draw.choices(fates, [82, 6, 6, 6])[0] if faults else Fate.DONE
        self._note(f"{owner.name}: {name}" + ("" if fate is Fate.DONE else f" ({fate})"))
        answer = None
        if fate in (Fate.DONE, Fate.UNHEARD):
            answer = statement()
            if writes:
                self._promises.expect_any_moment()
        elif fate is Fate.DELAYED:
            self._delayed.append(Delayed(f"{owner.name}: {name}", statement))
        if fate is Fate.DONE:
            owner.resume(answer)
        else:
            self._count(f"statements {fate}")
            owner.resume(error=SinkUnavailable(fate))

    def _work_of(self, owner: Owner) -> Work | None:
        taken = self._group.take(owner)
        if taken is None:
            return None
        ownership, blocks = taken
        spans = " and ".join(f"{block[0].offset}-{block[-1].offset}" for block in blocks)
        self._note(f"{owner.name} takes {spans} of {ownership.partition}")
        if self._draw.random() < 0.3:
            ownership.cache.shrink(self._draw.randint(0, 3))
        return partial(Owner.flush, ownership=ownership, blocks=blocks)

    def _start_owner(self) -> None:
        self._names += 1
        clock, acknowledge = lambda: moment(self._now_ms), self._group.acknowledge
        owner = Owner(f"P{self._names}", self._settings, self._sink, clock, acknowledge)
        self._owners.append(owner)
        self._group.join(owner)

    def _give(self, partition: int, owner: Owner) -> None:
        offset = self._group.give(partition, owner)
        self._note(f"{owner.name} owns {partition} from {offset}")

    # The end.

    def _finish(self) -> None:
        self._note("everyone finishes")
        self._asleep.clear()
        busy = list(self._owners)
        while busy or self._delayed:
            if not busy or (self._delayed and self._draw.random() < 0.1):
                self._land()
                continue
            owner = self._draw.choice(busy)
            if not self._advance(owner, faults=False):
                busy.remove(owner)
        owner = self._owners[0]
        self._note(f"{owner.name} closes days")
        owner.resume(Owner.close_days)
        while owner.stop is not None and owner.stop.name != IDLE:
            self._advance(owner, faults=False)

    def _broken(self, error: Exception) -> Broken:
        steps = "\n".join(f"  {number:4} {line}" for number, line in enumerate(self.trace))
        why = f"seed {self.seed}: {error if isinstance(error, AssertionError) else repr(error)}"
        return Broken(f"{why}\n{steps}\n{why}")

    def _place(self, owner: Owner) -> str:
        assert owner.stop is not None
        return owner.stop.name if owner.stop.statement is None else f"(before) {owner.stop.name}"

    def _note(self, line: str) -> None:
        self.trace.append(line)

    def _count(self, kind: str) -> None:
        self._faults.counts[kind] += 1
