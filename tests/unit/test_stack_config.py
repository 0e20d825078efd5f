"""What `up` and `demo` make of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.commands import stack
from infra.commands.stack import stack_config
from infra.local.stack import StackConfig
from infra.settings import load, variable


def config() -> StackConfig:
    return stack_config(
        load(),
        Path("data"),
        ingest_port=None,
        exporter_port=None,
        kafka_port=None,
        kafka_controller_port=None,
        clickhouse_port=None,
        processor_port=None,
        audit_port=None,
        ingest=1,
        processors=1,
    )


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("overview", "overview_time_zone", "exporter_host", "config"):
        monkeypatch.delenv(variable(name), raising=False)


@pytest.mark.parametrize(
    ("zone", "shown"), [("Europe/Rome", "Europe/Rome"), ("UTC0", "UTC"), ("Nowhere/At_All", "UTC"), ("/etc", "UTC")]
)
def test_the_overview_is_open_and_its_days_are_those_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, zone: str, shown: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    assert (config().overview, config().overview_time_zone) == ("open", shown)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "study.example.org"])
def test_where_other_machines_reach_the_exporter_the_overview_takes_the_token(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("CONVERGIO_EXPORTER_HOST", host)
    assert config().overview == "token"
    monkeypatch.setenv("CONVERGIO_OVERVIEW", "open")
    assert config().overview == "open"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_where_only_this_machine_reaches_the_exporter_the_overview_is_open(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("CONVERGIO_EXPORTER_HOST", host)
    assert config().overview == "open"


@pytest.mark.parametrize("value", ["off", "token", "open"])
def test_what_is_set_explicitly_wins(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TZ", "Europe/Rome")
    monkeypatch.setenv("CONVERGIO_OVERVIEW", value)
    monkeypatch.setenv("CONVERGIO_OVERVIEW_TIME_ZONE", "UTC")
    assert (config().overview, config().overview_time_zone) == (value, "UTC")


@pytest.mark.parametrize(
    ("target", "shown"), [("zoneinfo/Europe/Rome", "Europe/Rome"), ("zoneinfo/Factory", "UTC"), ("localtime", "UTC")]
)
def test_the_machine_may_tell_its_zone_by_a_link_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, shown: str
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "usr" / target)
    monkeypatch.setattr(stack, "LOCAL_TIME", link)
    assert config().overview_time_zone == shown
