"""One stack for the module, and traffic whose every answer is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oracle import Oracle, read_ledger
from tests.stacks import RunningStack, running_stack

TRAFFIC = (
    *("simulate", "--events", "6000", "--users", "60", "--days", "12", "--batch", "30"),
    *("--duplicates", "0.1", "--late", "0.15", "--bad", "0.03"),
)


@dataclass(frozen=True)
class Traffic:
    """What was sent, line by line, and what has to come of it."""

    command: tuple[str, ...]
    """Sends the same users and event ids whenever it is run."""
    lines: list[dict[str, str]]
    oracle: Oracle


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """Two gateways and two processors, so that what is exact is exact across several."""
    async with running_stack(tmp_path_factory.mktemp("stack"), ingest=2, processors=2) as running:
        yield running


@pytest.fixture(scope="module")
async def traffic(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory, seed: int) -> Traffic:
    """Sent, answered, and processed."""
    ledger: Path = tmp_path_factory.mktemp("ledger") / "ledger.ndjson"
    urls = [part for url in stack.config.gateways for part in ("--url", url)]
    command = (*TRAFFIC, "--seed", str(seed))
    await stack.convergio(*command, *urls, "--ledger", str(ledger))
    await stack.audit()
    lines = read_ledger(ledger)
    return Traffic(command, lines, Oracle(lines))
