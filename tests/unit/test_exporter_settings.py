"""The exporter's settings: defaults that are the contract's, and combinations that are refused."""

from __future__ import annotations

import json
import logging

import pytest
from pydantic import ValidationError

from exporter import ExporterSettings
from schemas.logs import JsonLines
from schemas.score import ScoreTargets
from schemas.settings import SharedSettings


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = ExporterSettings()
    assert (settings.exporter_host, settings.exporter_port) == ("127.0.0.1", 9464)
    assert settings.max_maestros == 200
    assert settings.score_targets == ScoreTargets(5, 150, 40, 5)
    assert settings.operator_token is None


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"exporter_user": "prometheus"}, "set both or neither"),
        ({"exporter_password": "long enough"}, "set both or neither"),
        ({"exporter_tls_cert": "certificate.pem"}, "set both or neither"),
        ({"exporter_tls_key": "key.pem"}, "set both or neither"),
        ({"stale_seconds": 2, "refresh_seconds": 2}, "longer than refresh_seconds"),
        (
            {"stale_seconds": 30, "lifetime_timeout_seconds": 30},
            "lifetime_timeout_seconds=30 must be shorter",
        ),
        ({"stale_seconds": 10, "refresh_timeout_seconds": 10}, "refresh_timeout_seconds=10 must be shorter than stale"),
        ({"operator_token": "short"}, "operator_token"),
        ({"max_maestros": 0}, "max_maestros"),
        ({"max_maestros": 1001}, "max_maestros"),
        ({"max_maestros": 1, "maestros": ("archimede", "euclide")}, "max_maestros=1 is less than the 2"),
        ({"score_actions": 0}, "score_actions"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ExporterSettings.model_validate(values)


def test_secrets_do_not_show_in_a_repr() -> None:
    settings = ExporterSettings.model_validate({"operator_token": "the token of the operators"})
    assert "the token" not in repr(settings)


def test_every_field_says_what_it_is() -> None:
    own = set(ExporterSettings.model_fields) - set(SharedSettings.model_fields)
    assert [name for name in own if not ExporterSettings.model_fields[name].description] == []


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord({"msg": "refresh failed", "levelname": "WARNING", "part": "windows"})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["event"] == "refresh failed"
    assert json.loads(line)["part"] == "windows"
