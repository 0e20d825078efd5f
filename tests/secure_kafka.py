"""A real Kafka as in production: TLS, SCRAM users, client certificates, and an authorizer that allows nothing unasked.

Beside that it has a plain listener on loopback whose nameless user may do everything: the tests' own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from infra.kafka.permissions import Operation
from infra.local.data_dir import DataDir
from infra.local.kafka import LocalKafka
from infra.local.ports import HOST, free_ports
from infra.local.service import Service
from infra.local.supervisor import Stage, Supervisor
from tests.certificates import Authority
from tests.stacks import until

SCRIPT = Path(__file__).parents[1] / "infra" / "deploy" / "kafka" / "acls.sh"
USERS = ("gateway", "processor", "migrator", "auditor", "redriver", "eraser")
"""Who has ACLs, as `convergio-NAME`; a stranger has a password and none."""
_RECORDER = """\
import json, os, sys
with open(os.environ["RECORDED"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
"""
_TOPIC, _GROUP, _LITERAL, _ALLOW = 2, 3, 3, 3  # as numbered by Kafka's protocol


class Acl(NamedTuple):
    """One operation that a user may do on a topic or a group."""

    user: str
    kind: str
    name: str
    operation: Operation


def password_of(user: str) -> str:
    return f"password-of-{user}"


def shipped_acls(folder: Path, environment: Mapping[str, str]) -> list[Acl]:
    """What the shipped script grants in an environment, with a tool that only writes down what it is told."""
    recorder, recorded = folder / "kafka-acls", folder / "recorded"
    recorder.write_text(f"#!{sys.executable}\n{_RECORDER}")
    recorder.chmod(0o755)
    given = {
        "KAFKA_ACLS": str(recorder),
        "RECORDED": str(recorded),
        "BOOTSTRAP": "kafka:9093",
        "COMMAND_CONFIG": "admin",
    }
    subprocess.run(["/bin/sh", SCRIPT], env={"PATH": os.environ["PATH"], **given, **environment}, check=True)
    return [acl for line in recorded.read_text().splitlines() for acl in _parsed(json.loads(line))]


def _parsed(arguments: Sequence[str]) -> Iterable[Acl]:
    common, told = arguments[:5], arguments[5:]
    assert common == ["--bootstrap-server", "kafka:9093", "--command-config", "admin", "--add"]
    pairs = list(zip(told[::2], told[1::2], strict=True))
    ((user, kind, name),) = [
        (user.removeprefix("User:"), kind.removeprefix("--"), name)
        for (principal, user), (kind, name) in [(pairs[0], pairs[1])]
        if principal == "--allow-principal"
    ]
    operations = {each.title: each for each in Operation}
    for option, operation in pairs[2:]:
        assert option == "--operation"
        yield Acl(user, kind, name, operations[operation])


@dataclass(frozen=True, slots=True)
class _Broker(LocalKafka):
    """`LocalKafka` with three listeners more. `server` holds key and chain, `ca` whose clients are believed."""

    server: Path = Path()
    ca: Path = Path()
    sasl_port: int = 0
    tls_port: int = 0

    def server_properties(self, node: int) -> str:
        """The last value of a name counts."""
        plain, controller = self.broker_ports[node], self.controller_ports[node]
        listeners = f"PLAINTEXT://{HOST}:{plain},SASL_SSL://{HOST}:{self.sasl_port},SSL://{HOST}:{self.tls_port}"
        more = {
            "listeners": f"{listeners},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.server,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([a-z-]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        # LocalKafka's own method: `super()` does not work in a dataclass with slots.
        return LocalKafka.server_properties(self, node) + "".join(f"{name}={value}\n" for name, value in more.items())


@dataclass(frozen=True)
class SecureKafka:
    """A broker that is running."""

    broker: _Broker
    authority: Authority
    folder: Path

    @property
    def plain(self) -> str:
        """The tests' own listener."""
        return self.broker.bootstrap

    @property
    def sasl(self) -> str:
        return f"{HOST}:{self.broker.sasl_port}"

    @property
    def tls(self) -> str:
        """Users by client certificate."""
        return f"{HOST}:{self.broker.tls_port}"

    def settings(self, user: str, **changes: str) -> dict[str, Any]:
        """How a user reaches it: TLS and SCRAM."""
        return {
            "kafka_bootstrap": self.sasl,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_ca_file": str(self.authority.file),
            "kafka_sasl_username": f"convergio-{user}",
            "kafka_sasl_password": password_of(user),
            **changes,
        }

    async def allow(self, acls: Iterable[Acl]) -> None:
        async with self._admin() as client:
            for acl in acls:
                response = await client._send_to_controller(CreateAclsRequest(*_of(acl)))
                assert [code for code, *_ in response.creation_responses] == [0]

    async def forbid(self, acl: Acl) -> None:
        async with self._admin() as client:
            response = await client._send_to_controller(DeleteAclsRequest(*_of(acl)))
            ((code, _, matching),) = response.filter_responses
            assert (code, len(matching)) == (0, 1)

    async def restart(self) -> None:
        """Ends the broker, and returns when the next one takes requests."""
        pid_file = self.folder / "run" / "kafka.pid"
        before = pid_file.read_text()
        os.kill(int(before), signal.SIGTERM)

        async def is_back() -> bool:
            return pid_file.exists() and pid_file.read_text() not in ("", before) and await self.broker.is_ready()

        await until(is_back)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        client = AIOKafkaAdminClient(bootstrap_servers=self.plain)
        try:
            await client.start()
            yield client
        finally:
            await client.close()


def _of(acl: Acl) -> tuple[int, str, int, str, str, int, int]:
    kind = _GROUP if acl.kind == "group" else _TOPIC
    return kind, acl.name, _LITERAL, f"User:{acl.user}", "*", acl.operation, _ALLOW


@asynccontextmanager
async def secure_kafka(folder: Path) -> AsyncIterator[SecureKafka]:
    """A broker of its own for as long as the context lasts."""
    authority = Authority(folder / "authority")
    port, controller, sasl_port, tls_port = free_ports(4)
    # The file the broker reads may be replaced by another authority's.
    server = folder / "server.pem"
    server.write_bytes(authority.server().read_bytes())
    broker = _Broker(
        folder,
        port,
        controller_port=controller,
        format_options=[
            f"--add-scram=SCRAM-SHA-512=[name=convergio-{user},password={password_of(user)}]"
            for user in (*USERS, "stranger")
        ],
        server=server,
        ca=authority.file,
        sasl_port=sasl_port,
        tls_port=tls_port,
    )
    commands = await asyncio.to_thread(broker.commands)
    service = Service("kafka", commands["kafka"], ready=broker.is_ready)
    with DataDir(folder) as held:
        async with Supervisor(held, [Stage([service])]):
            yield SecureKafka(broker, authority, folder)
