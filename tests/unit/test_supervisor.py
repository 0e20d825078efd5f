"""The supervisor, with small stand-ins for the services."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from infra.errors import Unavailable
from infra.local.data_dir import DataDir
from infra.local.ports import free_ports, is_taken
from infra.local.probes import answers_ok, listens_on
from infra.local.restarts import RestartPolicy
from infra.local.service import Event, EventKind, Service
from infra.local.supervisor import Stage, Supervisor

QUICK = RestartPolicy(first_delay=0.01, health_interval=0.02, unhealthy_after=2, poll_interval=0.02)

LISTEN = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening as", os.getpid(), flush=True)
while True:
    server.accept()[0].close()
"""
IGNORE_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LISTEN
SPAWN_A_CHILD = (
    """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""
    + LISTEN
)


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def listener(name: str, code: str = LISTEN, *, stop_seconds: float = 20.0) -> Service:
    (port,) = free_ports(1)
    return Service(name, python(code, port), ports=(port,), ready=listens_on(port), stop_seconds=stop_seconds)


class Recorder:
    """Collects events and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._arrived.set()

    def story(self) -> list[str]:
        return [f"{event.service} {event.kind}" for event in self.events]

    async def until(self, line: str, times: int = 1) -> Event:
        async with asyncio.timeout(30):
            while self.story().count(line) < times:
                self._arrived.clear()
                await self._arrived.wait()
        return [event for event in self.events if f"{event.service} {event.kind}" == line][times - 1]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def supervise(tmp_path: Path, recorder: Recorder) -> Iterator[Callable[..., Supervisor]]:
    with DataDir(tmp_path) as data_dir:

        def make(*stages: Sequence[Service] | Stage) -> Supervisor:
            made = [stage if isinstance(stage, Stage) else Stage(stage) for stage in stages]
            return Supervisor(data_dir, made, on_event=recorder, policy=QUICK)

        yield make


Supervise = Callable[..., Supervisor]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    async with asyncio.timeout(30):
        while lives(pid):  # noqa: ASYNC110 - not a child of this process
            await asyncio.sleep(0.01)


async def test_stages_start_in_order_and_stop_in_reverse(supervise: Supervise, recorder: Recorder) -> None:
    async with supervise([listener("kafka")], [listener("clickhouse")], [listener("gateway")]):
        pass
    assert recorder.story() == [
        "kafka started",
        "kafka ready",
        "clickhouse started",
        "clickhouse ready",
        "gateway started",
        "gateway ready",
        "gateway stopped",
        "clickhouse stopped",
        "kafka stopped",
    ]


async def test_stages_that_need_not_wait_for_each_other_start_at_once(supervise: Supervise, recorder: Recorder) -> None:
    (unused,) = free_ports(1)

    async def ready_once_the_other_runs() -> bool:
        return "clickhouse started" in recorder.story()

    kafka = Service("kafka", python(LISTEN, unused), ready=ready_once_the_other_runs)
    async with supervise(Stage([kafka], awaited=False), [listener("clickhouse")], [listener("gateway")]):
        story = recorder.story()
    for needed in ("kafka", "clickhouse"):
        assert story.index(f"{needed} ready") < story.index("gateway started")


async def test_a_pid_file_names_each_process_while_it_runs(
    supervise: Supervise, recorder: Recorder, tmp_path: Path
) -> None:
    async with supervise([listener("gateway-0"), listener("gateway-1")]):
        pids = {event.service: event.pid for event in recorder.events if event.kind == EventKind.STARTED}
        for name, pid in pids.items():
            assert int((tmp_path / "run" / f"{name}.pid").read_text()) == pid
            assert lives(pid)
    assert list((tmp_path / "run").glob("*.pid")) == []
    assert not any(lives(pid) for pid in pids.values())


async def test_what_dies_is_restarted_and_its_log_is_kept(
    supervise: Supervise, recorder: Recorder, tmp_path: Path
) -> None:
    async with supervise([listener("gateway")]):
        first = await recorder.until("gateway ready")
        os.kill(first.pid, signal.SIGKILL)
        died = await recorder.until("gateway died")
        second = await recorder.until("gateway restarted")
        await recorder.until("gateway ready", times=2)
    assert died.detail == "SIGKILL"
    assert (tmp_path / "logs" / "gateway.log").read_text().splitlines() == [
        f"listening as {first.pid}",
        f"listening as {second.pid}",
    ]


async def test_a_service_that_stays_unhealthy_is_killed_and_restarted(supervise: Supervise, recorder: Recorder) -> None:
    sick = False

    async def healthy() -> bool:
        return not sick

    gateway = listener("gateway")
    checked = Service("gateway", gateway.command, ports=gateway.ports, ready=gateway.ready, healthy=healthy)
    async with supervise([checked]):
        sick = True
        await recorder.until("gateway unhealthy")
        sick = False
        await recorder.until("gateway restarted")


async def test_a_service_that_ignores_sigterm_is_killed_after_its_grace_period(
    supervise: Supervise, recorder: Recorder
) -> None:
    async with supervise([listener("stubborn", IGNORE_SIGTERM, stop_seconds=0.2)]):
        pass
    assert recorder.events[-1].detail == "SIGKILL"
    assert not lives(recorder.events[-1].pid)


async def test_what_a_service_started_itself_goes_with_it(supervise: Supervise, tmp_path: Path) -> None:
    async with supervise([listener("parent", SPAWN_A_CHILD)]):
        child = int((tmp_path / "logs" / "parent.log").read_text().splitlines()[0])
        assert lives(child)
    await gone(child)


async def test_the_next_stage_waits_for_a_service_that_runs_once(supervise: Supervise, recorder: Recorder) -> None:
    migrate = Service("migrate", python("print('tables created')"), once=True)
    async with supervise([migrate], [listener("gateway")]):
        pass
    assert recorder.story()[:3] == ["migrate started", "migrate finished", "gateway started"]


async def test_a_failed_one_shot_stops_the_start_and_leaves_nothing_running(
    supervise: Supervise, recorder: Recorder, tmp_path: Path
) -> None:
    migrate = Service("migrate", python("import sys; print('no such database'); sys.exit(3)"), once=True)
    supervisor = supervise([listener("kafka")], [migrate], [listener("gateway")])
    with pytest.raises(Unavailable) as raised:
        await supervisor.start()
    log = tmp_path / "logs" / "migrate.log"
    assert str(raised.value) == f"migrate does not start (exit code 3): no such database; see {log}"
    assert recorder.story()[-1] == "kafka stopped"
    assert not any(lives(event.pid) for event in recorder.events)


async def test_a_service_that_dies_at_every_start_stops_the_start_with_its_last_words(
    supervise: Supervise, recorder: Recorder
) -> None:
    broken = Service("gateway", python("import sys; sys.exit('CONVERGIO_PORT is not a setting')"), ready=listens_on(1))
    with pytest.raises(Unavailable, match=r"gateway does not start .* CONVERGIO_PORT is not a setting"):
        await supervise([broken]).start()
    assert recorder.story().count("gateway died") == QUICK.start_attempts


async def test_a_service_that_is_not_ready_in_time_stops_the_start(supervise: Supervise) -> None:
    (unused,) = free_ports(1)
    gateway = listener("gateway")
    late = Service("gateway", gateway.command, ready=listens_on(unused), start_seconds=0.5)
    with pytest.raises(Unavailable, match=r"not ready within 0\.5 s\): listening as"):
        await supervise([late]).start()
    assert not is_taken(gateway.ports[0])


async def test_a_taken_port_is_named_before_anything_starts(
    supervise: Supervise, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.port_conflicts.PATIENCE_SECONDS", 0.0)
    gateway = listener("gateway")
    with (
        socket.create_server(("127.0.0.1", gateway.ports[0])),
        pytest.raises(Unavailable, match=rf"port {gateway.ports[0]} \(gateway\) is taken; stop"),
    ):
        await supervise([listener("kafka")], [gateway]).start()
    assert recorder.events == []


async def test_all_taken_ports_are_named_at_once_with_what_chooses_others(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.local.port_conflicts.PATIENCE_SECONDS", 0.0)
    one, other, free = free_ports(3)
    services = [
        Service("kafka", ["true"], ports=(one, free), ports_setting="--kafka-port"),
        Service("exporter", ["true"], ports=(other,), ports_setting="--exporter-port (CONVERGIO_EXPORTER_PORT)"),
    ]
    with (
        socket.create_server(("127.0.0.1", one)),
        socket.create_server(("127.0.0.1", other)),
        pytest.raises(Unavailable) as refused,
    ):
        await supervise(services).start()
    assert str(refused.value) == (
        f"ports {one} (kafka), {other} (exporter) are taken; stop what listens there, or"
        " choose others with --kafka-port, --exporter-port (CONVERGIO_EXPORTER_PORT)"
    )


async def test_a_port_that_cannot_be_is_refused(supervise: Supervise) -> None:
    last = Service("ingest-1", ["true"], ports=(65_536,), ports_setting="--ingest-port")
    with pytest.raises(Unavailable, match=r"no port 65536 \(ingest-1\); choose others with --ingest-port"):
        await supervise([last]).start()


async def test_a_port_that_two_services_need_is_named_before_anything_starts(
    supervise: Supervise, recorder: Recorder
) -> None:
    gateway = listener("gateway")
    twin = Service("clickhouse", gateway.command, ports=gateway.ports)
    with pytest.raises(Unavailable, match=f"port {gateway.ports[0]} is needed by both gateway and clickhouse"):
        await supervise([gateway], [twin]).start()
    assert recorder.events == []


def test_a_data_dir_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with (
        DataDir(tmp_path),
        pytest.raises(Unavailable, match=rf"in use by another local stack \(pid {os.getpid()}\)"),
    ):
        DataDir(tmp_path)
    DataDir(tmp_path).release()


async def test_stopping_while_it_starts_leaves_nothing_running(supervise: Supervise, recorder: Recorder) -> None:
    async def never() -> bool:
        return False

    gateway = listener("gateway")
    slow = Service("slow", gateway.command, ports=gateway.ports, ready=never)
    supervisor = supervise([slow])
    starting = asyncio.create_task(supervisor.start())
    started = await recorder.until("slow started")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not lives(started.pid)


async def test_a_probe_takes_only_200_for_an_answer(supervise: Supervise, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    (tmp_path / "readyz").write_text("ok")
    async with supervise([Service("web", command, ports=(port,), ready=answers_ok(port, "/readyz"))]):
        assert not await answers_ok(port, "/missing")()
    assert not await answers_ok(port, "/readyz")()


SUPERVISE_AND_SAY_PIDS = """
import asyncio, sys
from pathlib import Path
from infra.local.data_dir import DataDir
from infra.local.probes import listens_on
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor

async def main(path, port, code):
    data_dir = DataDir(path)
    service = Service("gateway", [sys.executable, "-c", code, str(port)], ready=listens_on(port))
    async with Supervisor(data_dir, [Stage([service])], on_event=lambda event: print(event.pid, flush=True)) as running:
        print("ready", flush=True)
        await running.wait()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_a_killed_supervisor_takes_its_processes_along(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    supervisor = await asyncio.create_subprocess_exec(
        *python(SUPERVISE_AND_SAY_PIDS, tmp_path, port, LISTEN), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    assert lives(pid)
    supervisor.kill()
    await supervisor.wait()
    await gone(pid)
    with DataDir(tmp_path) as data_dir:  # what it left behind is in nobody's way
        async with Supervisor(data_dir, [Stage([listener("gateway")])]):
            pass


async def test_a_service_whose_files_cannot_be_written_is_started_again_once_they_can(
    supervise: Supervise, recorder: Recorder, tmp_path: Path
) -> None:
    """As while the disk is full."""
    async with supervise([listener("gateway")]):
        log = tmp_path / "logs" / "gateway.log"
        log.unlink()
        log.mkdir()
        os.kill(recorder.events[0].pid, signal.SIGKILL)
        failed = await recorder.until("gateway could not be started")
        assert str(log) in failed.detail
        log.rmdir()
        await recorder.until("gateway ready", 2)


async def test_a_service_without_its_pid_file_is_supervised_all_the_same(
    supervise: Supervise, recorder: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "run" / "gateway.pid").mkdir()
    async with supervise([listener("gateway")]):
        os.kill(recorder.events[0].pid, signal.SIGKILL)
        await recorder.until("gateway ready", 2)
    assert not lives(recorder.events[-1].pid)
