"""`convergio process` whose flow stops while a fetch is in hand: `python -m tests.faults.fetch_in_hand process`.

Faust stops the flow of records in every rebalance, and polls again as soon as a poll has returned. Whether the fetch
in hand at that moment brings records of the new assignment before the flow resumes is a matter of milliseconds. The
variables of an `Interruption` decide it; nothing else of the processor is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any

from aiokafka.errors import NoOffsetForPartitionError

KIND_VARIABLE = "CONVERGIO_TEST_INTERRUPTION"
FOLDER_VARIABLE = "CONVERGIO_TEST_INTERRUPTION_FOLDER"
SLOWNESS_VARIABLE = "CONVERGIO_TEST_SLOW_REBALANCE_SECONDS"
CONVERGIO_WITH_INTERRUPTIONS = (sys.executable, "-m", "tests.faults.fetch_in_hand")
"""With `process` after it for `Pipeline.processor`."""
_LONG_FETCH_SECONDS = 20.0
_LONGEST_HOLD_SECONDS = 3.0
"""Twice as long as a broker keeps a fetch of Faust's that finds nothing: the next one waits behind it."""


class Kind(StrEnum):
    """When the flow stands still while a fetch is in hand."""

    ONCE = "once"
    """Outside of a rebalance, when the first records are in hand."""
    REBALANCE = "rebalance"
    """In every rebalance: it is held open until the fetch in hand has returned, for 3 s at most."""
    SLOW = "slow"
    """In every rebalance, for up to the seconds that SLOWNESS_VARIABLE says, at random."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """What the processes that get `environment` do, and which of them have done it."""

    kind: Kind
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For `Pipeline.processor`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return {KIND_VARIABLE: self.kind, FOLDER_VARIABLE: str(self.folder.absolute())}

    def happened(self, pid: int) -> bool:
        """Whether that process had a fetch in hand while its flow stood still."""
        return (self.folder / str(pid)).exists()


def slow_rebalances(seconds: float) -> dict[str, str]:
    """The environment of a processor that resumes its flow up to so many seconds late."""
    return {KIND_VARIABLE: Kind.SLOW, SLOWNESS_VARIABLE: str(seconds)}


class _Fetch:
    """The fetch of this process. Faust has one at a time."""

    def __init__(self) -> None:
        self.returned = asyncio.Event()
        self.returned.set()
        self.has_records = False
        self.was_in_hand = False
        """When the flow was last stopped."""


def _report() -> None:
    (Path(os.environ[FOLDER_VARIABLE]) / str(os.getpid())).touch()


def _watch_fetches(fetch: _Fetch, seconds: float | None) -> None:
    """Keeps `fetch` up to date; `seconds` replaces how long a fetch waits for records."""
    from faust.transport.consumer import Consumer
    from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

    fetch_records, wait = AIOKafkaConsumerThread._fetch_records, Consumer._wait_next_records

    async def noting(self: Any, *args: Any, **options: Any) -> Any:
        try:
            records = await fetch_records(self, *args, **options)
        except NoOffsetForPartitionError:
            # A consumer that never chooses a position by itself has this in hand instead of records.
            fetch.has_records = True
            raise
        fetch.has_records = any(getattr(found, "records", found) for found in records.values())
        return records

    async def waiting(self: Any, for_seconds: float) -> Any:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        fetch.has_records = False
        fetch.returned.clear()
        try:
            return await wait(self, for_seconds if seconds is None else seconds)
        finally:
            fetch.returned.set()

    AIOKafkaConsumerThread._fetch_records = noting  # type: ignore[method-assign]
    Consumer._wait_next_records = waiting  # type: ignore[method-assign, assignment]


def _stop_once() -> None:
    from faust.transport.consumer import Consumer

    fetch = _Fetch()
    _watch_fetches(fetch, None)
    wait = Consumer._wait_next_records
    stopped: list[bool] = []

    async def stopping(self: Any, for_seconds: float) -> Any:
        if stopped == [True]:
            # As Faust ends a rebalance.
            await self.perform_seek()
            self.resume_flow()
            stopped.append(False)
        records = await wait(self, for_seconds)
        if fetch.has_records and not stopped:
            stopped.append(True)
            self.stop_flow()
            _report()
        return records

    Consumer._wait_next_records = stopping  # type: ignore[method-assign, assignment]


def _hold_rebalances() -> None:
    from faust.transport.consumer import Consumer

    fetch = _Fetch()
    _watch_fetches(fetch, _LONG_FETCH_SECONDS)
    stop_flow = Consumer.stop_flow

    def stopping(self: Any) -> None:
        fetch.was_in_hand = not fetch.returned.is_set()
        stop_flow(self)

    async def hold() -> None:
        # A transport that sets positions only when the flow resumes brings nothing before.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(fetch.returned.wait(), _LONGEST_HOLD_SECONDS)
        if fetch.was_in_hand:
            _report()

    Consumer.stop_flow = stopping  # type: ignore[method-assign]
    _after_assignment(hold)


def _slow_rebalances() -> None:
    draw, seconds = Random(), float(os.environ[SLOWNESS_VARIABLE])

    async def delay() -> None:
        await asyncio.sleep(draw.uniform(0.0, seconds))

    _after_assignment(delay)


def _after_assignment(act: Any) -> None:
    """Acts between an assignment and the resuming of the flow."""
    from faust.agents.manager import AgentManager

    on_rebalance = AgentManager.on_rebalance

    async def acting(self: Any, *args: Any, **options: Any) -> None:
        await on_rebalance(self, *args, **options)
        await act()

    AgentManager.on_rebalance = acting  # type: ignore[method-assign]


_INTERRUPTING = {Kind.ONCE: _stop_once, Kind.REBALANCE: _hold_rebalances, Kind.SLOW: _slow_rebalances}


def _main() -> None:
    from infra.cli import main

    _INTERRUPTING[Kind(os.environ[KIND_VARIABLE])]()
    main()


if __name__ == "__main__":
    _main()
