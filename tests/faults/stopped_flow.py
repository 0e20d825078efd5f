"""`convergio` whose consumer stops its flow once, while the first fetch is in hand: what every rebalance may do.

`python -m tests.faults.stopped_flow process` is `convergio process`. The first poll that brings records is returned
after the flow was stopped; the flow goes on half a second later.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from faust.transport.consumer import Consumer

COMMAND = (sys.executable, "-m", "tests.faults.stopped_flow", "process")
STOPPED = "the flow is stopped with a fetch in hand"
_SECONDS = 0.5


def _stop_once() -> None:
    fetch = Consumer._wait_next_records
    stopped: list[bool] = []

    async def stopping(self: Consumer, timeout: float) -> tuple[Any, Any]:  # noqa: ASYNC109 - Faust's signature
        polled, active = await fetch(self, timeout)
        if not stopped and _brings_records(polled or {}):
            stopped.append(True)
            sys.stderr.write(f"{STOPPED}\n")
            self.stop_flow()
            asyncio.get_running_loop().call_later(_SECONDS, self.resume_flow)
        return polled, active

    Consumer._wait_next_records = stopping  # type: ignore[method-assign]


def _brings_records(polled: Mapping[Any, Any]) -> bool:
    return any(getattr(found, "records", found) for found in polled.values())


if __name__ == "__main__":
    from infra.cli import main

    _stop_once()
    main()
