"""Ending tasks: also those that suppress a cancellation, as aiokafka's `stop` does."""

from __future__ import annotations

import asyncio

import pytest

from ingest import ending


@pytest.mark.parametrize("suppressed", [0, 1, 3])
async def test_a_task_that_suppresses_cancellations_is_ended_all_the_same(
    suppressed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.01)
    left = suppressed

    async def run() -> None:
        nonlocal left
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not left:
                    raise
                left -= 1

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ending.end(task)
    assert task.cancelled()


async def test_a_task_that_ended_before_keeps_what_it_raised() -> None:
    async def fail() -> None:
        raise ValueError("kept")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    await ending.end(task)
    await ending.end(task)
    assert str(task.exception()) == "kept"
