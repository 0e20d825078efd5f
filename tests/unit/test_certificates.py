"""When certificate files expire: the first certificate of a file counts, and a file that is away counts as expired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry

from ingest.metrics import GatewayMetrics
from processors.metrics import ProcessorMetrics
from schemas.certificates import clickhouse_certificates, expiries, kafka_certificates
from schemas.settings import SharedSettings
from tests.certificates import Authority

SERIES = "convergio_certificate_expires_timestamp_seconds"


def end_of(file: Path) -> float:
    return x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc.timestamp()


def test_the_first_certificate_of_a_file_to_expire_counts(tmp_path: Path) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    authority = Authority(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.file.read_bytes() + authority.server(not_after=soon).read_bytes())
    assert expiries({"one": str(authority.file), "both": str(both)}) == {
        "one": end_of(authority.file),
        "both": soon.timestamp(),
    }


def test_a_file_that_is_away_or_holds_no_certificate_has_expired(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    files = {"away": str(tmp_path / "away.pem"), "empty": str(tmp_path / "empty.pem")}
    assert expiries(files) == {"away": 0, "empty": 0}


def test_a_service_shows_what_a_file_holds_at_the_scrape(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    file = tmp_path / "ca.pem"
    registries: list[CollectorRegistry] = [
        GatewayMetrics(certificates={"kafka_ca": str(file)}).registry,
        ProcessorMetrics({"kafka_ca": str(file)}).registry,
    ]
    for authority in (first, second):
        file.write_bytes(authority.file.read_bytes())
        for registry in registries:
            assert registry.get_sample_value(SERIES, {"file": "kafka_ca"}) == end_of(authority.file)


def test_only_files_that_are_set_are_looked_at() -> None:
    assert kafka_certificates(SharedSettings()) == clickhouse_certificates(SharedSettings()) == {}
    settings = SharedSettings(
        kafka_security_protocol="SSL",
        kafka_ca_file="a.pem",
        kafka_cert_file="b.pem",
        clickhouse_secure=True,
        clickhouse_ca_file="c.pem",
    )
    assert kafka_certificates(settings) == {"kafka_ca": "a.pem", "kafka_client": "b.pem"}
    assert clickhouse_certificates(settings) == {"clickhouse_ca": "c.pem"}
