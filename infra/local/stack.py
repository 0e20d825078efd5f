"""The whole pipeline on this machine: which processes it has, how each is started, when each is ready.

Every service of ours is started as production starts it: the command line, and settings in the environment.
Starting and watching them is `infra.local.supervisor`'s business.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from infra.local.clickhouse import LocalClickHouse
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.port_conflicts import refuse_port_conflicts
from infra.local.ports import HOST
from infra.local.probes import answers_ok
from infra.local.restarts import RestartPolicy
from infra.local.service import Event, Service
from infra.local.supervisor import Stage, Supervisor
from schemas.addresses import local_url

CONVERGIO = (sys.executable, "-m", "infra.cli")
"""The command line, as this interpreter runs it."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    data_dir: Path
    """Kept between runs."""
    ingest_port: int = 8000
    """Of the first gateway; further ones listen on the ports after it."""
    exporter_port: int = 9464
    kafka_port: int = 9092
    """Of the first broker; further ones follow it."""
    kafka_controller_port: int | None = None
    """Of the first broker's controller; further ones follow it. None: those after the brokers' ports."""
    clickhouse_port: int = 8123
    processor_port: int = 9465
    """Of the first processor's health and metrics; further ones follow it."""
    audit_port: int = 9463
    ingest: int = 1
    processors: int = 1
    ingest_host: str = HOST
    """What gateways listen on; and so on for the exporter, and for the processors' health and metrics."""
    exporter_host: str = HOST
    processor_host: str = HOST
    audit_host: str = HOST
    brokers: Literal[1, 3] = 1
    overview: Literal["open", "token", "off"] = "open"
    """Who sees the exporter's overview."""
    overview_time_zone: str = "UTC"
    extra_env: Mapping[str, str] = field(default_factory=dict)
    """Settings of every service; they win over those the stack makes."""
    convergio: Sequence[str] = CONVERGIO
    """What `ingest`, `process`, `export` and `migrate` are given to."""

    @property
    def kafka(self) -> LocalKafka:
        directory = (self.data_dir / "kafka").absolute()
        return LocalKafka(directory, self.kafka_port, self.brokers, self.kafka_controller_port)

    @property
    def clickhouse(self) -> LocalClickHouse:
        return LocalClickHouse((self.data_dir / "clickhouse").absolute(), self.clickhouse_port)

    @property
    def gateways(self) -> list[str]:
        """Addresses of the gateways. The first one also serves the statistics and the study app."""
        return [local_url(self.ingest_host, self.ingest_port + number) for number in range(self.ingest)]

    @property
    def exporter(self) -> str:
        return local_url(self.exporter_host, self.exporter_port)


def stages(config: StackConfig, broker_commands: Mapping[str, Sequence[str]]) -> list[Stage]:
    """The services in the order they start. They stop in reverse, so that nothing loses what it writes to."""
    return [
        Stage(_brokers(config, broker_commands), awaited=False),
        Stage([_clickhouse(config)]),
        Stage([Service("migrate", [*config.convergio, "migrate"], _environment(config), once=True)]),
        Stage([_exporter(config), _audit(config)], awaited=False),
        Stage([processor(config, number) for number in range(config.processors)], awaited=False),
        Stage([_gateway(config, number) for number in range(config.ingest)]),
    ]


class LocalStack:
    """The stack of a configuration; `async with` starts it, waits until all of it is ready, and stops it.

    Raises Unavailable, with nothing left running, if a part of it cannot start.
    """

    def __init__(
        self,
        config: StackConfig,
        *,
        on_event: Callable[[Event], None] = lambda _: None,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.config = config
        self._on_event = on_event
        self._policy = policy
        self._data_dir: DataDir | None = None
        self._supervisor: Supervisor | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._data_dir = DataDir(self.config.data_dir)
        try:
            # Before Kafka is prepared; the supervisor asks again when it starts.
            planned = stages(self.config, dict.fromkeys(self.config.kafka.names, ()))
            await refuse_port_conflicts([service for stage in planned for service in stage.services])
            # Kafka's first start downloads and formats, which blocks.
            commands = await asyncio.to_thread(self.config.kafka.commands)
            services = stages(self.config, commands)
            self._supervisor = Supervisor(self._data_dir, services, on_event=self._on_event, policy=self._policy)
            await self._supervisor.start()
        except BaseException:
            self._data_dir.release()
            raise

    async def stop(self) -> None:
        """Gateways first, Kafka last; each answers and flushes what it has. May be called at any time."""
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._data_dir is not None:
            self._data_dir.release()

    async def wait(self) -> None:
        """Returns once stopped. Raises what keeps a service from being supervised any longer."""
        if self._supervisor is not None:
            await self._supervisor.wait()


def _environment(config: StackConfig, own: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        "CONVERGIO_KAFKA_BOOTSTRAP": config.kafka.bootstrap,
        "CONVERGIO_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "CONVERGIO_KAFKA_CA_FILE": "",
        "CONVERGIO_KAFKA_CERT_FILE": "",
        "CONVERGIO_KAFKA_KEY_FILE": "",
        "CONVERGIO_REPLICATION_FACTOR": str(config.brokers),
        "CONVERGIO_CLICKHOUSE_HOST": HOST,
        "CONVERGIO_CLICKHOUSE_PORT": str(config.clickhouse_port),
        "CONVERGIO_CLICKHOUSE_SECURE": "false",
        "CONVERGIO_CLICKHOUSE_CA_FILE": "",
        "PYTHONUNBUFFERED": "1",  # a log is of use while its process runs
        **(own or {}),
        **config.extra_env,
    }


def _brokers(config: StackConfig, commands: Mapping[str, Sequence[str]]) -> list[Service]:
    ports = zip(config.kafka.broker_ports, config.kafka.controller_ports, strict=True)
    return [
        Service(
            name,
            command,
            ports=own_ports,
            ports_setting="--kafka-port (CONVERGIO_KAFKA_BOOTSTRAP) and --kafka-controller-port",
            ready=config.kafka.is_ready,
            start_seconds=120.0,
        )
        for (name, command), own_ports in zip(commands.items(), ports, strict=True)
    ]


def _clickhouse(config: StackConfig) -> Service:
    port = config.clickhouse_port
    ping = answers_ok(port, "/ping")
    # It answers what is in flight first, for up to 30 s.
    return Service(
        "clickhouse",
        config.clickhouse.command(),
        ports=(port,),
        ports_setting="--clickhouse-port (CONVERGIO_CLICKHOUSE_PORT)",
        ready=ping,
        healthy=ping,
        stop_seconds=35.0,
    )


def _gateway(config: StackConfig, number: int) -> Service:
    # The first one also serves the read path and the study app: the one origin a load balancer makes of them.
    arguments = ["ingest", "--origin"] if number == 0 else ["ingest"]
    return _of_ours(config, f"ingest-{number}", arguments, "INGEST", config.ingest_host, config.ingest_port + number)


def processor(config: StackConfig, number: int) -> Service:
    """The processor of that number, also one more than the configuration has."""
    name = f"processor-{number}"
    files = (config.data_dir / "processors" / name).absolute()
    own = {"CONVERGIO_DATA_DIR": str(files)}
    port = config.processor_port + number
    return _of_ours(config, name, ["process"], "PROCESSOR", config.processor_host, port, own)


def _exporter(config: StackConfig) -> Service:
    own = {"CONVERGIO_OVERVIEW": config.overview, "CONVERGIO_OVERVIEW_TIME_ZONE": config.overview_time_zone}
    return _of_ours(config, "exporter", ["export"], "EXPORTER", config.exporter_host, config.exporter_port, own)


def _audit(config: StackConfig) -> Service:
    return _of_ours(config, "audit", ["audit", "--follow"], "AUDIT", config.audit_host, config.audit_port)


def _of_ours(
    config: StackConfig,
    name: str,
    arguments: Sequence[str],
    prefix: str,
    host: str,
    port: int,
    own: Mapping[str, str] | None = None,
) -> Service:
    address = {f"CONVERGIO_{prefix}_HOST": host, f"CONVERGIO_{prefix}_PORT": str(port)}
    return Service(
        name,
        [*config.convergio, *arguments],
        _environment(config, {**address, **(own or {})}),
        ports=(port,),
        ports_setting=f"--{prefix.lower()}-port (CONVERGIO_{prefix}_PORT)",
        ready=answers_ok(port, "/readyz", host),
        healthy=answers_ok(port, "/healthz", host),
    )
