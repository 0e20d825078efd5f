"""Why Kafka cannot be reached or refuses, in one line that names the setting to look at."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

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
from schemas.tls import alert_of, refusal_of

_TIMEOUT_SECONDS = 5.0
_PROTOCOL = "CONVERGIO_KAFKA_SECURITY_PROTOCOL"


class Objection(NamedTuple):
    """What a broker objects to, to be read after its address.

    One that is not `certain` may also come from a broker that is just starting, or from something in between.
    """

    text: str
    certain: bool = True


async def objection(settings: SharedSettings) -> Objection | None:
    """What a broker that answers objects to; `None` if none answers, or one takes our connections.

    aiokafka keeps the reason to itself, so the connection is tried once more.
    """
    for host, port, _ in collect_hosts(settings.kafka_bootstrap, randomize=False):
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await _try(settings, host, port)
        except (ConnectionRefusedError, TimeoutError):
            continue
        except (KafkaError, OSError) as error:
            found = await _reason(settings, error, host, port)
            if found is not None:
                return found
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


async def _reason(settings: SharedSettings, error: KafkaError | OSError, host: str, port: int) -> Objection | None:
    protocol = f"{_PROTOCOL}={settings.kafka_security_protocol}"
    if isinstance(error, SaslAuthenticationFailed | AuthenticationFailedError):
        return Objection(
            f"refuses the user {settings.kafka_sasl_username}; "
            "are CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD right?"
        )
    if isinstance(error, UnsupportedSaslMechanismError):
        mechanism = settings.kafka_sasl_mechanism
        return Objection(f"does not take {mechanism}; is CONVERGIO_KAFKA_SASL_MECHANISM right?")
    if isinstance(error, IllegalSaslStateError):
        return Objection(f"asks for no user; {protocol} is wrong for this listener")
    if settings.kafka_security_protocol in TLS_PROTOCOLS:
        return _tls_reason(error, protocol)
    if await _speaks_tls(host, port):
        return Objection(f"speaks TLS; {protocol} is wrong for this listener")
    closed = Objection(f"closes the connection; is {protocol} right for this listener?", certain=False)
    return closed if isinstance(error, KafkaError) else None


def _tls_reason(error: KafkaError | OSError, protocol: str) -> Objection:
    # With TLS 1.3 a client's certificate is judged after the handshake.
    if isinstance(error, KafkaError) and (alert := alert_of(error)):
        return Objection(f"refuses our certificate ({alert}); is CONVERGIO_KAFKA_CERT_FILE right?")
    if why := refusal_of(error, "CONVERGIO_KAFKA_CA_FILE", "CONVERGIO_KAFKA_BOOTSTRAP", protocol):
        return Objection(why)
    closes = "closes the connection" if isinstance(error, KafkaError) else "does not speak TLS"
    return Objection(f"{closes}; is {protocol} right for this listener?", certain=False)


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
