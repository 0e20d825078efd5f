"""Ends tasks of our own that use aiokafka."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 1.0


async def end(task: asyncio.Task[Any]) -> None:
    """Cancels a task and waits until it has ended; what it raised is left in it.

    It is cancelled again and again: `stop` of aiokafka's consumer, producer and client suppresses a cancellation that
    arrives while they wait for tasks of their own (0.14, `Fetcher.close`, `AIOKafkaClient.close`).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
