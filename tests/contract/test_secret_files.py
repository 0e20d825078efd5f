"""Secrets from files: every secret setting takes one, and every mistake is one line without the secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from infra.errors import WrongUse
from infra.settings import Settings, load, origins, shown, variable
from ingest.settings import GatewaySettings
from schemas.secret_files import secret_file_variables
from schemas.settings import SharedSettings
from tests.commands import Convergio

SECRETS = secret_file_variables(Settings)
SECRET = "a secret of twenty-six, ok"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CONVERGIO_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    # These two belong together.
    monkeypatch.setenv("CONVERGIO_EXPORTER_USER", "prometheus")
    monkeypatch.setenv("CONVERGIO_EXPORTER_PASSWORD", "long enough")


def only_from_file(setting: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Sets a setting by its file alone; returns the variable."""
    monkeypatch.delenv(variable(setting), raising=False)
    monkeypatch.setenv(SECRETS[setting], str(file))
    return SECRETS[setting]


def secrets_of(settings: SharedSettings, setting: str) -> list[str]:
    value = getattr(settings, setting)
    return [value.get_secret_value()] if isinstance(value, SecretStr) else [each.get_secret_value() for each in value]


def test_every_secret_is_known() -> None:
    assert {*SECRETS} == {
        "kafka_sasl_password",
        "clickhouse_password",
        "operator_token",
        "write_keys",
        "exporter_token",
        "exporter_password",
    }


@pytest.mark.parametrize("setting", SECRETS)
def test_a_secret_may_stand_in_a_file(setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for ending in ("", "\n", "\r\n"):
        file.write_bytes((SECRET.replace(",", "") + ending).encode())
        only_from_file(setting, file, monkeypatch)
        settings = load()
        assert secrets_of(settings, setting) == [SECRET.replace(",", "")]
        (origin,) = [origin for origin in origins(settings) if origin.name == setting]
        assert origin.source == SECRETS[setting]
        assert shown(origin.value) in ("********", ["********"])


@pytest.mark.parametrize("setting", SECRETS)
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    name = only_from_file(setting, file, monkeypatch)
    for content, said in (
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "text"),
    ):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(WrongUse, match=f"^{name}={file} .*{said}") as refused:
            load()
        assert "\n" not in str(refused.value)
    with pytest.raises(WrongUse, match="cannot be read: Is a directory"):
        only_from_file(setting, tmp_path, monkeypatch)
        load()


@pytest.mark.parametrize("setting", SECRETS)
def test_a_secret_given_twice_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    name = only_from_file(setting, file, monkeypatch)
    monkeypatch.setenv(variable(setting), SECRET)
    with pytest.raises(WrongUse, match=f"^{name} and {variable(setting)} are both set; keep one of them$"):
        load()


def test_a_bad_secret_in_a_file_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("hush")
    only_from_file("operator_token", file, monkeypatch)
    with pytest.raises(WrongUse, match=r"^CONVERGIO_OPERATOR_TOKEN_FILE: ") as refused:
        load()
    assert "hush" not in str(refused.value)


def test_a_file_of_write_keys_has_one_on_each_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    only_from_file("write_keys", file, monkeypatch)
    for text in ("old-key\nnew-key\n", "old-key,new-key\n", '["old-key", "new-key"]\n', "old-key\n\nnew-key\n\n"):
        file.write_text(text)
        assert secrets_of(load(), "write_keys") == ["old-key", "new-key"]
        assert secrets_of(GatewaySettings(), "write_keys") == ["old-key", "new-key"]


def test_a_file_wins_over_the_toml_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toml, file = tmp_path / "convergio.toml", tmp_path / "secret"
    toml.write_text('clickhouse_password = "of the TOML file"\n')
    file.write_text("of the file\n")
    monkeypatch.setenv("CONVERGIO_CONFIG", str(toml))
    assert secrets_of(load(), "clickhouse_password") == ["of the TOML file"]
    only_from_file("clickhouse_password", file, monkeypatch)
    assert secrets_of(load(), "clickhouse_password") == ["of the file"]


def test_only_secrets_have_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERGIO_KAFKA_BOOTSTRAP_FILE", "/dev/null")
    with pytest.raises(WrongUse, match="CONVERGIO_KAFKA_BOOTSTRAP_FILE is not a setting"):
        load()


async def test_the_command_shows_where_a_secret_comes_from_and_never_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    command = Convergio({"operator_token_file": str(file)})
    for form in ("table", "json", "toml"):
        result = await command("config", "--format", form)
        assert SECRET not in result.output
    assert '"source": "CONVERGIO_OPERATOR_TOKEN_FILE"' in (await command("config", "--format", "json")).output
    file.unlink()
    result = await command("config", code=2)
    assert (
        result.errors == f"convergio: CONVERGIO_OPERATOR_TOKEN_FILE={file} cannot be read: No such file or directory\n"
    )


@pytest.mark.parametrize("value", ["hunter2", '["hunter2'])
def test_no_error_of_the_settings_shows_a_secret(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """As a traceback prints it: services also start without the command line."""
    monkeypatch.setenv("CONVERGIO_OPERATOR_TOKEN", value)
    monkeypatch.setenv("CONVERGIO_WRITE_KEYS", value)
    with pytest.raises(ValidationError) as refused:
        GatewaySettings()
    assert "operator_token" in str(refused.value)
    assert "hunter2" not in str(refused.value)
