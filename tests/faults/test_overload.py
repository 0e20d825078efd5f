"""More than can be carried: clients are told when to come back, memory stays bounded, and nothing accepted is lost."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.commands import COMMAND
from tests.faults.verdict import judge
from tests.gateway import batch, event
from tests.oracle import read_ledger
from tests.stacks import RunningStack, running_stack, until

MIB = 1 << 20
SERVICES = ("ingest-0", "processor-0", "exporter")
SETTINGS = {
    "CONVERGIO_MAX_INFLIGHT_BYTES": str(8 * MIB),
    "CONVERGIO_BUFFER_BYTES": str(8 * MIB),
    "CONVERGIO_FLUSH_BYTES": str(4 * MIB),
    "CONVERGIO_CACHE_EVENTS": "300000",
    "CONVERGIO_ACK_TIMEOUT_SECONDS": "3",
}
GROWTH_BYTES = 512 * MIB
"""What a service may need beyond its start under any load with these settings: buffers, cache, one flush, garbage."""


@pytest.fixture
def flood_seconds(minutes: float) -> float:
    """A minute, or less in a short run."""
    return 60.0 if minutes > 1 else 8.0


def memory(stack: RunningStack, service: str, what: str) -> int:
    """VmRSS: bytes of memory in use; VmHWM: the most there ever were."""
    status = Path(f"/proc/{stack.pid(service)}/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def flood(stack: RunningStack, ledger: Path, seconds: float, connections: int) -> None:
    """As many events as the gateway takes, from clients that come back when told to; ends with 0 or fails."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("simulate", "--users", "20000", "--batch", "100", "--duplicates", "0.05", "--ledger", str(ledger)),
        *("--connections", str(connections), "--seconds", str(seconds), "--url", stack.origin),
        env=stack.convergio.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(process.wait(), seconds + 120) == 0


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_flood_is_taken_within_bounded_memory_and_every_accepted_event_is_stored_once(
    tmp_path: Path, flood_seconds: float, reports: list[str]
) -> None:
    ledger = tmp_path / "ledger.ndjson"
    settings = {**SETTINGS, "CONVERGIO_RATE_LIMIT_ENABLED": "false"}
    async with running_stack(tmp_path / "stack", extra_env=settings) as stack:
        before = {service: memory(stack, service, "VmRSS") for service in SERVICES}
        await flood(stack, ledger, flood_seconds, connections=64)
        # Kafka silent in the middle of it: what is in flight stays bounded, everyone else is sent away.
        with stack.paused("kafka"):
            answers = await asyncio.gather(*[refused_politely(stack) for _ in range(200)])
        assert Counter(answers).keys() <= {202, 503}
        assert 503 in answers
        verdict = await judge(stack, read_ledger(ledger), unlisted=True, wait=300)
        grown = {service: memory(stack, service, "VmHWM") - before[service] for service in SERVICES}
    reports.append(
        f"flood of {verdict.accepted} events in {flood_seconds:.0f} s; grown by at most "
        + ", ".join(f"{service} {size / MIB:.0f} MiB" for service, size in grown.items())
        + f"\n{verdict}"
    )
    assert all(size < GROWTH_BYTES for size in grown.values()), grown
    assert verdict.good, str(verdict)
    assert not [str(happened) for happened in stack.happenings if happened.kind in ("died", "unhealthy")]


async def refused_politely(stack: RunningStack) -> int:
    """The status of a large batch; one that is refused says when to come back."""
    large = [event(metadata={f"key-{n}": "x" * 250 for n in range(16)}) for _ in range(100)]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{stack.origin}/api/telemetry/events", json=batch(*large)) as response,
    ):
        if response.status != 202:
            assert int(response.headers["Retry-After"]) > 0
            assert response.content_type == "application/problem+json"
        return response.status


@pytest.mark.long
async def test_an_address_that_sends_too_much_is_told_to_wait_and_then_served(tmp_path: Path) -> None:
    settings = {
        **SETTINGS,
        "CONVERGIO_ADDRESS_REQUESTS_PER_SECOND": "20",
        "CONVERGIO_ADDRESS_REQUESTS_BURST": "20",
        "CONVERGIO_USER_EVENTS_BURST": "500",
    }
    ledger = tmp_path / "ledger.ndjson"
    async with running_stack(tmp_path / "stack", extra_env=settings) as stack:
        await flood(stack, ledger, 5.0, connections=16)
        metrics = await stack.get(f"{stack.origin}/metrics")
        told = re.search(r'convergio_gateway_requests_total\{status="429"\} (\S+)', metrics)
        assert told
        assert float(told[1]) > 0
        await until(lambda: accepted(stack))
        verdict = await judge(stack, read_ledger(ledger), unlisted=True)
    assert verdict.good, str(verdict)


async def accepted(stack: RunningStack) -> bool:
    return await refused_politely(stack) == 202
