"""Our gateway beside a small one in Go, on the same Kafka, driven by wrk in turn.

    python -m benchmarks.gateway.run --rounds 5 --seconds 10

Needs `wrk` (the Debian package) and, for the comparison, `go`; without Go only ours is measured. Only the ratio
carries over to another machine: the generator, the broker and the gateway share this one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil  # type: ignore[import-untyped]

from infra.local.kafka import LocalKafka
from infra.local.orphans import die_with_parent
from infra.local.ports import free_ports

HERE = Path(__file__).parent
TOPIC = "benchmark"
START_SECONDS = 120.0
PEER_LINGER = "2ms"
"""As long as ours gathers. Of 0, 2 and 10 ms (franz-go's default) it gave the peer its best rate."""


class Result(NamedTuple):
    """What wrk measured in one run."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    not_2xx: int
    socket_errors: int
    cpu_us: float = 0.0
    """Processor time the gateway spent per request, microseconds."""
    kafka_cpu_us: float = 0.0


class Target(NamedTuple):
    """Something that takes batches."""

    name: str
    url: str
    pid: int


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A process of ours, ended with the context; its pid."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            preexec_fn=die_with_parent(),
        )
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Asks until it holds; ends the program when it never does."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not start")
        time.sleep(0.1)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def create_topic(bootstrap: str, partitions: int) -> None:
    script = (
        "import asyncio\nfrom aiokafka.admin import AIOKafkaAdminClient, NewTopic\n"
        "from processors.retention_topic import RetentionTopic\nfrom schemas.settings import SharedSettings\n"
        "async def main():\n"
        f"    admin = AIOKafkaAdminClient(bootstrap_servers={bootstrap!r})\n"
        "    await admin.start()\n"
        f"    retention = RetentionTopic(SharedSettings(kafka_bootstrap={bootstrap!r}, events_topic={TOPIC!r}))\n"
        f"    await admin.create_topics([NewTopic({TOPIC!r}, {partitions}, 1), NewTopic(retention.name, 1, 1)])\n"
        "    await admin.close()\n"
        "    await retention.put_in_force(90)\n"
        "asyncio.run(main())\n"
    )
    for _ in range(60):
        if subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.5)
    sys.exit("Kafka did not become ready")


def build_peer(folder: Path) -> Path | None:
    """The Go peer's binary, or None where Go is missing."""
    go = shutil.which("go")
    if go is None:
        print("Go is not installed: measuring our gateway alone.")  # noqa: T201
        return None
    binary = folder / "peer"
    subprocess.run([go, "build", "-o", str(binary), "."], cwd=HERE / "peer", check=True)
    return binary


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def drive(target: Target, kafka: int, events: int, seconds: int, connections: int) -> Result:
    """One run of wrk; `kafka` is the broker's pid."""
    before, kafka_before = cpu_seconds(target.pid), cpu_seconds(kafka)
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(HERE / "body.lua"), target.url],
        env={**os.environ, "EVENTS": str(events)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    measured = Result(**json.loads(line.removeprefix("RESULT ")))
    requests = measured.requests_per_second * seconds
    return measured._replace(
        cpu_us=(cpu_seconds(target.pid) - before) / requests * 1e6,
        kafka_cpu_us=(cpu_seconds(kafka) - kafka_before) / requests * 1e6,
    )


def spread(numbers: list[float]) -> str:
    return f"{min(numbers):8.0f} {statistics.median(numbers):8.0f} {max(numbers):8.0f}"


def report(events: int, results: dict[str, list[Result]]) -> None:
    """min, median and max of each, and ours against the peer."""
    print(f"\n{events} events/request        req/s:   min   median      max   p50 / p99 ms   CPU µs/request, Kafka's")  # noqa: T201
    for name, runs in results.items():
        rates = [run.requests_per_second for run in runs]
        p50, p99 = (statistics.median(getattr(run, key) for run in runs) for key in ("p50_ms", "p99_ms"))
        failed = sum(run.not_2xx + run.socket_errors for run in runs)
        cpu, kafka_cpu = (statistics.median(getattr(run, key) for run in runs) for key in ("cpu_us", "kafka_cpu_us"))
        print(  # noqa: T201
            f"  {name:22} {spread(rates)}   {p50:5.1f} / {p99:5.1f}   {cpu:6.0f}   {kafka_cpu:6.0f}   {failed} failed"
        )
    if len(results) == 2:
        ours, peer = ([run.requests_per_second for run in runs] for runs in results.values())
        by_round = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
        ratio = statistics.median(ours) / statistics.median(peer)
        print(  # noqa: T201
            f"  ratio ours/Go: {ratio:.2f} of medians; by round {min(by_round):.2f} to {max(by_round):.2f}"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=int, default=8)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--partitions", type=int, default=4)
    arguments.add_argument("--events", type=int, nargs="+", default=[10, 50])
    arguments.add_argument("--only-ours", action="store_true")
    chosen = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; on Debian: apt-get install wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="convergio-benchmark-")))
        kafka_port, controller_port, our_port, peer_port = free_ports(4)
        kafka = LocalKafka(folder / "kafka", kafka_port, controller_port=controller_port)
        (command,) = kafka.commands().values()
        broker = stack.enter_context(process(command, folder / "kafka.log"))
        wait_for(lambda: accepts(kafka_port), "Kafka")
        create_topic(kafka.bootstrap, chosen.partitions)
        environment = {
            "CONVERGIO_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "CONVERGIO_EVENTS_TOPIC": TOPIC,
            "CONVERGIO_INGEST_PORT": str(our_port),
            "CONVERGIO_RATE_LIMIT_ENABLED": "false",
        }
        ours = stack.enter_context(process([sys.executable, "-m", "ingest"], folder / "ours.log", environment))
        targets = [Target("convergio (Python)", f"http://127.0.0.1:{our_port}", ours)]
        binary = None if chosen.only_ours else build_peer(folder)
        if binary is not None:
            peer = [str(binary), kafka.bootstrap, TOPIC, str(chosen.partitions), str(peer_port), PEER_LINGER]
            pid = stack.enter_context(process(peer, folder / "peer.log"))
            targets.append(Target("Go peer", f"http://127.0.0.1:{peer_port}", pid))
        for target in targets:
            wait_for(lambda target=target: is_ready(target.url), target.name)  # type: ignore[misc]
        for events in chosen.events:
            results: dict[str, list[Result]] = {target.name: [] for target in targets}
            for target in targets:
                drive(target, broker, events, 2, chosen.connections)
            for _ in range(chosen.rounds):
                for target in targets:
                    results[target.name].append(drive(target, broker, events, chosen.seconds, chosen.connections))
            report(events, results)


if __name__ == "__main__":
    main()
