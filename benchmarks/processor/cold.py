"""How fast one processor process is for users with a stored history: `python -m benchmarks.processor.cold`.

Every user has a stored history of as many events as `--histories` says, one length after the other, and none is in the
processor's cache: CONVERGIO_CACHE_EVENTS=0 makes every flush read its users from ClickHouse. The hot run is the same
traffic over the shortest history with a cache for all; a message of every user, sent before and not timed, fills it.

Half of the messages continue their user's newest session, at first a stored one, and half begin another. So histories
grow during a run, by events / users. Every run has a database of its own with the history in it, and ends by comparing
the stored events with the history and what was sent. Runs take turns: the hot one, every history, and again. A run
has ten flushes or more; with fewer than 200 000 events they are smaller than production's.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.processor.cold_report import Case, report
from benchmarks.processor.history import History, copy_rows, differing_sessions, newest_sessions
from benchmarks.processor.options import add_runs, numbers
from benchmarks.processor.stack import HERE, Stack, require_stored, stack
from benchmarks.processor.timing import NotMeasured, Rate
from benchmarks.processor.topic import begin_at
from benchmarks.processor.traffic import Message, OpenSession, Traffic, random_id
from infra.clickhouse.client import connect
from infra.errors import Failure
from infra.settings import Settings
from schemas.clickhouse import WRITING

FLUSHES = 10


def messages_of(newest: list[OpenSession], traffic: Traffic, events: int, per_message: int) -> list[Message]:
    """Messages of random users, who continue their newest session or begin another one, with the same chance.

    Keeps `newest` up to date.
    """
    source = traffic.source
    messages = []
    for _ in range(events // per_message):
        place = source.randrange(len(newest))
        if source.random() < 0.5:
            before = newest[place]
            newest[place] = traffic.begin(before.user_id, before.last_event_at + timedelta(minutes=6))
        messages.append(traffic.message(newest[place], per_message))
    return messages


class Benchmark:
    """Histories in one ClickHouse data directory, and runs over copies of them. Times are taken from `now`."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        source = random.Random(3)
        self._users = [random_id(source) for _ in range(options.users)]
        self._now = datetime.now(UTC)
        self._directory = directory
        self._options = options
        self._runs = 0

    def cases(self) -> list[Case]:
        """The hot run, and a cold one for every history."""
        histories = [History(events, self._now) for events in self._options.histories]
        shortest = min(histories, key=lambda history: history.events)
        return [Case(shortest, hot=True), *(Case(history, hot=False) for history in histories)]

    async def fill(self, histories: Sequence[History]) -> None:
        """Stores every history in a database of its own."""
        async with stack(self._directory / "fill", self._clickhouse) as servers:
            for history in histories:
                settings = servers.settings.model_copy(update={"clickhouse_database": _database(history)})
                await servers.migrate(HERE, settings)
                began = time.monotonic()
                await asyncio.to_thread(self._fill, history, settings)
                seconds = time.monotonic() - began
                _say(f"{len(self._users):,} users with {history.events:,} events each are stored, in {seconds:.0f} s")

    async def run(self, case: Case) -> Rate:
        """One run. Raises `NotMeasured`, and `Failure` if events are missing or sessions are wrong."""
        self._runs += 1
        options = self._options
        async with stack(self._directory / f"run_{self._runs}", self._clickhouse) as servers:
            settings = self._settings(servers, case)
            await servers.migrate(HERE, settings)
            newest = await asyncio.to_thread(_copy, case.history, settings)
            warming = Traffic(11, self._now)
            warm_up = [warming.message(session, options.per_message) for session in newest] if case.hot else []
            messages = messages_of(newest, Traffic(7, self._now), options.events, options.per_message)
            await begin_at(settings, case.history.next_offset)
            rate = await servers.run(HERE, settings, messages, warm_up=warm_up, limit_seconds=options.timeout)
            sent = sum(message.events for message in warm_up + messages)
            await asyncio.to_thread(_check, settings, self._stored(case.history) + sent, messages[0].user_id)
            with connect(settings) as client:
                client.command(f"DROP DATABASE `{settings.clickhouse_database}`")
            return rate

    @property
    def _clickhouse(self) -> Path:
        return self._directory / "clickhouse"

    def _settings(self, servers: Stack, case: Case) -> Settings:
        options = self._options
        sent = options.events + len(self._users) * options.per_message
        return servers.settings.model_copy(
            update={
                "clickhouse_database": f"run_{self._runs}",
                "cache_events": 2 * (self._stored(case.history) + sent) if case.hot else 0,
                "flush_events": max(1, min(servers.settings.flush_events, options.events // FLUSHES)),
            }
        )

    def _stored(self, history: History) -> int:
        return history.events * len(self._users)

    def _fill(self, history: History, settings: Settings) -> None:
        with connect(settings, WRITING) as client:
            history.fill(client, self._users, settings.partitions, settings.session_gap_seconds * 1000)
        _check(settings, self._stored(history), self._users[0])


def _database(history: History) -> str:
    return f"history_{history.events}"


def _copy(history: History, settings: Settings) -> list[OpenSession]:
    """Copies the history into the run's database; returns the newest sessions."""
    with connect(settings, WRITING) as client:
        copy_rows(client, _database(history), settings.clickhouse_database)
        return newest_sessions(client)


def _check(settings: Settings, events: int, user_id: str) -> None:
    """Raises `Failure` unless the views show so many events, and the user's sessions agree with the user's events."""
    require_stored(settings, events, ("SELECT count() FROM events", "SELECT sum(events) FROM sessions"))
    with connect(settings) as client:
        wrong = differing_sessions(client, user_id, settings.session_gap_seconds * 1000)
    if wrong:
        raise Failure(f"{wrong} sessions of user {user_id} do not agree with their events")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def measure(directory: Path, options: argparse.Namespace) -> list[Case]:
    """The cases with what was measured. Raises `Failure`."""
    benchmark = Benchmark(directory, options)
    cases = benchmark.cases()
    _say(f"every run adds {options.events / options.users:,.0f} events to a user's history")
    await benchmark.fill([case.history for case in cases if not case.hot])
    for number in range(options.runs):
        for case in cases:
            if case.failure is not None:
                continue
            try:
                rate = await benchmark.run(case)
            except NotMeasured as reason:
                case.failure = str(reason)
                _say(f"run {number + 1}, {case}: not measured: {reason}")
            else:
                case.rates.append(rate.events_per_second)
                _say(f"run {number + 1}, {case}: {rate}")
    return cases


def main() -> None:
    """Prints a line for every history; exits with 1 if one could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--histories", type=numbers, default=[10, 100, 1_000, 10_000], metavar="N,N")
    parser.add_argument("--events", type=int, default=200_000, help="events of each run")
    parser.add_argument("--per-message", type=int, default=10, help="events of each message")
    add_runs(parser)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory:
            cases = asyncio.run(measure(Path(directory), options))
    except Failure as failure:
        raise SystemExit(str(failure)) from failure
    _say("\n".join(report(cases)))
    if any(case.failure for case in cases):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
