"""Why Kafka cannot be reached or refuses, in one line that names the setting to look at."""

from __future__ import annotations

import asyncio
import ssl

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from schemas.kafka import client_options
from schemas.settings import TLS_PROTOCOLS, SharedSettings
from schemas.tls import refusal_of

_TIMEOUT_SECONDS = 5.0
_PROTOCOL = "CONVERGIO_KAFKA_SECURITY_PROTOCOL"


async def refusal(settings: SharedSettings) -> str | None:
    """What a broker that answers objects to, after its address; `None` if none answers, or one takes our connections.

    aiokafka keeps the reason to itself, so the connection is tried once more.
    """
    for host, port, _ in collect_hosts(settings.kafka_bootstrap, randomize=False):
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await _try(settings, host, port)
        except (ConnectionRefusedError, TimeoutError):
            continue
        except (KafkaError, OSError) as error:
            why = await _reason(settings, error, host, port)
            if why is not None:
                return why
        else:
            return None
    return None


async def _try(settings: SharedSettings, host: str, port: int) -> None:
    connection = await create_conn(host, port, **_connection_options(settings))
    try:
        # A listener that wants to know the user closes the connection only now.
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


def _connection_options(settings: SharedSettings) -> dict[str, object]:
    return {name: value for name, value in client_options(settings).items() if name != "bootstrap_servers"}


async def _reason(settings: SharedSettings, error: KafkaError | OSError, host: str, port: int) -> str | None:
    protocol = settings.kafka_security_protocol
    if isinstance(error, SaslAuthenticationFailed | AuthenticationFailedError):
        return (
            f"refuses the user {settings.kafka_sasl_username}; "
            "are CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD right?"
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        mechanism = settings.kafka_sasl_mechanism
        return f"does not take {mechanism}; is CONVERGIO_KAFKA_SASL_MECHANISM right?"
    if isinstance(error, IllegalSaslStateError):
        return f"asks for no user; {_PROTOCOL}={protocol} is wrong for this listener"
    if protocol in TLS_PROTOCOLS:
        return _tls_reason(settings, error)
    if await _speaks_tls(host, port):
        return f"speaks TLS; {_PROTOCOL}={protocol} is wrong for this listener"
    if isinstance(error, KafkaError):
        return f"closes the connection; is {_PROTOCOL}={protocol} right for this listener?"
    return None


def _tls_reason(settings: SharedSettings, error: KafkaError | OSError) -> str:
    protocol = f"{_PROTOCOL}={settings.kafka_security_protocol}"
    if isinstance(error, KafkaError):
        # With TLS 1.3 a client's certificate is judged after the handshake.
        certificate = "another" if settings.kafka_cert_file else "a"
        return (
            f"closes the connection; does it ask for {certificate} client certificate (CONVERGIO_KAFKA_CERT_FILE), "
            f"or is {protocol} wrong for this listener?"
        )
    why = refusal_of(error, "CONVERGIO_KAFKA_CA_FILE", "CONVERGIO_KAFKA_BOOTSTRAP", protocol)
    return why or f"does not speak TLS; is {protocol} right?"


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a handshake begins there; whose certificate it is does not matter, nothing is sent."""
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=anyone)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
