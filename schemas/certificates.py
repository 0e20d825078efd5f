"""When the certificate files of a service expire, for its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from schemas.metrics import CERTIFICATE_EXPIRES
from schemas.settings import SharedSettings

NO_CERTIFICATES: Final[Mapping[str, str]] = MappingProxyType({})


def kafka_certificates(settings: SharedSettings) -> dict[str, str]:
    """The files with certificates for Kafka that are set, by their label."""
    return _set({"kafka_ca": settings.kafka_ca_file, "kafka_client": settings.kafka_cert_file})


def clickhouse_certificates(settings: SharedSettings) -> dict[str, str]:
    """The files with certificates for ClickHouse that are set, by their label."""
    return _set({"clickhouse_ca": settings.clickhouse_ca_file})


def expiries(files: Mapping[str, str]) -> dict[str, float]:
    """When the first certificate in each file expires, in seconds since 1970; 0 of a file that cannot be read."""
    found = {}
    for label, path in files.items():
        try:
            certificates = x509.load_pem_x509_certificates(Path(path).read_bytes())
        except (OSError, ValueError):
            certificates = []
        found[label] = min((certificate.not_valid_after_utc.timestamp() for certificate in certificates), default=0.0)
    return found


class CertificateCollector(Collector):
    """Shows the expiry of some files, by label, as they stand at each scrape."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family, without samples if there are no files."""
        family = CERTIFICATE_EXPIRES
        gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for label, at in expiries(self._files).items():
            gauge.add_metric([label], at)
        yield gauge


def _set(files: Mapping[str, str]) -> dict[str, str]:
    return {label: path for label, path in files.items() if path}
