"""TLS and users towards Kafka: what works, and the one line for everything that does not."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.errors import Refused, Unreachable
from infra.kafka.permissions import GATEWAY
from infra.kafka.reaching import objection
from infra.kafka.requirements import check_kafka, require
from infra.local.ports import HOST
from infra.settings import Settings
from schemas.kafka import tls_files
from tests.certificates import YESTERYEAR, Authority
from tests.commands import Convergio
from tests.deployment import service
from tests.gateway import batch
from tests.secure_kafka import SecureKafka, secure_kafka, shipped_acls
from tests.servers import ClickHouseAddress


@pytest.fixture(scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecureKafka]:
    folder = tmp_path_factory.mktemp("secure-kafka")
    async with secure_kafka(folder) as running:
        await running.allow(shipped_acls(folder, {}))
        await Convergio(running.settings("migrator"))("migrate", "--no-tables")
        yield running


@asynccontextmanager
async def broker_showing(authority: Authority, certificate: Path) -> AsyncIterator[str]:
    """A server that gets as far as the handshake; its address."""
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), HOST, 0, ssl=authority.context(certificate), ssl_handshake_timeout=5
    )
    async with server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"


async def said(settings: dict[str, Any]) -> str | None:
    """What a broker objects to."""
    found = await objection(Settings(**settings))
    return None if found is None else found.text


async def test_a_client_certificate_takes_the_place_of_a_password(kafka: SecureKafka, tmp_path: Path) -> None:
    pair = kafka.authority.client("convergio-gateway")
    key, _, chain = pair.read_text().partition("-----END PRIVATE KEY-----\n")
    (tmp_path / "key.pem").write_text(f"{key}-----END PRIVATE KEY-----\n")
    (tmp_path / "cert.pem").write_text(chain)
    by_certificate = {
        "kafka_bootstrap": kafka.tls,
        "kafka_security_protocol": "SSL",
        "kafka_ca_file": str(kafka.authority.file),
    }
    for files in (
        {"kafka_cert_file": str(tmp_path / "cert.pem"), "kafka_key_file": str(tmp_path / "key.pem")},
        {"kafka_cert_file": str(pair)},
    ):
        async with service("ingest", {**by_certificate, **files}, tmp_path) as gateway:
            assert await gateway.post(batch()) == 202
    asks = re.compile(r"refuses our certificate \(.+\); is CONVERGIO_KAFKA_CERT_FILE right\?")
    assert asks.fullmatch(await said(by_certificate) or "")
    stranger = Authority(tmp_path / "stranger")
    another = {"kafka_cert_file": str(stranger.client("convergio-gateway"))}
    assert asks.fullmatch(await said({**by_certificate, **another}) or "")
    expired = {"kafka_cert_file": str(kafka.authority.client("convergio-gateway", not_after=YESTERYEAR))}
    assert asks.fullmatch(await said({**by_certificate, **expired}) or "")


async def test_what_a_broker_objects_to_is_one_line_that_names_the_setting(kafka: SecureKafka, tmp_path: Path) -> None:
    right = kafka.settings("gateway")
    assert await said(right) is None
    without_tls = {name: value for name, value in right.items() if name != "kafka_ca_file"}
    stranger = Authority(tmp_path / "stranger")
    protocol = "CONVERGIO_KAFKA_SECURITY_PROTOCOL"
    user = "are CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD right?"
    unknown_ca = "shows a certificate of an unknown CA; does CONVERGIO_KAFKA_CA_FILE name the file with the right one?"
    for settings, expected in (
        ({**right, "kafka_sasl_password": "wrong"}, f"refuses the user convergio-gateway; {user}"),
        ({**right, "kafka_sasl_username": "nobody"}, f"refuses the user nobody; {user}"),
        ({**right, "kafka_ca_file": str(stranger.file)}, unknown_ca),
        (
            {**right, "kafka_sasl_mechanism": "PLAIN"},
            "does not take PLAIN; is CONVERGIO_KAFKA_SASL_MECHANISM right?",
        ),
        (
            {**without_tls, "kafka_security_protocol": "SASL_PLAINTEXT"},
            f"speaks TLS; {protocol}=SASL_PLAINTEXT is wrong for this listener",
        ),
        (
            {**without_tls, "kafka_security_protocol": "PLAINTEXT"},
            f"speaks TLS; {protocol}=PLAINTEXT is wrong for this listener",
        ),
        (
            {**right, "kafka_bootstrap": kafka.plain},
            f"does not speak TLS; is {protocol}=SASL_SSL right for this listener?",
        ),
        (
            {**without_tls, "kafka_bootstrap": kafka.plain, "kafka_security_protocol": "SASL_PLAINTEXT"},
            f"asks for no user; {protocol}=SASL_PLAINTEXT is wrong for this listener",
        ),
        (
            {**right, "kafka_security_protocol": "SSL"},
            f"closes the connection; is {protocol}=SSL right for this listener?",
        ),
    ):
        assert await said(settings) == expected


async def test_a_certificate_that_has_expired_or_is_of_another_host_is_refused(
    kafka: SecureKafka, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    settings = kafka.settings("gateway", kafka_ca_file=str(authority.file))
    async with broker_showing(authority, authority.expired()) as address:
        assert await said({**settings, "kafka_bootstrap": address}) == (
            "shows a certificate that has expired; renew it on the server"
        )
    async with broker_showing(authority, authority.server("kafka.example.org")) as address:
        assert await said({**settings, "kafka_bootstrap": address}) == (
            "shows a certificate for another host; does CONVERGIO_KAFKA_BOOTSTRAP name the host that it was made for?"
        )


async def test_nobody_listening_is_not_a_refusal(kafka: SecureKafka) -> None:
    assert await said(kafka.settings("gateway", kafka_bootstrap=f"{HOST}:1")) is None


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_SSL", "SSL"])
async def test_what_may_be_a_broker_that_is_starting_does_not_keep_a_service_from_starting(
    protocol: str, kafka: SecureKafka
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
    async with server:
        address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        ca_file = "" if protocol == "PLAINTEXT" else str(kafka.authority.file)
        changes = {"kafka_bootstrap": address, "kafka_security_protocol": protocol, "kafka_ca_file": ca_file}
        settings = Settings(**kafka.settings("gateway", **changes))
        with pytest.raises(Unreachable, match=f"CONVERGIO_KAFKA_SECURITY_PROTOCOL={protocol} right") as raised:
            await require(settings, GATEWAY)
        assert not isinstance(raised.value, Refused)
        await asyncio.to_thread(check_kafka, settings, GATEWAY)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("ingest",), 1), (("process",), 1), (("migrate", "--no-tables"), 3), (("audit",), 3), (("dlq", "list"), 3)],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_each_command_says_the_line(
    kafka: SecureKafka, clickhouse: ClickHouseAddress, database: str, arguments: tuple[str, ...], code: int
) -> None:
    stored = clickhouse.command_settings(database)
    wrong = {**stored, **kafka.settings("gateway", kafka_sasl_password="wrong")}
    result = await Convergio(wrong)(*arguments, code=code)
    assert result.errors == (
        f"convergio: Kafka at {kafka.sasl} refuses the user convergio-gateway; "
        "are CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD right?\n"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"kafka_ca_file": "/nowhere/ca.pem"}, "CONVERGIO_KAFKA_CA_FILE=/nowhere/ca.pem cannot be read: No such file"),
        ({"kafka_ca_file": "/dev/null"}, "CONVERGIO_KAFKA_CA_FILE=/dev/null cannot be used"),
        ({"kafka_cert_file": "/nowhere/c.pem"}, "CONVERGIO_KAFKA_CERT_FILE=/nowhere/c.pem cannot be read"),
        ({"kafka_key_file": "/nowhere/key.pem"}, "CONVERGIO_KAFKA_KEY_FILE is set without CONVERGIO_KAFKA_CERT_FILE"),
        (
            {"kafka_security_protocol": "PLAINTEXT"},
            "CONVERGIO_KAFKA_CA_FILE is set, and CONVERGIO_KAFKA_SECURITY_PROTOCOL=PLAINTEXT is without TLS",
        ),
        ({"kafka_sasl_password": None}, "set CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_files_that_cannot_be_used_stop_the_start(
    kafka: SecureKafka, changes: dict[str, str | None], line: str
) -> None:
    settings = {name: value for name, value in {**kafka.settings("gateway"), **changes}.items() if value is not None}
    for name in ("ingest", "process", "audit"):
        result = await Convergio({**settings, "clickhouse_port": "1"})(name, code=2)
        assert result.errors.count("\n") == 1
        assert line in result.errors


def test_tls_below_1_2_is_not_spoken(kafka: SecureKafka) -> None:
    context = tls_files(Settings(**kafka.settings("gateway"))).context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
