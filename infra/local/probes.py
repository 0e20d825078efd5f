"""Questions to a process on this machine: does it listen, does it answer."""

from __future__ import annotations

import asyncio

from infra.local.ports import HOST, accepts
from infra.local.service import Probe
from schemas.addresses import authority, reachable

TIMEOUT_SECONDS = 5.0


def listens_on(port: int) -> Probe:
    async def probe() -> bool:
        return await accepts(port)

    return probe


def answers_ok(port: int, path: str, host: str = HOST) -> Probe:
    """Whether GET `path` is answered with 200 in time by the service that listens on the host."""

    async def probe() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await _status(reachable(host), port, path) == 200
        except (OSError, ValueError, TimeoutError):
            return False

    return probe


async def _status(host: str, port: int, path: str) -> int:
    """Raises OSError when nothing listens and ValueError for an answer that is not HTTP."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {authority(host, port)}\r\nConnection: close\r\n\r\n".encode())
        status_line = (await reader.readline()).split()
    finally:
        writer.close()
    return int(status_line[1]) if len(status_line) > 1 else 0


async def until(probe: Probe, poll_seconds: float = 0.05) -> None:
    """Returns when the probe says True; a deadline is the caller's business (`asyncio.timeout`)."""
    while not await probe():  # noqa: ASYNC110 - what is waited for is another process
        await asyncio.sleep(poll_seconds)
