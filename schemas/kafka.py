"""How any of our clients reaches Kafka: brokers, TLS and SASL out of the shared settings. It connects to nothing."""

from __future__ import annotations

import ssl
from typing import TypedDict

from schemas.settings import SASL_PROTOCOLS, TLS_PROTOCOLS, SharedSettings
from schemas.tls import CertificateFile, ClientContext, TlsFiles


class ClientOptions(TypedDict, total=False):
    """Keyword arguments that aiokafka's producer, consumer and admin client have in common."""

    bootstrap_servers: str
    security_protocol: str
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def client_options(settings: SharedSettings) -> ClientOptions:
    """The options for any aiokafka client.

    Raises `ValueError` when SASL is chosen without user and password, or a certificate file cannot be used.
    """
    options: ClientOptions = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol in TLS_PROTOCOLS:
        options["ssl_context"] = ClientContext(tls_files(settings))
    if settings.kafka_security_protocol in SASL_PROTOCOLS:
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise ValueError(
                f"kafka_security_protocol={settings.kafka_security_protocol} needs a user; "
                "set CONVERGIO_KAFKA_SASL_USERNAME and CONVERGIO_KAFKA_SASL_PASSWORD"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def tls_files(settings: SharedSettings) -> TlsFiles:
    """The certificate files for TLS to Kafka."""
    return TlsFiles(
        CertificateFile.of("CONVERGIO_KAFKA_CA_FILE", settings.kafka_ca_file),
        CertificateFile.of("CONVERGIO_KAFKA_CERT_FILE", settings.kafka_cert_file),
        CertificateFile.of("CONVERGIO_KAFKA_KEY_FILE", settings.kafka_key_file),
    )
