"""Traffic that goes on while things fail, and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.commands import COMMAND
from tests.oracle import Oracle, read_ledger
from tests.stacks import RunningStack, until


@contextlib.asynccontextmanager
async def load(
    stack: RunningStack, ledger: Path, *, urls: Sequence[str] = (), rate: int = 300, seed: int | None = None
) -> AsyncIterator[None]:
    """Traffic for as long as the context lasts, to the gateways or to `urls`; a batch is kept until it is answered."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("simulate", "--rate", str(rate), "--users", "80", "--batch", "20", "--days", "3"),
        *("--duplicates", "0.1", "--late", "0.1", "--bad", "0.02", "--ledger", str(ledger)),
        *(() if seed is None else ("--seed", str(seed))),
        *(part for url in urls or stack.config.gateways for part in ("--url", url)),
        env=stack.convergio.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0, "a batch was not answered, or answered wrongly"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until_more_is_stored(stack: RunningStack) -> None:
    """Returns once the view `events` has grown."""
    before = await _stored_events(stack)

    async def more() -> bool:
        return await _stored_events(stack) > before

    await until(more)


async def _stored_events(stack: RunningStack) -> int:
    ((count,),) = await stack.rows("SELECT count() FROM events")
    return int(count)


async def expect_every_number_exact(stack: RunningStack, ledger: Path) -> None:
    """The client's ledger, the audit and every row and sum of ClickHouse agree."""
    report = await stack.audit()
    oracle = Oracle(read_ledger(ledger))
    assert report["good"]
    assert report["unique"] == report["stored"] == len(oracle.events) > 1000
    assert await stack.event_rows() == oracle.event_rows()
    assert await stack.session_rows() == oracle.session_rows()
    ((sessions, study_ms),) = await stack.rows("SELECT sessions, study_ms FROM lifetime")
    assert sessions == len(oracle.sessions)
    assert study_ms == sum(session.study_ms for session in oracle.sessions.values())
