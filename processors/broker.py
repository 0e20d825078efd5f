"""How to reach Kafka, in the words of Faust and of aiokafka."""

from __future__ import annotations

import ssl
from typing import Any

import faust

from processors.settings import ProcessorSettings


def broker_urls(settings: ProcessorSettings) -> list[str]:
    """The brokers as Faust wants them."""
    return [f"kafka://{address.strip()}" for address in settings.kafka_bootstrap.split(",")]


def broker_credentials(settings: ProcessorSettings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """TLS and SASL for Faust; `None` for plain text."""
    context = _tls(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def client_options(settings: ProcessorSettings) -> dict[str, Any]:
    """TLS and SASL for aiokafka's own clients."""
    password = settings.kafka_sasl_password
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": _tls(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options


def _tls(settings: ProcessorSettings) -> ssl.SSLContext | None:
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    return ssl.create_default_context(cafile=settings.kafka_ca_file)
