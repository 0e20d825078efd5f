"""Runs a plan against gateways: paces it, sends it over several connections, and counts the answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from infra.simulate.client import ATTEMPT_SECONDS, Deliveries, GatewayClient
from infra.simulate.ledger import UNANSWERED, Ledger
from infra.simulate.plan import ClientBatch, Plan
from infra.simulate.traffic import batches

LAST_SECONDS = 10.0
"""How long batches under way may still take once a simulation is stopped."""


@dataclass(slots=True)
class Tally:
    """Counts of events, by what the gateway said to them."""

    answers: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    """Accepted events that had been sent before."""
    surprises: int = 0
    """Events that were answered otherwise than meant: a good one refused, a bad one accepted."""
    deliveries: Deliveries = field(default_factory=Deliveries)
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        return self.answers.total()

    @property
    def accepted(self) -> int:
        return self.answers["accepted"]

    @property
    def unanswered(self) -> int:
        return self.answers[UNANSWERED]

    @property
    def rejected(self) -> int:
        return self.sent - self.accepted - self.unanswered

    def add(self, batch: ClientBatch, answers: list[str]) -> None:
        """Counts one delivered batch."""
        self.answers.update(answers)
        if UNANSWERED not in answers:
            self.repeats += batch.repeats
        if not batch.broken and answers.count("accepted") == len(answers):
            return
        self.surprises += sum(answer not in (batch.expected(index), UNANSWERED) for index, answer in enumerate(answers))


class Simulation:
    """One run of a plan. `tally` may be read at any time; `stop` ends it early, with nothing left in the air."""

    def __init__(
        self,
        plan: Plan,
        urls: Sequence[str],
        *,
        connections: int = 16,
        patience: float = 300.0,
        token: str | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """`patience`: seconds after which an unanswered batch is given up; `token`: the gateway's write key."""
        self.plan = plan
        self.tally = Tally()
        self._urls = urls
        self._connections = connections
        self._patience = patience
        self._token = token
        self._ledger = ledger
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """No further batches; those under way get a few seconds more."""
        self._stopping.set()

    async def run(self, seconds: float | None = None) -> Tally:
        """Sends everything, or what fits into so many seconds, and returns once all of it is answered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_SECONDS)
        connector = aiohttp.TCPConnector(limit=self._connections)
        async with aiohttp.ClientSession(
            timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            client = GatewayClient(session, self._urls, patience=self._patience, token=self._token)
            self.tally.deliveries = client.deliveries
            queue: asyncio.Queue[ClientBatch | None] = asyncio.Queue(maxsize=self._connections)
            end = None if seconds is None else loop.call_later(seconds, self.stop)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(self._connections):
                        tasks.create_task(self._send(client, queue))
                    tasks.create_task(self._hurry_when_stopped(client, tasks.create_task(self._feed(queue))))
            finally:
                if end:
                    end.cancel()
                self.tally.seconds = loop.time() - began
        return self.tally

    async def _feed(self, queue: asyncio.Queue[ClientBatch | None]) -> None:
        """Hands batches to the connections, none before it is due; then one None to each."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for batch in batches(self.plan, datetime.now(UTC), lambda: loop.time() - began):
            if (early := began + batch.due - loop.time()) > 0:
                await self._pause(early)
            if self._stopping.is_set():
                break
            await queue.put(batch)
        for _ in range(self._connections):
            await queue.put(None)

    async def _hurry_when_stopped(self, client: GatewayClient, feed: asyncio.Task[None]) -> None:
        stopped = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((stopped, feed), return_when=asyncio.FIRST_COMPLETED)
        if self._stopping.is_set():
            client.hurry(LAST_SECONDS)
        stopped.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _send(self, client: GatewayClient, queue: asyncio.Queue[ClientBatch | None]) -> None:
        while batch := await queue.get():
            answers = await client.deliver(batch)
            self.tally.add(batch, answers)
            if self._ledger:
                self._ledger.record(batch, answers)
