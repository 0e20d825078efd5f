"""How fast one processor process empties a topic: `python -m benchmarks.processor.throughput [--runs N]`.

Fills a topic of four partitions with batches of study sessions, starts one processor as production does, and
divides the events by the time between its first tenth and its last. Kafka, ClickHouse and the processor share the
machine; nothing is sent meanwhile. Every run has an empty database, and ends by comparing the stored events with
the sent ones.

`--per-message 1,10,50` measures messages of each size in turn: a user's session goes on from message to message
until it has 50 events. `--peer PATH` measures the processor of another checkout of this repository, for example a
git worktree of an older commit, in turn with this one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.processor.options import add_runs, numbers
from benchmarks.processor.stack import HERE, Checkout, require_stored, stack
from benchmarks.processor.timing import Rate, spread
from benchmarks.processor.traffic import Message, OpenSession, Traffic, random_id
from infra.errors import Failure

SESSION_EVENTS = 50


def batches(events: int, per_message: int, users: int) -> list[Message]:
    """Messages of random users, each the next part of the user's session; sessions of the last week."""
    traffic = Traffic(7, datetime.now(UTC))
    source = traffic.source
    user_ids = [random_id(source) for _ in range(users)]
    sessions: dict[str, OpenSession] = {}
    made = []
    for _ in range(events // per_message):
        user_id = source.choice(user_ids)
        session = sessions.get(user_id)
        if session is None or session.events + per_message > SESSION_EVENTS:
            began = traffic.now - timedelta(seconds=source.uniform(1200, 7 * 86_400))
            session = sessions[user_id] = traffic.begin(user_id, began)
        made.append(traffic.message(session, per_message))
    return made


async def run(checkout: Checkout, messages: list[Message], limit_seconds: float) -> Rate:
    """One run, with servers of its own. Raises `Failure` if it cannot be timed or an event is missing."""
    with tempfile.TemporaryDirectory() as directory:
        async with stack(Path(directory)) as servers:
            await servers.migrate(checkout, servers.settings)
            rate = await servers.run(checkout, servers.settings, messages, limit_seconds=limit_seconds)
            await asyncio.to_thread(require_stored, servers.settings, sum(message.events for message in messages))
            return rate


def measure(options: argparse.Namespace, checkouts: dict[str, Checkout]) -> dict[tuple[int, str], list[float]]:
    """Events a second of every run, by events a message and checkout. Whose turn comes first changes with each run."""
    rates = defaultdict[tuple[int, str], list[float]](list)
    for number in range(options.runs):
        for per_message in options.per_message:
            messages = batches(options.events, per_message, options.users)
            for name in list(checkouts)[:: -1 if number % 2 else 1]:
                rate = asyncio.run(run(checkouts[name], messages, options.timeout))
                rates[per_message, name].append(rate.events_per_second)
                sys.stdout.write(f"run {number + 1}, {per_message} a message, {name}: {rate}\n")
                sys.stdout.flush()
    return rates


def main() -> None:
    """Prints the minimum, the median and the maximum over the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--per-message", type=numbers, default=[50], metavar="N,N", help="events of each message")
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--peer", type=Path, metavar="PATH", help="root of the checkout to compare with")
    add_runs(parser)
    options = parser.parse_args()
    checkouts = {"this checkout": HERE}
    try:
        if options.peer is not None:
            checkouts["peer"] = Checkout.at(options.peer)
        rates = measure(options, checkouts)
    except Failure as failure:
        raise SystemExit(str(failure)) from failure
    for per_message in options.per_message:
        for name in checkouts:
            sys.stdout.write(f"{name}, {per_message} a message: {spread(rates[per_message, name])}\n")
        if options.peer is not None:
            ours, theirs = (statistics.median(rates[per_message, name]) for name in checkouts)
            sys.stdout.write(f"{per_message} a message: {ours / theirs:.2f} times the peer\n")


if __name__ == "__main__":
    main()
