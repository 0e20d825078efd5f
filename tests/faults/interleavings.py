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
from functools import partial
from typing import Any

from clickhouse_connect.driver.client import Client

from processors.settings import ProcessorSettings
from processors.sink import Sink, SinkUnavailable
from tests.faults.owners import IDLE, Crashed, Owner, Ownership, Work, no_stops, stop_owners_at_steps
from tests.faults.promises import Promises
from tests.faults.traffic import Traffic, message, moment
from tests.oracle.log import Entry

PARTITIONS = 2
GRACE_HOURS = 23
"""How long a message may wait: a day is closed two days after it left retention, and a session may last for one."""


class Broken(AssertionError):
    """The promise is broken; the message holds the seed and the schedule."""


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
        self._client = client
        self._faults = faults
        self._now_ms = start_ms
        self._traffic = Traffic(self._draw, PARTITIONS, settings.retention_days)
        self._log: dict[int, list[Entry]] = {partition: [] for partition in range(PARTITIONS)}
        self._sent_ms: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
        self._committed = dict.fromkeys(range(PARTITIONS), 0)
        self._owners: list[Owner] = []
        self._asleep: dict[Owner, int] = {}
        self._holding: dict[Owner, list[Ownership]] = {}
        self._current: dict[int, Ownership] = {}
        self._delayed: list[Delayed] = []
        self._promises = Promises(client, self._log, settings.retention_days)
        self._names = 0

    def run(self, steps: int) -> None:
        """Plays the schedule and compares the end with the oracle; raises `Broken`."""
        stop_owners_at_steps()
        try:
            for _ in range(2):
                self._start_owner()
            for partition in range(PARTITIONS):
                self._give(partition, self._owners[partition])
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
            [70, 14, 2, 2, 2, 4, 3, 2],
        )[0]
        action()

    def _step(self) -> None:
        awake = [owner for owner in self._owners if owner not in self._asleep]
        if awake:
            self._advance(self._draw.choice(awake), faults=True)

    def _append(self) -> None:
        partition = self._draw.randrange(PARTITIONS)
        entry = self._traffic.entry(partition, self._now_ms)
        self._note(f"message {partition}/{len(self._log[partition])}: {self._traffic.told(entry)}")
        self._log[partition].append(entry)
        self._sent_ms[partition].append(self._now_ms)

    def _crash(self) -> None:
        owner = self._draw.choice(self._owners)
        self._count("crashes")
        self._note(f"{owner.name} dies at {self._place(owner)}")
        owner.resume(error=Crashed())
        self._owners.remove(owner)
        self._asleep.pop(owner, None)
        self._holding.pop(owner)
        self._start_owner()
        for partition, ownership in list(self._current.items()):
            if not any(ownership in held for held in self._holding.values()):
                self._give(partition, self._draw.choice(self._owners))

    def _move(self) -> None:
        """A partition goes to another owner, or comes back to the same; the old one may be in the middle of it."""
        partition = self._draw.randrange(PARTITIONS)
        lost = self._current[partition]
        owner = next(owner for owner, held in self._holding.items() if lost in held)
        lost.readable = self._draw.randint(lost.position, len(self._log[partition]))
        if owner.stop is not None and owner.stop.name != IDLE:
            self._count("partitions lost in the middle of work")
            if self._draw.random() < 0.7:
                self._asleep[owner] = self._draw.randint(5, 150)
                self._count("sleeps past ownership")
        self._give(partition, self._draw.choice(self._owners))

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
        if self._caught_up():
            hours = self._draw.choice([0.1, 1, 7, 24, 30, 48, 80, 24 * 8])
        else:
            # A day is closed only when its events had two days to be processed.
            oldest = min(self._sent_ms[p][self._committed[p]] for p in self._log if self._behind(p))
            hours = min(self._draw.choice([0.1, 1, 7, 24]), (oldest - self._now_ms) / 3_600_000 + GRACE_HOURS)
        if hours > 0:
            self._now_ms += round(hours * 3_600_000)
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
        fate = (
            self._draw.choices(["done", "refused", "done unheard", "delayed"], [88, 4, 4, 4])[0] if faults else "done"
        )
        if fate == "delayed" and not writes:
            fate = "refused"
        self._note(f"{owner.name}: {name}" + ("" if fate == "done" else f" ({fate})"))
        answer = None
        if fate in ("done", "done unheard"):
            answer = statement()
            if writes:
                self._promises.expect_any_moment()
        elif fate == "delayed":
            self._delayed.append(Delayed(f"{owner.name}: {name}", statement))
        if fate == "done":
            owner.resume(answer)
        else:
            self._count({"refused": "failures", "done unheard": "lost answers", "delayed": "delayed statements"}[fate])
            owner.resume(error=SinkUnavailable(fate))

    def _work_of(self, owner: Owner) -> Work | None:
        for ownership in list(self._holding[owner]):
            partition = ownership.partition
            end = len(self._log[partition]) if ownership.readable is None else ownership.readable
            waiting = range(ownership.position, end)
            if not waiting:
                if ownership.readable is not None:
                    self._holding[owner].remove(ownership)
                continue
            messages = [
                message(self._log[partition][offset], partition, offset, self._sent_ms[partition][offset])
                for offset in waiting
            ]
            cuts = [self._draw.randint(1, 4), self._draw.choice([0, self._draw.randint(1, 4)])]
            blocks = [messages[: cuts[0]], messages[cuts[0] : sum(cuts)]]
            taken = [block for block in blocks if block]
            self._note(
                f"{owner.name} takes {' and '.join(f'{b[0].partition}/{b[0].offset}-{b[-1].offset}' for b in taken)}"
            )
            if self._draw.random() < 0.3:
                ownership.cache.shrink(self._draw.randint(0, 3))
            return partial(Owner.flush, ownership=ownership, blocks=taken)
        return None

    def _acknowledge(self, ownership: Ownership, offset: int) -> None:
        ownership.position = offset
        # A commit of who has lost the partition is refused; one of the owner may come too late.
        if ownership.readable is None and self._draw.random() < 0.8:
            self._committed[ownership.partition] = offset

    def _start_owner(self) -> None:
        self._names += 1
        owner = Owner(f"P{self._names}", self._settings, self._sink, lambda: moment(self._now_ms), self._acknowledge)
        self._owners.append(owner)
        self._holding[owner] = []

    def _give(self, partition: int, owner: Owner) -> None:
        ownership = self._current[partition] = Ownership(partition, self._committed[partition])
        self._holding[owner].append(ownership)
        self._note(f"{owner.name} owns {partition} from {ownership.position}")

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

    def _behind(self, partition: int) -> bool:
        return self._committed[partition] < len(self._log[partition])

    def _caught_up(self) -> bool:
        return not any(self._behind(partition) for partition in self._log)

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
