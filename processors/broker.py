"""How Faust reaches Kafka; `schemas.kafka` says the same to aiokafka."""

from __future__ import annotations

import faust

from processors.settings import ProcessorSettings
from schemas.kafka import client_options


def broker_urls(settings: ProcessorSettings) -> list[str]:
    """The brokers as Faust wants them."""
    return [f"kafka://{address.strip()}" for address in settings.kafka_bootstrap.split(",")]


def broker_credentials(settings: ProcessorSettings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """TLS and SASL; `None` for plain text. Raises `ValueError` when SASL is chosen without user and password."""
    options = client_options(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None
