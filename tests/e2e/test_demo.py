"""`convergio demo` and `up`, as people run them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp

from infra.commands.demo import FAMILIES
from tests.commands import COMMAND, Convergio
from tests.stacks import free_block


def ports() -> list[str]:
    first = free_block(40)
    return [
        *("--ingest-port", str(first), "--exporter-port", str(first + 8), "--kafka-port", str(first + 10)),
        *("--clickhouse-port", str(first + 20), "--processor-port", str(first + 30)),
        *("--audit-port", str(first + 25)),
    ]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_demo_that_ends_by_itself_shows_that_every_event_is_stored_once(tmp_path: Path) -> None:
    result = await Convergio()("demo", "--seconds", "2", "--data-dir", str(tmp_path), *ports(), seconds=280)
    assert result.output.index("ready") < result.output.index("audit: every event is stored exactly once")
    for family in FAMILIES:
        assert f"# TYPE {family} " in result.output
        assert f"\n{family}{{" in result.output
    assert "stored" in result.output
    assert list((tmp_path / "run").glob("*.pid")) == []


async def test_up_serves_the_study_app_and_stops_everything_at_sigterm(tmp_path: Path) -> None:
    options = ports()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "up", "--data-dir", str(tmp_path), *options),
        env=Convergio().environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(180):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line, "it ended before it was ready"
            name, address = (await process.stdout.readline()).decode().rsplit(maxsplit=1)
            overview = (await process.stdout.readline()).decode().split()
        assert (name, address) == ("study app", f"http://127.0.0.1:{options[1]}/")
        assert overview == ["overview", f"http://127.0.0.1:{options[3]}/"]
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            assert response.status == 200
            assert "./assets/study.js" in await response.text()
        async with aiohttp.ClientSession() as session:
            async with session.get(overview[1]) as response:
                assert "./assets/overview.js" in await response.text()
            async with session.get(f"{overview[1]}api/overview") as response:
                assert (response.status, (await response.json())["sinceBeginning"]["events"]) == (200, 0)
        pids = [int(file.read_text()) for file in (tmp_path / "run").glob("*.pid")]
        assert len(pids) == 6
        assert all(alive(pid) for pid in pids)
        os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(90):
            await process.stdout.read()
            assert await process.wait() == 0
        assert not any(alive(pid) for pid in pids)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    taken = str(server.sockets[0].getsockname()[1])
    options = ports()
    options[options.index("--exporter-port") + 1] = taken
    result = await Convergio()("up", "--data-dir", str(tmp_path), *options, code=4)
    assert result.errors.startswith(f"convergio: port {taken} (exporter) is taken; stop what listens there, or choose")
    assert result.errors.count("\n") == 1
    server.close()
