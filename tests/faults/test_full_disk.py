"""A disk that runs full under everything at once: Kafka, ClickHouse, logs and pid files; then there is room again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from infra.local.service import EventKind
from tests.faults.loads import load, until_more_is_stored
from tests.faults.rig import QUICK
from tests.faults.verdict import judge
from tests.oracle import read_ledger
from tests.stacks import RunningStack, running_stack, until

DISK_MB = 512


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted ({mounted.stderr.strip()}); run this test as root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Takes every free byte, and returns the file to delete."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        chunk = b"\0" * (1 << 20)
        while chunk:
            try:
                if file.write(chunk) < len(chunk):
                    chunk = chunk[: len(chunk) // 2]
            except OSError:
                chunk = chunk[: len(chunk) // 2]
    assert os.statvfs(disk).f_bavail == 0
    return ballast


async def gateway_is_ready(stack: RunningStack) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{stack.origin}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def refuses(stack: RunningStack) -> bool:
    return not await gateway_is_ready(stack)


def deaths(stack: RunningStack, service: str) -> int:
    return sum(event.kind is EventKind.DIED and event.service == service for event in stack.happenings)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_full_disk_stops_everything_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.ndjson"
    settings = {"CONVERGIO_ACK_TIMEOUT_SECONDS": "3"}
    async with running_stack(small_disk / "stack", policy=QUICK, extra_env=settings) as stack:
        async with load(stack, ledger, rate=500):
            await until_more_is_stored(stack)
            ballast = fill(small_disk)
            await until(lambda: refuses(stack))
            # Kafka ends when it cannot write, and cannot start either.
            await until(lambda: deaths(stack, "kafka") >= 2)
            os.kill(stack.pid("processor-0"), signal.SIGKILL)
            await until(lambda: deaths(stack, "processor-0") == 1 and deaths(stack, "kafka") >= 3)
            ballast.unlink()
            await until(lambda: gateway_is_ready(stack))
            await until_more_is_stored(stack)
        verdict = await judge(stack, read_ledger(ledger))
    assert verdict.good, str(verdict)
