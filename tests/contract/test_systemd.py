"""The units in `infra/deploy/systemd`: systemd takes them, and the program knows what is in them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.settings import load
from ingest import GatewaySettings
from ingest.workers import longest_stop

UNITS = sorted((Path(__file__).parents[2] / "infra" / "deploy" / "systemd").glob("*.service"))
PROGRAM = "/opt/convergio/bin/convergio"
PORT = "9470"
ANALYZE = shutil.which("systemd-analyze")

each_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])


def directives(unit: Path, section: str = "Service") -> list[tuple[str, str]]:
    """The lines of a section, as name and value, in order."""
    found, current = [], ""
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append((name, value))
    return found


def value_of(unit: Path, name: str) -> str:
    (value,) = (value for known, value in directives(unit) if known == name)
    return value


def environment(unit: Path, directory: Path) -> dict[str, str]:
    """What the unit sets, with systemd's specifiers filled in."""
    given: dict[str, str] = {}
    for name, value in directives(unit):
        if name == "Environment":
            variable, _, text = value.partition("=")
            for specifier, meaning in (("%i", PORT), ("%S", str(directory)), ("%d", str(directory))):
                text = text.replace(specifier, meaning)
            assert "%" not in text
            given[variable] = text
    return given


def test_there_is_a_unit_for_each_service() -> None:
    assert {unit.name.split(".")[0] for unit in UNITS} == {
        *("convergio-ingest", "convergio-process@", "convergio-export", "convergio-audit")
    }


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (Debian: systemd)")
@each_unit
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    assert ANALYZE is not None
    program = tmp_path / "convergio"
    program.touch(0o755)
    instance = tmp_path / unit.name.replace("@.", f"@{PORT}.")
    instance.write_text(unit.read_text().replace(PROGRAM, str(program)))
    found = subprocess.run([ANALYZE, "verify", "--man=no", str(instance)], capture_output=True, text=True, check=False)
    said = [line for line in (found.stdout + found.stderr).splitlines() if unit.stem.rstrip("@") in line]
    assert (found.returncode, said) == (0, [])


@each_unit
def test_its_command_line_is_one_the_program_knows(unit: Path) -> None:
    program, *arguments = shlex.split(value_of(unit, "ExecStart"))
    assert program == PROGRAM
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(app, [*arguments, "--no-such-option", "--help"]).exit_code == 2


@each_unit
def test_its_variables_are_settings(unit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = environment(unit, tmp_path)
    (tmp_path / "convergio.toml").write_text("partitions = 7\n")
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings = load(own)
    assert settings.partitions == 7, "the file that systemd gives the service is read"
    if "@" in unit.name:
        assert settings.processor_port == int(PORT)
        assert settings.data_dir == str(tmp_path / "convergio-process" / PORT)


@each_unit
def test_a_service_has_time_to_end(unit: Path) -> None:
    needed = {
        "convergio-ingest": longest_stop(GatewaySettings()),
        # The exporter answers what is under way, a processor flushes, the audit finishes a round.
        "convergio-process@": 20.0,
        "convergio-export": 10.0,
        "convergio-audit": 20.0,
    }[unit.stem]
    assert float(value_of(unit, "TimeoutStopSec")) > needed


@each_unit
def test_a_service_is_started_again_unless_a_setting_is_wrong(unit: Path) -> None:
    assert value_of(unit, "Restart") == "always"
    assert value_of(unit, "RestartPreventExitStatus") == "2"
    assert ("StartLimitIntervalSec", "0") in directives(unit, "Unit")


def test_all_services_are_shut_in_alike() -> None:
    begin = "# Nothing of the machine but what a service needs."
    blocks = {unit.read_text().partition(begin)[2].partition("[Install]")[0] for unit in UNITS}
    (block,) = blocks
    for directive in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="):
        assert f"\n{directive}\n" in block


@each_unit
def test_secrets_reach_a_service_as_a_credential_of_its_own(unit: Path) -> None:
    credential, _, file = value_of(unit, "LoadCredential").partition(":")
    assert credential == "convergio.toml"
    assert file == f"/etc/convergio/{unit.stem.rstrip('@').removeprefix('convergio-')}.toml"
