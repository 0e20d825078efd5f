"""How any of our clients reaches Kafka: brokers, TLS and SASL out of the shared settings. It connects to nothing."""

from __future__ import annotations

import ssl
from typing import TypedDict

from schemas.settings import SharedSettings


class ClientOptions(TypedDict, total=False):
    """Keyword arguments that aiokafka's producer, consumer and admin client have in common."""

    bootstrap_servers: str
    security_protocol: str
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def client_options(settings: SharedSettings) -> ClientOptions:
    """The options for any aiokafka client. Raises ValueError when SASL is chosen without user and password."""
    options: ClientOptions = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_security_protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise ValueError(
                f"kafka_security_protocol={settings.kafka_security_protocol} needs kafka_sasl_username"
                " and kafka_sasl_password"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options
