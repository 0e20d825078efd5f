"""Gateways behind one address, ended and started again one by one, and the clients that post to it meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from infra.local.ports import free_ports
from tests.gateway import EVENTS, batch, event, read_topic, until
from tests.gateway_process import Process

CLIENTS = 8


@dataclass
class Traffic:
    """Clients that post without pause; what was answered 202, and whatever else happened."""

    origin: str
    accepted: list[object] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stopped: bool = False

    async def _client(self, session: aiohttp.ClientSession, patient: bool) -> None:
        while not self.stopped:
            events = [event() for _ in range(3)]
            document = batch(*events)
            while not await self._post(session, document):
                if not patient:
                    return
                await asyncio.sleep(0.05)
            self.accepted += [made["eventId"] for made in events]

    async def _post(self, session: aiohttp.ClientSession, document: dict[str, object]) -> bool:
        try:
            async with session.post(self.origin + EVENTS, json=document) as response:
                if response.status == 202:
                    return True
                self.failures.append(f"{response.status} {await response.text()}")
        except aiohttp.ClientError as failure:
            self.failures.append(repr(failure))
        return False

    async def more(self, events: int = 300) -> None:
        """Returns once so many more events were accepted."""
        wanted = len(self.accepted) + events

        async def came() -> bool:
            return len(self.accepted) >= wanted

        await until(came)

    @classmethod
    @asynccontextmanager
    async def to(cls, origin: str, *, patient: bool) -> AsyncIterator[Traffic]:
        """Patient clients send a batch until it is answered 202; others stop at the first failure."""
        traffic = cls(origin)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            clients = [asyncio.create_task(traffic._client(session, patient)) for _ in range(CLIENTS)]
            try:
                yield traffic
            finally:
                traffic.stopped = True
                await asyncio.gather(*clients)


class Fleet:
    """Gateways on ports that stay the same when one is started again."""

    def __init__(self, start: Callable[[int], AbstractAsyncContextManager[Process]], stack: AsyncExitStack) -> None:
        self._start = start
        self._stack = stack
        self.running: dict[int, Process] = {}

    @classmethod
    @asynccontextmanager
    async def of(
        cls, gateways: int, start: Callable[[int], AbstractAsyncContextManager[Process]]
    ) -> AsyncIterator[Fleet]:
        """So many, all ready; `start` starts one at a port."""
        async with AsyncExitStack() as stack:
            fleet = cls(start, stack)
            await asyncio.gather(*map(fleet.start, free_ports(gateways)))
            yield fleet

    @property
    def ports(self) -> list[int]:
        return list(self.running)

    async def start(self, port: int) -> None:
        """Starts the gateway at a port, for the first time or again, and waits until it is ready."""
        self.running[port] = process = await self._stack.enter_async_context(self._start(port))
        await until(process.is_ready)

    async def end(self, port: int, number: signal.Signals) -> int:
        """Signals the gateway and returns its exit code."""
        process = self.running[port].process
        process.send_signal(number)
        return await process.wait()


async def event_ids(bootstrap: str, topic: str) -> Counter[object]:
    """How often each event lies in the topic."""
    rows = [row for message in await read_topic(bootstrap, topic) for row in message.rows]
    return Counter(row["event_id"] for row in rows if "event_id" in row)
