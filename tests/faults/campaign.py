"""Faults at random under load, from a seed: rounds of one to ten at a time, each round until all is caught up."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from tests.faults.injections import INJECTIONS, NothingHappened
from tests.faults.leavers import Leavers
from tests.faults.loads import load
from tests.faults.readers import Readers
from tests.faults.rig import OPERATOR_TOKEN, Rig
from tests.faults.verdict import Verdict, judge
from tests.oracle import read_ledger

ROUND_SIZES = (1, 1, 2, 4, 6, 8, 10)
ROUND_SECONDS = 300.0
"""No round may take longer, or something does not recover."""


class Fault(NamedTuple):
    """One injection of a round: which, how many seconds into it, and the seed of its details."""

    name: str
    after: float
    seed: int


def schedule(seed: int, together: int) -> Iterator[list[Fault]]:
    """Rounds without end, the same for the same seed, with at most `together` faults each.

    Each fault comes as often as any other, alone and in company.
    """
    rng = Random(seed)
    sizes = [size for size in ROUND_SIZES if size <= together]
    alone, in_company = _deck(rng), _deck(rng)
    while True:
        size = rng.choice(sizes)
        deck = alone if size == 1 else in_company
        yield [Fault(next(deck), rng.uniform(0, 5) if number else 0.0, rng.getrandbits(32)) for number in range(size)]


def _deck(rng: Random) -> Iterator[str]:
    while True:
        yield from rng.sample(sorted(INJECTIONS), len(INJECTIONS))


@dataclass
class Outcome:
    """What a campaign came to."""

    seed: int
    seconds: float = 0.0
    rounds: int = 0
    injected: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    recoveries: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By fault: seconds from its end until everything sent by then was stored; of rounds with one fault."""
    missed: int = 0
    """Faults that no process ran into; they do not count as injected."""
    looks: int = 0
    """How often readers looked."""
    erasures: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    mistakes: list[str] = field(default_factory=list)
    """What readers saw that may never be seen, and dead letters that are not accounted for."""

    @property
    def good(self) -> bool:
        """Nothing was lost, doubled, or shown wrongly."""
        return self.verdict.good and not self.mistakes and sum(self.injected.values()) > 0 and self.looks > 0

    def __str__(self) -> str:
        total = sum(self.injected.values())
        head = (
            f"seed {self.seed}: {total} faults in {self.rounds} rounds, {self.seconds:.0f} s, {self.erasures} erasures;"
            f" {self.missed} faults hit nobody, readers looked {self.looks} times"
        )
        table = [f"{'fault':<36}{'injected':>9}{'caught up after: median':>25}{'max':>8}"]
        for name in sorted(self.injected):
            times = self.recoveries.get(name)
            shown = f"{median(times):>23.1f} s{max(times):>6.1f} s" if times else f"{'-':>25}{'-':>8}"
            table.append(f"{name:<36}{self.injected[name]:>9}{shown}")
        return "\n".join([head, *table, str(self.verdict), *self.mistakes])


async def run(rig: Rig, seed: int, folder: Path, *, seconds: float, together: int) -> Outcome:
    """Injects faults for so many seconds, then lets everything finish and compares.

    `rounds.log` in the folder names each round as it begins, so that a run that hangs tells where.
    """
    outcome = Outcome(seed)
    ledger = folder / "ledger.ndjson"
    leavers = Leavers(rig.stack.origin, OPERATOR_TOKEN, seed)
    readers = Readers(rig.stack)
    began = time.monotonic()
    async with load(rig.stack, ledger, urls=rig.urls, rate=200, seed=seed), asyncio.TaskGroup() as tasks:
        tasks.create_task(leavers.run())
        tasks.create_task(readers.run())
        for faults in schedule(seed, together):
            if time.monotonic() - began > seconds:
                break
            with (folder / "rounds.log").open("a") as log:
                log.write(f"{time.monotonic() - began:7.1f} s  " + ", ".join(fault.name for fault in faults) + "\n")
                seen = len(rig.stack.happenings)
                try:
                    async with asyncio.timeout(ROUND_SECONDS):
                        await _round(rig, faults, outcome)
                finally:
                    log.writelines(f"           {event}\n" for event in rig.stack.happenings[seen:])
        leavers.stop()
        readers.stop()
    outcome.seconds = time.monotonic() - began
    outcome.erasures, outcome.looks = leavers.erasures, readers.looks
    outcome.verdict = await judge(rig.stack, [*read_ledger(ledger), *leavers.shown], leavers.erased)
    letters = (await rig.stack.audit())["dead_letters"]
    outcome.mistakes += readers.mistakes
    if letters != rig.poison:
        outcome.mistakes.append(f"{letters} dead letters instead of {rig.poison}")
    return outcome


async def _round(rig: Rig, faults: list[Fault], outcome: Outcome) -> None:
    async def inject(fault: Fault) -> None:
        await asyncio.sleep(fault.after)
        try:
            await INJECTIONS[fault.name](rig, Random(fault.seed))
        except NothingHappened:
            outcome.missed += 1
        else:
            outcome.injected[fault.name] += 1

    async with asyncio.TaskGroup() as tasks:
        for fault in faults:
            tasks.create_task(inject(fault))
    rig.points.disarm()
    over = time.monotonic()
    await rig.until_caught_up()
    outcome.rounds += 1
    if len(faults) == 1 and outcome.injected[faults[0].name]:
        outcome.recoveries[faults[0].name].append(time.monotonic() - over)
