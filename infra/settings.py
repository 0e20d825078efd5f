"""All packages' settings in one, read strictly: whatever is unknown or wrong stops the start with one line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from exporter.settings import ExporterSettings
from infra.errors import WrongUse
from ingest.settings import GatewaySettings
from processors.settings import ProcessorSettings
from schemas.secret_files import SecretFileError, is_secret, secret_file_variables
from schemas.setting_texts import Host
from schemas.settings import CONFIG_FILE_VARIABLE, ENV_PREFIX, Port, SharedSettings, service_links

TEST_PREFIX = ENV_PREFIX + "TEST_"
"""Variables that only the tests read, for example which servers to use."""

MASK = "********"

SEGMENT_DAYS = 8
"""How much longer than its retention Kafka may keep a message, with segments of a week (`segment.ms`)."""

ServiceSettings = TypeVar("ServiceSettings", bound=SharedSettings)


class TopicSettings(SharedSettings):
    """How `convergio migrate` creates topics; existing ones stay as they are."""

    kafka_retention_days: int = Field(
        7,
        ge=1,
        le=36_500,
        description="How long Kafka keeps events: the longest outage of the processors that loses none.",
    )
    dead_letter_retention_days: int = Field(30, ge=1, le=36_500, description="How long Kafka keeps dead letters.")

    @model_validator(mode="after")
    def _are_erasures_remembered(self) -> Self:
        """A message that outlives the memory of an erasure could bring back what was erased, by a replay or a redrive.

        Kafka deletes a segment only when its newest record is old enough, and starts one a week by default.
        """
        kept = max(self.kafka_retention_days, self.dead_letter_retention_days) + SEGMENT_DAYS
        remembered = getattr(self, "erasure_mark_days", kept)
        if remembered < kept:
            raise ValueError(
                f"erasure_mark_days={remembered} is too short: Kafka may keep a message for {kept} days (the longer of "
                f"kafka_retention_days={self.kafka_retention_days} and "
                f"dead_letter_retention_days={self.dead_letter_retention_days}, and {SEGMENT_DAYS} until a segment is "
                f"deleted); set erasure_mark_days to at least {kept}"
            )
        return self


class AuditSettings(SharedSettings):
    """How `convergio audit --follow` works."""

    audit_host: Host = Field("127.0.0.1", description="Address of the running audit's health and metrics.")
    audit_port: Port = Field(9463, description="Port of the running audit's health and metrics.")
    audit_bytes_per_second: int = Field(
        8 << 20, ge=1 << 20, le=1 << 40, description="Bytes of messages that a running audit checks a second, at most."
    )
    audit_recheck_seconds: float = Field(
        60.0, gt=0, le=7 * 86_400, description="How often a running audit looks again at what it found wrong."
    )


class Settings(GatewaySettings, ProcessorSettings, ExporterSettings, TopicSettings, AuditSettings):
    """Every setting of every part."""

    @property
    def audit_group(self) -> str:
        """The consumer group in which a running audit keeps how far it is."""
        return f"{self.consumer_group}.audit"

    def of(self, kind: type[ServiceSettings]) -> ServiceSettings:
        """The settings of one service, as it would read them itself."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting: what it is, and where its value came from (`default`, a variable, or the TOML file)."""

    name: str
    value: object
    source: str
    description: str


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process, from `CONVERGIO_*` and the file that `CONVERGIO_CONFIG` names.

    Raises `WrongUse` for an unknown name or a bad value, with one line that says which.
    """
    environment = _ours(environment)
    _refuse_unknown_variables(environment)
    _refuse_unknown_keys(environment)
    try:
        return Settings()
    except ValidationError as error:
        raise WrongUse("; ".join(_explain(environment, dict(problem)) for problem in error.errors())) from error
    except SecretFileError as error:
        raise WrongUse(str(error)) from error
    except SettingsError as error:
        raise WrongUse(f"a setting cannot be read: {error}: {error.__cause__}") from error


def origins(settings: Settings, environment: Mapping[str, str] | None = None) -> list[Origin]:
    """Every setting with its value and source, in alphabetical order."""
    environment = _ours(environment)
    return [
        Origin(name, getattr(settings, name), _source(environment, name), _description(field))
        for name, field in sorted(Settings.model_fields.items())
    ]


def shown(value: object) -> str | int | float | bool | list[str] | None:
    """A value as plain data, secrets masked; what is not set is None."""
    match value:
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case tuple() | list() | set() | frozenset():
            return [str(shown(item)) for item in value]
        case str() | int() | float() | bool() | None:
            return value
        case dict():
            return ", ".join(f"{key}={shown(item)}" for key, item in value.items())
        case _:
            return str(value)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def _ours(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    """The environment, by default that of this process, without what Kubernetes adds."""
    given = os.environ if environment is None else environment
    return {name: given[name] for name in given.keys() - service_links(given)}


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    secret_files = secret_file_variables(Settings).values()
    known = {variable(name) for name in Settings.model_fields} | {CONFIG_FILE_VARIABLE, *secret_files}
    for name in sorted(environment):
        # As they are read: whatever their case.
        upper = name.upper()
        if upper.startswith(ENV_PREFIX) and not upper.startswith(TEST_PREFIX) and upper not in known:
            raise WrongUse(f"{name} is not a setting{_suggestion(upper, known)}")


def _refuse_unknown_keys(environment: Mapping[str, str]) -> None:
    for name in _toml(environment):
        if name not in Settings.model_fields:
            file = environment[CONFIG_FILE_VARIABLE]
            raise WrongUse(f"{name} in {file} is not a setting{_suggestion(name, set(Settings.model_fields))}")


def _suggestion(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; `convergio config` lists them all"


def _toml(environment: Mapping[str, str]) -> dict[str, Any]:
    """The configuration file's keys; an empty dict if none is named."""
    file = environment.get(CONFIG_FILE_VARIABLE)
    if not file:
        return {}
    try:
        return tomllib.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise WrongUse(f"{CONFIG_FILE_VARIABLE}={file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file} is not TOML: {error}") from error


def _source(environment: Mapping[str, str], name: str) -> str:
    given = {key.upper() for key in environment}
    if variable(name) in given:
        return variable(name)
    secret_file = secret_file_variables(Settings).get(name)
    if secret_file in given:
        return secret_file
    return environment[CONFIG_FILE_VARIABLE] if name in _toml(environment) else "default"


def _explain(environment: Mapping[str, str], problem: dict[str, Any]) -> str:
    """One problem in words: where the setting stands, its value unless it may be a secret, and what is expected."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if name not in Settings.model_fields:
        return _SETTING.sub(lambda word: variable(word[0]) if word[0] in Settings.model_fields else word[0], message)
    source = _source(environment, name)
    where = source if source.startswith(variable(name)) else f"{name} in {source}"
    field = Settings.model_fields[name]
    if not is_secret(field):
        where += f"={_shortened(problem['input'])}"
    said_by_us = problem["type"] == "value_error"
    return f"{where}: {_range_of(field) or (message if said_by_us else _type_of(field, message))}"


_SETTING = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""What may be a setting's name, as validators that look at several settings write it."""

_LONGEST_VALUE = 250


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _range_of(field: FieldInfo) -> str | None:
    """What a setting may be, as far as its type and bounds say it all."""
    kinds = {field.annotation, *get_args(field.annotation)}
    bounds = {type(bound): bound for bound in field.metadata}
    if bool in kinds:
        return "must be true or false"
    if get_origin(field.annotation) is Literal:
        return f"must be one of {', '.join(map(str, get_args(field.annotation)))}"
    if kinds & {int, float}:
        kind = "a whole number" if int in kinds else "a number"
        top = f"{bounds[Le].le:,.15g}".replace(",", " ")
        return f"must be {kind} " + (f"above 0 and at most {top}" if Gt in bounds else f"from {bounds[Ge].ge} to {top}")
    if MinLen in bounds and bounds[MinLen].min_length > 1:
        return f"must have at least {bounds[MinLen].min_length} characters"
    return None


def _type_of(field: FieldInfo, otherwise: str) -> str:
    if get_origin(field.annotation) is tuple:
        return "must be a list"
    return "must be text" if {str, SecretStr} & {field.annotation, *get_args(field.annotation)} else otherwise


def _description(field: FieldInfo) -> str:
    return field.description or ""
