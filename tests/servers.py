"""Where the tests' Kafka and ClickHouse come from: the environment, Docker, or processes of our own."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict

import clickhouse_connect
import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]
from pydantic import SecretStr
from testcontainers.community.clickhouse import ClickHouseContainer
from testcontainers.community.kafka import KafkaContainer

from infra.local.clickhouse import LocalClickHouse
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.kafka_jars import KAFKA_VERSION
from infra.local.ports import HOST, free_ports
from infra.local.probes import answers_ok
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor

Server = Literal["kafka", "clickhouse"]

KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.1"
CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"


class ClientOptions(TypedDict):
    host: str
    port: int
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    host: str
    port: int
    """Of the HTTP interface."""
    username: str = "default"
    password: str = ""

    @property
    def client_options(self) -> ClientOptions:
        """Keyword arguments of clickhouse_connect.get_client and get_async_client."""
        return ClientOptions(host=self.host, port=self.port, username=self.username, password=self.password)

    def settings(self, database: str) -> dict[str, Any]:
        """The same as settings of ours, for a database."""
        return {
            "clickhouse_host": self.host,
            "clickhouse_port": self.port,
            "clickhouse_user": self.username,
            "clickhouse_password": SecretStr(self.password),
            "clickhouse_database": database,
        }

    def command_settings(self, database: str) -> dict[str, str]:
        """The same for the command line."""
        given = {name: str(value) for name, value in self.settings(database).items()}
        return {**given, "clickhouse_password": self.password}

    @contextmanager
    def own_database(self) -> Iterator[str]:
        """A name that nobody else has. The database is not created; whatever it became is dropped at the end."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield name
        with clickhouse_connect.get_client(**self.client_options) as client:
            client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def given_address(server: Server) -> str | None:
    return os.environ.get(f"CONVERGIO_TEST_{server.upper()}")


@cache
def docker_answers() -> bool:
    try:
        return bool(docker.from_env(timeout=2).ping())
    except (DockerException, OSError):
        return False


def server_source(server: Server) -> str:
    """For people: which kind of server the tests will use."""
    given = given_address(server)
    if given:
        return f"{given} (CONVERGIO_TEST_{server.upper()})"
    if docker_answers():
        return f"testcontainers, {KAFKA_IMAGE if server == 'kafka' else CLICKHOUSE_IMAGE}"
    return f"embedded, Apache Kafka {KAFKA_VERSION}" if server == "kafka" else "embedded, chDB"


@asynccontextmanager
async def kafka_server(data_dir: Path) -> AsyncIterator[str]:
    """bootstrap servers, for as long as the context lasts."""
    given = given_address("kafka")
    if given:
        yield given
    elif docker_answers():
        container = KafkaContainer(KAFKA_IMAGE).with_kraft().with_env("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "1000")
        await asyncio.to_thread(container.start)
        try:
            yield container.get_bootstrap_server()
        finally:
            await asyncio.to_thread(container.stop)
    else:
        port, controller_port = free_ports(2)
        kafka = LocalKafka(data_dir, port, controller_port=controller_port)
        commands = await asyncio.to_thread(kafka.commands)
        async with running(Service("kafka", commands["kafka"], ready=kafka.is_ready), data_dir):
            yield kafka.bootstrap


@asynccontextmanager
async def clickhouse_server(data_dir: Path) -> AsyncIterator[ClickHouseAddress]:
    """A ClickHouse, for as long as the context lasts."""
    given = given_address("clickhouse")
    if given:
        host, _, port = given.rpartition(":")
        yield ClickHouseAddress(host, int(port))
    elif docker_answers():
        container = ClickHouseContainer(CLICKHOUSE_IMAGE, port=8123)
        await asyncio.to_thread(container.start)
        try:
            yield ClickHouseAddress(
                container.get_container_host_ip(),
                int(container.get_exposed_port(8123)),
                container.username,
                container.password,
            )
        finally:
            await asyncio.to_thread(container.stop)
    else:
        (local_port,) = free_ports(1)
        engine = LocalClickHouse(data_dir, local_port)
        ready = answers_ok(local_port, "/ping")
        async with running(Service("clickhouse", engine.command(), ready=ready), data_dir):
            yield ClickHouseAddress(HOST, local_port)


@asynccontextmanager
async def running(service: Service, data_dir: Path) -> AsyncIterator[None]:
    """A process that is ready, is restarted should it die, and is stopped at the end."""
    with DataDir(data_dir) as held:
        async with Supervisor(held, [Stage([service])]):
            yield
