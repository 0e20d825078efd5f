"""What every setting refuses, and the line that says so: which setting, which value, and what is expected."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, MinLen
from pydantic import SecretStr

from infra.errors import WrongUse
from infra.settings import Settings, load, variable
from tests.settings_files import forget_settings, toml_file


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


def wrong_values(name: str) -> list[str]:
    """What a setting must refuse, by its type and bounds. Every kind of setting there is has some."""
    field = Settings.model_fields[name]
    bounds: dict[type, Any] = {type(bound): bound for bound in field.metadata}
    kinds = set(get_args(field.annotation) or (field.annotation,))
    if bool in kinds:
        return ["", "soon", "2"]
    if get_origin(field.annotation) is Literal:
        return ["", "soon"]
    if kinds & {int, float}:
        below, high = bounds[Ge].ge - 1 if Ge in bounds else bounds[Gt].gt, bounds[Le].le
        return ["", "soon", "1 2", "nan", "inf", "-inf", str(below), str(high + 1), "9" * 30]
    if SecretStr in kinds and get_origin(field.annotation) is not tuple:
        return [" ", *("s" * (bounds[MinLen].min_length - 1) for _ in range(MinLen in bounds))]
    if get_origin(field.annotation) is tuple:
        return ['["open'] if SecretStr in kinds else ['["open', "[1]", "no, such: thing"]
    assert str in kinds, f"{name} is of a kind that this test does not know"
    empty = [] if field.default == "" else [""]
    return [*empty, " ", *WRONG_TEXTS.get(name.rpartition("_")[2], ())]


WRONG_TEXTS = {
    "bootstrap": (
        *("kafka", "kafka:", ":9092", "kafka:0", "kafka:65536", "kafka:port", "kafka:9092,", "::1:9092", "ka fka:9092"),
        *("kafka://kafka:9092", "kafka:9092 kafka:9093", "kafka:9092/path", "[::1]", "kafka:\u0661"),
    ),
    "host": ("localhost:8000", "http://localhost", "local host", "[localhost]", "[::1]:8000", "a,b", "/path"),
    "topic": ("a topic", "topic/", "..", "t" * 240, "töpic"),
    "database": ("a b", "1st", "a-b", "a\n"),
}
"""By the last word of a setting's name."""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_wrong_value_is_refused_in_one_line_that_names_setting_value_and_what_is_expected(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    is_secret = "Secret" in str(Settings.model_fields[name].annotation)
    file = toml_file(tmp_path, "", monkeypatch)
    for value in wrong_values(name):
        shown_value = "" if is_secret else f"={value!r}"
        file.write_text("")
        monkeypatch.setenv(variable(name), value)
        with pytest.raises(WrongUse) as refused:
            load()
        said = str(refused.value)
        beginning = f"{variable(name)}{shown_value}: "
        assert said.startswith(beginning), said
        assert not (value.strip() and is_secret and value in said)
        monkeypatch.delenv(variable(name))
        file.write_text(f"{name} = {json.dumps(value)}\n")
        with pytest.raises(WrongUse) as refused:
            load()
        from_file = f"{name} in {file}{shown_value}: "
        assert str(refused.value) == said.replace(beginning, from_file)
        expected = said.removeprefix(beginning)
        assert "\n" not in expected
        assert "Input should" not in expected, "pydantic's words do not always say what is expected"
        assert "items" not in expected
        assert expected


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_value_of_another_type_in_the_file_is_refused_as_well(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    annotation = Settings.model_fields[name].annotation
    for value in ("true", "2026-01-01", "{a = 1}"):
        if annotation is bool and value == "true":
            continue
        file = toml_file(tmp_path, f"{name} = {value}\n", monkeypatch)
        with pytest.raises(WrongUse) as refused:
            load()
        assert str(refused.value).startswith(f"{name} in {file}")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"INGEST_PORT": "soon"}, "must be a whole number from 1 to 65 535"),
        ({"FLUSH_SECONDS": "0"}, "must be a number above 0 and at most 3 600"),
        ({"LOG_LEVEL": "INFO"}, "must be one of debug, info, warning, error"),
        ({"OPERATOR_TOKEN": "short"}, "CONVERGIO_OPERATOR_TOKEN: must have at least 16 characters"),
        ({"EXPORTER_PASSWORD": "short"}, "CONVERGIO_EXPORTER_PASSWORD: must have at least 8 characters"),
        ({"RATE_LIMIT_ENABLED": "perhaps"}, "must be true or false"),
        ({"TRUSTED_PROXIES": "everyone"}, "must be networks such as 10.0.0.0/8"),
        ({"EXPORTER_USER": "prometheus"}, "CONVERGIO_EXPORTER_USER and CONVERGIO_EXPORTER_PASSWORD belong together"),
        (
            {"LIFETIME_TIMEOUT_SECONDS": "60"},
            "CONVERGIO_LIFETIME_TIMEOUT_SECONDS=60 must be shorter than CONVERGIO_STALE_SECONDS=30",
        ),
        (
            {"MAX_MAESTROS": "1", "MAESTROS": "archimede,euclide"},
            "CONVERGIO_MAX_MAESTROS=1 is less than the 2 that CONVERGIO_MAESTROS names",
        ),
        (
            {"DEAD_LETTER_TOPIC": "convergio.events"},
            "CONVERGIO_DEAD_LETTER_TOPIC='convergio.events' must be a topic of its own",
        ),
        ({"MAESTROS": "archimede,Maria Montessori"}, "'Maria Montessori' is no slug"),
        ({"MAESTROS": '["archimede",'}, "is no JSON list"),
        ({"MAESTROS": "a" * 129}, "is no slug"),
        ({"MAESTROS": "other"}, "'other' is the name that all others share"),
        ({"MAESTROS": ",".join(f"m{number}" for number in range(201))}, "is less than the 201"),
        ({"METRICS_USER": "prometheus"}, "CONVERGIO_METRICS_USER is not a setting"),
    ],
)
def test_what_is_wrong_is_said_in_words(given: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"CONVERGIO_{name}", value)
    with pytest.raises(WrongUse, match=re.escape(says)) as refused:
        load()
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_every_number_has_bounds() -> None:
    for name, field in Settings.model_fields.items():
        if {int, float} & {field.annotation}:
            kinds = {type(bound) for bound in field.metadata}
            assert Le in kinds, name
            assert kinds & {Ge, Gt}, name


def test_an_unknown_variable_is_refused_whatever_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("convergio_ingest_prot", "1")
    with pytest.raises(WrongUse, match=r"convergio_ingest_prot is not .* did you mean CONVERGIO_INGEST_PORT\?"):
        load()
