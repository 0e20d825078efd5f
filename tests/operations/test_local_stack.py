"""The local stack: Kafka and ClickHouse are real, the services of ours are stand-ins."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.errors import Unavailable
from infra.local.kafka import LocalKafka
from infra.local.ports import free_ports, is_taken
from infra.local.restarts import RestartPolicy
from infra.local.service import Event, EventKind, Service
from infra.local.stack import LocalStack, StackConfig, stages

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_service.py")))


def free_run(length: int) -> int:
    """The first of so many consecutive free ports."""
    while True:
        (first,) = free_ports(1)
        if not any(is_taken(first + offset) for offset in range(length)):
            return first


@dataclass
class RunningStack:
    stack: LocalStack
    events: list[Event] = field(default_factory=list)

    @property
    def config(self) -> StackConfig:
        return self.stack.config

    def pid(self, service: str) -> int:
        return int((self.config.data_dir / "run" / f"{service}.pid").read_text())

    async def until(self, service: str, kind: EventKind, times: int) -> None:
        async with asyncio.timeout(60):
            while sum((event.service, event.kind) == (service, kind) for event in self.events) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    first = free_run(9)
    config = StackConfig(
        tmp_path_factory.mktemp("stack"),
        kafka_port=first,  # its controller takes the next one
        clickhouse_port=first + 2,
        exporter_port=first + 3,
        ingest_port=first + 4,
        processor_port=first + 6,
        audit_port=first + 8,
        ingest=2,
        processors=2,
        extra_env={"CONVERGIO_RATE_LIMIT_ENABLED": "false"},
        convergio=STAND_IN,
    )
    events: list[Event] = []
    stack = LocalStack(config, on_event=events.append, policy=RestartPolicy(first_delay=0.1))
    async with stack:
        yield RunningStack(stack, events)
    stopped = [event.service for event in events if event.kind == EventKind.STOPPED]
    names = [name.split("-")[0] for name in stopped]
    # Services of one stage stop side by side.
    assert [*names[:4], *sorted(names[4:6]), *names[6:]] == [
        *("ingest", "ingest"),
        *("processor", "processor"),
        *("audit", "exporter", "clickhouse", "kafka"),
    ]
    assert list((config.data_dir / "run").glob("*.pid")) == []


def given(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/given", timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def test_services_start_after_what_they_need(running: RunningStack) -> None:
    happened = [(event.service, event.kind) for event in running.events]
    migrating = happened.index(("migrate", EventKind.STARTED))
    assert happened.index(("kafka", EventKind.READY)) < migrating
    assert happened.index(("clickhouse", EventKind.READY)) < migrating
    migrated = happened.index(("migrate", EventKind.FINISHED))
    for service in ("exporter", "processor-0", "processor-1", "ingest-0", "ingest-1"):
        assert migrated < happened.index((service, EventKind.STARTED))


def test_every_process_is_named_by_its_pid_file(running: RunningStack) -> None:
    names = {file.stem for file in (running.config.data_dir / "run").glob("*.pid")}
    services = {"kafka", "clickhouse", "exporter", "audit", "ingest-0", "ingest-1", "processor-0", "processor-1"}
    assert names == services
    assert len({running.pid(name) for name in names}) == len(names)


def test_gateways_listen_on_consecutive_ports_and_the_first_is_the_origin(running: RunningStack) -> None:
    first, second = running.config.gateways
    assert given(first)["arguments"] == ["ingest", "--origin"]
    assert given(second)["arguments"] == ["ingest"]


def test_services_are_told_where_kafka_and_clickhouse_are(running: RunningStack) -> None:
    settings = given(running.config.exporter)["settings"]
    assert settings["CONVERGIO_KAFKA_BOOTSTRAP"] == f"127.0.0.1:{running.config.kafka_port}"
    assert settings["CONVERGIO_CLICKHOUSE_PORT"] == str(running.config.clickhouse_port)
    assert settings["CONVERGIO_RATE_LIMIT_ENABLED"] == "false"
    assert settings["CONVERGIO_OVERVIEW"] == "open"


async def test_kafka_and_clickhouse_keep_what_they_acknowledged_when_they_are_killed(
    running: RunningStack,
) -> None:
    bootstrap = running.config.kafka.bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("kept", b"acknowledged")
    port = running.config.clickhouse_port
    with clickhouse_connect.get_client(host="127.0.0.1", port=port) as client:
        client.command("CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[42]], column_names=["n"])

    for service in ("kafka", "clickhouse"):
        os.kill(running.pid(service), signal.SIGKILL)
    for service in ("kafka", "clickhouse"):
        await running.until(service, EventKind.READY, times=2)

    with clickhouse_connect.get_client(host="127.0.0.1", port=port) as client:
        assert client.query("SELECT n FROM kept").result_rows == [(42,)]
    async with AIOKafkaConsumer("kept", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"acknowledged"


async def test_a_second_stack_does_not_get_the_same_data_dir(running: RunningStack) -> None:
    with pytest.raises(Unavailable, match="in use by another local stack"):
        await LocalStack(running.config).start()


def services_of(config: StackConfig) -> list[Service]:
    commands = {name: ["java"] for name in config.kafka.names}
    return [service for stage in stages(config, commands) for service in stage.services]


def test_three_brokers_replicate_the_topics(tmp_path: Path) -> None:
    services = services_of(StackConfig(tmp_path, brokers=3))
    assert [service.name for service in services[:3]] == ["kafka-0", "kafka-1", "kafka-2"]
    settings = services[-1].environment
    assert settings["CONVERGIO_KAFKA_BOOTSTRAP"] == "127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094"
    assert settings["CONVERGIO_REPLICATION_FACTOR"] == "3"


def test_no_two_services_want_the_same_port_by_default(tmp_path: Path) -> None:
    ports = [port for service in services_of(StackConfig(tmp_path)) for port in service.ports]
    assert len(ports) == len(set(ports))


def test_a_broker_can_lag_or_die_without_stopping_three_brokers(tmp_path: Path) -> None:
    properties = LocalKafka(tmp_path, brokers=3).server_properties(2)
    assert "min.insync.replicas=2\n" in properties
    assert "offsets.topic.replication.factor=3\n" in properties
    assert "node.id=3\n" in properties


def test_a_cluster_is_not_started_with_another_number_of_brokers(tmp_path: Path) -> None:
    (tmp_path / "cluster").write_text("4L6g3nShT-eMCtK--X86sw 1\n")
    with pytest.raises(Unavailable, match=r"holds a Kafka cluster of 1 broker\(s\), not 3"):
        LocalKafka(tmp_path, brokers=3).commands()
