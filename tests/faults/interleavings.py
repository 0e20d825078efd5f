"""A seeded explorer of interleavings: processors, their crashes, sleeps and unsure inserts, against the real engine.

One `random.Random(seed)` makes every choice, so a schedule is its seed. Two processors share two partitions of a log;
the threads of each stop at every step of their work and before every statement, its consumer before every request to
Kafka. The scheduler says who goes on, who dies, who loses a partition in the middle of anything, and what becomes of a
statement. After each statement that wrote, what people read is compared with what may be read at that moment; at the
end with the oracle.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clickhouse_connect.driver.client import Client

from processors.dead_letters import DeadLetter
from processors.settings import ProcessorSettings
from processors.sink import RowsRefused, Sink
from tests.faults.consumer import SimulatedConsumer
from tests.faults.fates import FAILURES, FATES, REQUESTS, Delayed, Fate, Faults
from tests.faults.group import Group
from tests.faults.jobs import Kind, Stop, no_stops, stop_jobs_at_steps
from tests.faults.owners import Owner, answer
from tests.faults.promises import Promises
from tests.faults.traffic import Traffic, moment

PARTITIONS = 2
MOMENTS = {
    "stored_sessions",
    "stored_events",
    "stored_users",
    "erasures",
    "session_events",
    "insert_events",
    "insert_sessions",
    "erase_totals",
    "erase_mark",
}
"""The statements before which an owner most often falls asleep and loses its partition."""
MESSAGES_AT_FIRST = 6
HOUR_MS = 3_600_000
LONGEST_WAIT_HOURS = 23
"""A day is closed two days after it left retention: a message may wait for one, and a session may last for one."""
LOSSES = 0.03
"""Of the fetches that are handed on."""
LOOKS = 0.3
"""How often the views are read after a statement that wrote; a look takes as long as several statements."""
MOST_STEPS_TO_FINISH = 5000


class Broken(AssertionError):
    """The promise is broken; the message holds the seed and the schedule."""


class Explorer:
    """One schedule."""

    def __init__(
        self, seed: int, settings: ProcessorSettings, sink: Sink, client: Client, faults: Faults, start_ms: int
    ) -> None:
        self.seed = seed
        self.trace: list[str] = []
        self._draw = random.Random(seed)
        self._settings = _drawn(settings, self._draw)
        self._unrest = self._draw.choice([0.15, 0.5, 1.5])
        """How often partitions change hands: only what is left in peace for a while fills caches and overlaps."""
        self._sink = sink
        self._faults = faults
        self._now_ms = start_ms
        self._traffic = Traffic(self._draw, PARTITIONS, settings.retention_days)
        self._group = Group(PARTITIONS, self._draw)
        self._owners: dict[Owner, SimulatedConsumer] = {}
        self._asleep: dict[Owner | Stop, int] = {}
        """For how many steps they do nothing."""
        self._delayed: list[Delayed] = []
        self._poison: set[tuple[int, int]] = set()
        self._letters: list[DeadLetter] = []
        self._promises = Promises(client, self._group.log, settings.retention_days)
        self._names = 0

    def run(self, steps: int) -> None:
        """Plays the schedule and compares the end with the oracle; raises `Broken`."""
        stop_jobs_at_steps()
        try:
            self._begin()
            for _ in range(steps):
                self._choose()
            self._finish()
            self._promises.expect_the_end(self._now_ms)
            self._expect_poison_set_aside()
        except Exception as error:
            raise self._broken(error) from error
        finally:
            for owner in self._owners:
                owner.end()
            no_stops()

    def _begin(self) -> None:
        settings = self._settings
        self._note(
            f"flushes of {settings.flush_events} events, cached {settings.cache_events}, buffer {settings.buffer_bytes}"
        )
        for partition in range(PARTITIONS):
            self._group.start_at(partition, self._draw.choice([0, 0, 3]), self._now_ms)
        for partition in range(PARTITIONS):
            self._give(partition, self._start_owner())
        for _ in range(MESSAGES_AT_FIRST):
            self._append()

    # What the scheduler may do.

    def _choose(self) -> None:
        for sleeper in [sleeper for sleeper, steps in self._asleep.items() if steps <= 0]:
            del self._asleep[sleeper]
            self._note(f"{sleeper.name} wakes up")
        for sleeper in self._asleep:
            self._asleep[sleeper] -= 1
        actions: dict[Callable[[], None], float] = {
            self._step: 85,
            self._append: 1,
            self._crash: 0.4 * self._unrest,
            self._move: 0.4 * self._unrest,
            self._sleep: 1,
            self._land: 3,
            self._tick: 2,
            self._days: 0.4,
            self._disturb: 0.2,
        }
        self._draw.choices(list(actions), list(actions.values()))[0]()

    def _step(self) -> None:
        awake = [owner for owner in self._owners if owner not in self._asleep]
        if awake:
            owner = self._draw.choice(awake)
            if not self._advance(owner, faults=True) and not owner.busy and self._draw.random() < 0.03:
                self._append()

    def _append(self) -> None:
        partition = self._draw.randrange(PARTITIONS)
        offset = self._group.end(partition)
        record = self._traffic.record(partition, offset, self._now_ms)
        self._group.append(partition, record, self._now_ms)
        if record.told == "poison":
            self._poison.add((partition, offset))
        self._note(f"message {partition}/{offset}: {record.told}")

    def _crash(self) -> None:
        owner = self._draw.choice(list(self._owners))
        self._count("crashes")
        self._note(f"{owner.name} dies at {', '.join(stop.name for stop in owner.jobs) or 'rest'}")
        sleepers: list[Owner | Stop] = [owner, *owner.jobs]
        for sleeper in sleepers:
            self._asleep.pop(sleeper, None)
        owner.end()
        self._letters += owner.set_aside
        del self._owners[owner]
        orphans = self._group.leave(owner)
        self._start_owner()
        for partition in orphans:
            self._give(partition, self._draw.choice(list(self._owners)))

    def _move(self) -> None:
        """A partition goes to another owner, or comes back to the same; the old one may be in the middle of it."""
        partition = self._draw.randrange(PARTITIONS)
        self._lose(partition, self._group.holder(partition))

    def _lose(self, partition: int, owner: Owner) -> None:
        if owner.busy:
            self._count("partitions lost in the middle of work")
        if owner.busy and self._draw.random() < 0.6:
            self._asleep[owner] = self._draw.randint(30, 250)
            self._count("sleeps past ownership")
        others = [other for other in self._owners if other is not owner]
        self._give(partition, self._draw.choice([owner, *others, *others, *others]))

    def _sleep(self) -> None:
        """An owner falls asleep, or only one of its threads."""
        owner = self._draw.choice(list(self._owners))
        sleepers: list[Owner | Stop] = [owner, *owner.jobs]
        sleeper = self._draw.choice(sleepers)
        self._asleep[sleeper] = self._draw.randint(3, 100)
        self._note(f"{owner.name} falls asleep" if sleeper is owner else f"{owner.name} sleeps before {sleeper.name}")

    def _land(self) -> None:
        if self._delayed:
            delayed = self._delayed.pop(self._draw.randrange(len(self._delayed)))
            self._note(f"lands late: {delayed.name}")
            _run(delayed.run)
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
        owners = [owner for owner in self._owners if not owner.keeps_house]
        if owners:
            owner = self._draw.choice(owners)
            self._note(f"{owner.name} looks for days to close")
            owner.start(Owner.close_days)

    def _disturb(self) -> None:
        self._draw.choice(list(self._owners.values())).disturb()

    # How one owner goes on.

    def _advance(self, owner: Owner, faults: bool) -> bool:
        """Lets an owner do one thing; False if there is nothing for it to do."""
        stops = [stop for stop in owner.stops if stop not in self._asleep]
        choices: list[Stop | None] = [*stops, None] if owner.loop.ready else list(stops)
        if owner.busy and owner.loop.timers and (not choices or self._draw.random() < 0.05):
            seconds = owner.loop.advance()
            if seconds:
                self._note(f"{owner.name} waits {seconds:.3f} s")
            owner.loop.run_ready()
        elif not choices:
            return False
        else:
            weights = [1 if stop is not None and stop.kind in REQUESTS else 3 for stop in choices]
            stop = self._draw.choices(choices, weights)[0]
            if stop is not None:
                self._go_on(owner, stop, faults)
            if stop is None or self._draw.random() < 0.8:
                owner.loop.run_ready()
        owner.raise_failure()
        return True

    def _go_on(self, owner: Owner, stop: Stop, faults: bool) -> None:
        if faults and stop.name in MOMENTS and self._sleeps_before(stop, owner):
            return
        fate = self._draw.choices(list(Fate), FATES[stop.kind])[0] if faults else Fate.DONE
        self._note(f"{owner.name}: {stop.name}" + ("" if fate is Fate.DONE else f" ({fate})"))
        if fate is Fate.DONE:
            if stop.kind in (Kind.COMMIT, Kind.WRITE) and faults:
                self._count(f"{stop.kind.name.lower()} done")
            answer(stop)
        else:
            self._count(f"{stop.kind.name.lower().replace('_', ' ')} {fate}")
            if fate is Fate.UNHEARD:
                _run(stop.statement)
            elif fate is Fate.DELAYED:
                self._delayed.append(Delayed(f"{owner.name}: {stop.name}", stop.statement))
            stop.resume(None, FAILURES[stop.kind](fate))
        if stop.kind is Kind.WRITE and fate in (Fate.DONE, Fate.UNHEARD) and self._draw.random() < LOOKS:
            self._promises.expect_any_moment()

    def _sleeps_before(self, stop: Stop, owner: Owner) -> bool:
        """A slow statement; or the owner loses a partition just then, and mostly sleeps past that."""
        chance, ours = self._draw.random(), self._group.partitions_of(owner)
        # While an insert takes long, the next block is prepared.
        if chance > (0.35 if stop.name.startswith("insert_") else 0.14):
            return False
        self._asleep[stop] = self._draw.randint(5, 60)
        self._note(f"{owner.name} sleeps before {stop.name}")
        if chance < 0.03 * self._unrest and ours:
            # Long enough for the next owner to store the same messages.
            self._asleep[stop] = self._draw.randint(30, 250)
            self._lose(self._draw.choice(ours), owner)
        return True

    def _start_owner(self) -> Owner:
        self._names += 1
        owner = Owner(f"P{self._names}", self._settings, self._sink, lambda: moment(self._now_ms))
        consumer = SimulatedConsumer(owner, self._group, self._draw, self._note)
        consumer.losses = LOSSES
        self._owners[owner] = consumer
        self._group.join(owner)
        return owner

    def _give(self, partition: int, owner: Owner) -> None:
        self._group.give(partition, owner)
        self._note(f"{owner.name} is given {partition}, committed up to {self._group.start_of(partition)}")

    # The end.

    def _finish(self) -> None:
        self._note("everyone finishes")
        self._asleep.clear()
        for consumer in self._owners.values():
            consumer.losses = 0.0
        self._go_on_until_idle()
        if any(consumer.lost for consumer in self._owners.values()):
            # What shows that the last fetch of a partition was lost is the next one, or that the flow stops.
            self._note("the flow of everyone stops and goes on")
            for owner, consumer in self._owners.items():
                owner.run(consumer.interrupt())
            self._go_on_until_idle()
        _expect(self._group.all_committed, f"messages are never committed: {self._group.committed}")
        owner = next(iter(self._owners))
        self._note(f"{owner.name} closes days")
        owner.start(Owner.close_days)
        self._go_on_until_idle()

    def _go_on_until_idle(self) -> None:
        busy = list(self._owners)
        for _ in range(MOST_STEPS_TO_FINISH):
            if self._delayed and (not busy or self._draw.random() < 0.1):
                self._land()
            elif not busy:
                return
            else:
                owner = self._draw.choice(busy)
                if not self._advance(owner, faults=False):
                    busy.remove(owner)
        raise AssertionError("the work never comes to an end")

    def _expect_poison_set_aside(self) -> None:
        letters = [*self._letters, *(letter for owner in self._owners for letter in owner.set_aside)]
        missing = self._poison - {(letter.message.partition, letter.message.offset) for letter in letters}
        _expect(not missing, f"poison was not set aside: {missing}")

    def _broken(self, error: Exception) -> Broken:
        steps = "\n".join(f"  {number:4} {line}" for number, line in enumerate(self.trace))
        why = f"seed {self.seed}: {error if isinstance(error, AssertionError) else repr(error)}"
        return Broken(f"{why}\n{steps}\n{why}")

    def _note(self, line: str) -> None:
        self.trace.append(line)

    def _count(self, kind: str) -> None:
        self._faults.counts[kind] += 1


def _drawn(settings: ProcessorSettings, draw: random.Random) -> ProcessorSettings:
    """Settings under which few messages fill a flush, a cache or a buffer, or do not."""
    return settings.model_copy(
        update={
            "flush_events": draw.choice([1, 2, 4, 1000]),
            "cache_events": draw.choice([0, 20, 60, 1_000_000]),
            "buffer_bytes": draw.choice([1000, 1_000_000]),
            "dead_letter_allowance": 1_000_000,
        }
    )


def _run(statement: Callable[[], Any]) -> None:
    """Runs a statement whose answer nobody hears."""
    with suppress(RowsRefused):
        statement()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
