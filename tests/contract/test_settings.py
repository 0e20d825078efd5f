"""Settings as people meet them: names, sources, and one clear line for every mistake."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.settings import ExporterSettings
from infra.errors import WrongUse
from infra.settings import TopicSettings, load, origins, shown, variable
from ingest.settings import GatewaySettings
from processors.settings import ProcessorSettings
from schemas.settings import SharedSettings
from tests.settings_files import forget_settings, toml_file

PACKAGES: tuple[type[SharedSettings], ...] = (GatewaySettings, ProcessorSettings, ExporterSettings, TopicSettings)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def test_a_setting_of_two_packages_means_the_same_in_both() -> None:
    for one in PACKAGES:
        for other in PACKAGES:
            for name in one.model_fields.keys() & other.model_fields.keys():
                first, second = one.model_fields[name], other.model_fields[name]
                assert (first.annotation, first.default) == (second.annotation, second.default), name


def test_the_documented_addresses_are_the_defaults() -> None:
    settings = load()
    assert (settings.ingest_host, settings.ingest_port) == ("127.0.0.1", 8000)
    assert (settings.exporter_host, settings.exporter_port) == ("127.0.0.1", 9464)
    assert settings.kafka_bootstrap == "127.0.0.1:9092"
    assert (settings.clickhouse_host, settings.clickhouse_port) == ("127.0.0.1", 8123)
    assert settings.retention_days == 90


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = toml_file(tmp_path, "ingest_port = 8001\nexporter_port = 9001\n", monkeypatch)
    monkeypatch.setenv("CONVERGIO_INGEST_PORT", "8002")
    settings = load()
    assert (settings.ingest_port, settings.exporter_port) == (8002, 9001)
    sources = {origin.name: origin.source for origin in origins(settings)}
    assert sources["ingest_port"] == "CONVERGIO_INGEST_PORT"
    assert sources["exporter_port"] == str(file)
    assert sources["kafka_bootstrap"] == "default"


def test_an_unknown_variable_is_refused_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_RATE_LIMIT_ENABLE", "false")
    with pytest.raises(WrongUse, match=r"RATE_LIMIT_ENABLE is not .* did you mean CONVERGIO_RATE_LIMIT_ENABLED\?"):
        load()


@pytest.mark.parametrize("service", ["convergio", "convergio-ingest", "convergio-clickhouse", "convergio-web"])
def test_what_kubernetes_sets_for_a_service_named_like_a_setting_is_ignored(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = service.upper().replace("-", "_")
    injected = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "9999",
        "SERVICE_PORT_HTTP": "9999",
        "PORT": "tcp://10.0.0.1:9999",
        "PORT_9999_TCP": "tcp://10.0.0.1:9999",
        "PORT_9999_TCP_PROTO": "tcp",
        "PORT_9999_TCP_PORT": "9999",
        "PORT_9999_TCP_ADDR": "10.0.0.1",
    }
    for name, value in injected.items():
        monkeypatch.setenv(f"{prefix}_{name}", value)
    settings = load()
    assert (settings.ingest_port, settings.clickhouse_port) == (8000, 8123)
    assert {origin.source for origin in origins(settings)} == {"default"}
    assert GatewaySettings().ingest_port == 8000
    monkeypatch.setenv("CONVERGIO_INGEST_PORT", "8001")
    assert (load().ingest_port, GatewaySettings().ingest_port) == (8001, 8001)
    monkeypatch.setenv(f"{prefix}_PROT", "1")
    with pytest.raises(WrongUse, match=f"{prefix}_PROT is not a setting"):
        load()


def test_a_name_that_kubernetes_would_use_is_refused_where_there_is_no_such_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONVERGIO_WEB_SERVICE_PORT", "9999")
    with pytest.raises(WrongUse, match="CONVERGIO_WEB_SERVICE_PORT is not a setting"):
        load()


def test_an_unknown_key_of_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = toml_file(tmp_path, "ingest_prot = 1\n", monkeypatch)
    with pytest.raises(WrongUse, match=r"ingest_prot in .*; did you mean ingest_port"):
        load()
    file.write_text("this is not toml")
    with pytest.raises(WrongUse, match="is not TOML"):
        load()
    file.unlink()
    with pytest.raises(WrongUse, match="cannot be read"):
        load()


def test_variables_of_the_tests_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_TEST_KAFKA", "127.0.0.1:1")
    assert load()


@pytest.mark.parametrize(
    ("given", "brokers"),
    [
        ("kafka:9092", "kafka:9092"),
        (" a.example.org:9092 ,b:65535\n", "a.example.org:9092,b:65535"),
        ("[2001:db8::1]:9092", "[2001:db8::1]:9092"),
        ("10.0.0.1:9092", "10.0.0.1:9092"),
    ],
)
def test_brokers_are_a_list_of_hosts_with_ports(given: str, brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_KAFKA_BOOTSTRAP", given)
    assert load().kafka_bootstrap == brokers


@pytest.mark.parametrize(
    "host", ["localhost", "0.0.0.0", "::", "2001:db8::1", "fe80::1%eth0", "[::1]", " kafka-0.kafka "]
)
def test_hosts_are_names_or_addresses(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_INGEST_HOST", host)
    assert load().ingest_host == host.strip().strip("[]")


def test_known_maestros_are_a_list_in_text_json_or_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = ("archimede", "maria-montessori")
    for text in ("archimede, maria-montessori,archimede", '["archimede", "maria-montessori"]'):
        monkeypatch.setenv("CONVERGIO_MAESTROS", text)
        assert load().maestros == known
    monkeypatch.delenv("CONVERGIO_MAESTROS")
    file = toml_file(tmp_path, 'maestros = ["archimede", "maria-montessori"]\n', monkeypatch)
    assert load().of(ExporterSettings).maestros == known
    file.write_text('maestros = ["Archimede"]\n')
    with pytest.raises(WrongUse, match=r"maestros in .*'Archimede' is no slug"):
        load()


def test_origins_of_pages_and_apps_are_kept_in_one_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "https://App.example.org:443,http://localhost:80,capacitor://localhost,app://.,chrome-extension://abc"
    monkeypatch.setenv("CONVERGIO_ALLOWED_ORIGINS", given)
    assert load().allowed_origins == (
        "https://app.example.org",
        "http://localhost",
        "capacitor://localhost",
        "app://.",
        "chrome-extension://abc",
    )


@pytest.mark.parametrize("name", ["ingest_host", "exporter_host", "processor_host"])
@pytest.mark.parametrize("given", ["::", "[::]", "::1", "0.0.0.0", "localhost"])
def test_services_listen_on_addresses_of_both_kinds(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), given)
    assert getattr(load(), name) == given.strip("[]")


def test_a_bad_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_OPERATOR_TOKEN", "hush")
    with pytest.raises(WrongUse) as refused:
        load()
    assert "hush" not in str(refused.value)


def test_secrets_are_masked_wherever_they_hide() -> None:
    assert shown(SecretStr("hush")) == "********"
    assert shown((SecretStr("hush"), SecretStr("hush hush"))) == ["********", "********"]
    assert shown(SecretStr("")) == ""


def test_services_get_their_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_INGEST_PORT", "8002")
    monkeypatch.setenv("CONVERGIO_WRITE_KEYS", "one-key,another-key")
    gateway = load().of(GatewaySettings)
    assert type(gateway) is GatewaySettings
    assert gateway.ingest_port == 8002
    assert [key.get_secret_value() for key in gateway.write_keys] == ["one-key", "another-key"]


def test_every_value_shown_can_be_written_down() -> None:
    for origin in origins(load()):
        json.dumps(shown(origin.value))


def test_the_toml_that_config_prints_can_be_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from infra.commands.config import _toml

    monkeypatch.setenv("CONVERGIO_ALLOWED_ORIGINS", "https://app.example.org")
    monkeypatch.setenv("CONVERGIO_WRITE_KEYS", "a-key")
    before = load()
    text = _toml(origins(before))
    monkeypatch.delenv("CONVERGIO_ALLOWED_ORIGINS")
    monkeypatch.delenv("CONVERGIO_WRITE_KEYS")
    toml_file(tmp_path, text, monkeypatch)
    assert tomllib.loads(text)["allowed_origins"] == ["https://app.example.org"]
    assert load() == before.model_copy(update={"write_keys": ()})


@pytest.mark.parametrize("setting", ["kafka_retention_days", "dead_letter_retention_days"])
def test_messages_that_kafka_keeps_longer_than_erasures_are_remembered_stop_the_start(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(setting), "38")
    with pytest.raises(
        WrongUse, match="CONVERGIO_ERASURE_MARK_DAYS=45 is too short: Kafka may keep a message for 46 days"
    ) as raised:
        load()
    assert "\n" not in str(raised.value)
    monkeypatch.setenv("CONVERGIO_ERASURE_MARK_DAYS", "46")
    assert load().erasure_mark_days == 46
