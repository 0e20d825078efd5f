"""Settings that every service shares; each package adds its own to these.

Every field is one environment variable (`CONVERGIO_` + its name in capitals) and one key of the TOML file
that `CONVERGIO_CONFIG` names. A secret may stand in a file that `CONVERGIO_<NAME>_FILE` names (`schemas.secret_files`).
`infra.settings` composes all packages' settings and refuses unknown names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.events import MAESTRO_SLUG, MAX_LABEL
from schemas.metrics import NAMED_MAESTROS, OTHER_MAESTROS
from schemas.origins import canonical_origin
from schemas.retention import LONGEST_RETENTION_DAYS
from schemas.secret_files import SecretFiles
from schemas.setting_texts import Brokers, DatabaseName, Host, TopicName

ENV_PREFIX = "CONVERGIO_"
CONFIG_FILE_VARIABLE = "CONVERGIO_CONFIG"

TLS_PROTOCOLS = ("SSL", "SASL_SSL")
SASL_PROTOCOLS = ("SASL_PLAINTEXT", "SASL_SSL")

Port = Annotated[int, Field(ge=1, le=65535)]


def split_list(value: object) -> object:
    """A list written as text: comma-separated, or JSON. Raises `ValueError` for JSON that is none, and for a list of
    anything but texts.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"begins with '[' and is no JSON list ({error.msg}, character {error.pos + 1})") from error
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of texts")
    if not isinstance(value, str):
        return value
    return [part for part in (piece.strip() for piece in value.split(",")) if part]


_LINKED_HOST = "_SERVICE_HOST"
_LINK = re.compile(r"_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")


def service_links(environment: Mapping[str, str]) -> set[str]:
    """The variables that Kubernetes sets for services in the same namespace, if those are named like settings of ours.

    A service `convergio-ingest` gives each container `CONVERGIO_INGEST_SERVICE_HOST` and
    `CONVERGIO_INGEST_PORT=tcp://10.0.0.1:8000` among others, unless `enableServiceLinks` is false.
    """
    names = {name.upper(): name for name in environment}
    prefixes = [name.removesuffix(_LINKED_HOST) for name in names if name.endswith(_LINKED_HOST)]
    return {
        original
        for name, original in names.items()
        for prefix in prefixes
        if name.startswith(f"{prefix}_")
        and _LINK.fullmatch(name.removeprefix(prefix))
        # A port that is no address was set on purpose.
        and (name != f"{prefix}_PORT" or "://" in environment[original])
    }


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]


class SharedSettings(BaseSettings):
    """Where Kafka and ClickHouse are, and the rules that more than one service must agree on."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        extra="ignore",
        allow_inf_nan=False,
        # An error must not show a secret.
        hide_input_in_errors=True,
    )

    kafka_bootstrap: Brokers = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ca_file: str = Field(
        "", description="CA certificates for TLS to Kafka (PEM file); unset: those of the system."
    )
    kafka_cert_file: str = Field("", description="Client certificate for mutual TLS to Kafka (PEM file).")
    kafka_key_file: str = Field(
        "", description="Private key of kafka_cert_file (PEM file); unset: it stands in kafka_cert_file."
    )
    events_topic: TopicName = "convergio.events"
    dead_letter_topic: TopicName = "convergio.events.dlq"
    partitions: int = Field(4, ge=1, le=100_000, description="Partitions of the events topic when it is created.")
    replication_factor: int = Field(1, ge=1, le=100, description="Replicas of the topics when they are created.")

    clickhouse_host: Host = "127.0.0.1"
    clickhouse_port: Port = 8123
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_database: DatabaseName = "convergio"
    clickhouse_secure: bool = Field(False, description="HTTPS to ClickHouse.")
    clickhouse_ca_file: str = Field(
        "", description="CA certificates for HTTPS to ClickHouse (PEM file); unset: those of the system."
    )

    operator_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token of operators: statistics over all users, a user's erasure by id; unset: no one may.",
    )
    allowed_origins: Texts = Field(
        (),
        description="Origins (https://app.example.org, capacitor://localhost) whose pages may send events and read"
        " their user's statistics, beside the services' own; none configured: origins are not checked and no other"
        " origin may read an answer.",
    )
    trusted_proxies: Texts = Field(
        (), description="Networks (10.0.0.0/8) whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    keep_alive_seconds: int = Field(
        75,
        ge=1,
        le=3600,
        description="How long gateways and the exporter keep an idle connection; longer than the load balancer keeps"
        " its own, or it will send requests over connections just closed.",
    )
    rate_limit_enabled: bool = Field(
        True, description="Limit requests per address, and events and requests for statistics per user."
    )
    rate_limit_entries: int = Field(
        100_000,
        ge=1,
        le=100_000_000,
        description="Users, and addresses, remembered at once; the longest idle go first.",
    )
    maestros: Texts = Field(
        (),
        description="Maestros that are known (archimede, maria-montessori): they are counted by name before all others,"
        " and their series begin at 0.",
    )
    retention_days: int = Field(
        90,
        ge=1,
        le=LONGEST_RETENTION_DAYS,
        description="How long events are kept; older ones are refused. `convergio migrate` puts it in force.",
    )
    session_gap_seconds: int = Field(
        300, ge=1, le=86_400, description="Longer gaps in a learner's doing are not study time."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def retention_topic(self) -> str:
        """The topic that says how long events are kept; see `schemas.retention`."""
        return f"{self.events_topic}.retention"

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_is_a_number(cls, value: object, info: ValidationInfo) -> object:
        """TOML has booleans, and pydantic would take `true` for 1."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("must not be true or false")
        return value

    @field_validator("*")
    @classmethod
    def _is_not_empty(cls, value: object, info: ValidationInfo) -> object:
        """An empty text is mostly a variable of a script that was not set. Only what is empty by default may be."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and not text.strip() and value != cls.model_fields[info.field_name or ""].default:
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _are_different_topics(self) -> Self:
        if self.dead_letter_topic in (self.events_topic, self.retention_topic):
            raise ValueError(f"dead_letter_topic={self.dead_letter_topic!r} must be a topic of its own")
        return self

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        found = []
        for given in origins:
            if (origin := canonical_origin(given)) is None:
                raise ValueError(f"{given!r} is no origin; write scheme://host[:port], without a path")
            found.append(origin)
        return tuple(found)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"must be networks such as 10.0.0.0/8, comma-separated: {error}") from error
        return networks

    @field_validator("maestros")
    @classmethod
    def _are_slugs(cls, maestros: tuple[str, ...]) -> tuple[str, ...]:
        for maestro in maestros:
            if len(maestro) > MAX_LABEL or re.fullmatch(MAESTRO_SLUG, maestro) is None:
                raise ValueError(f"{maestro!r} is no slug such as archimede or maria-montessori")
            if maestro == OTHER_MAESTROS:
                raise ValueError(f"{maestro!r} is the name that all others share")
        if len(set(maestros)) > NAMED_MAESTROS:
            raise ValueError(f"these are more than {NAMED_MAESTROS} maestros")
        return tuple(dict.fromkeys(maestros))

    @model_validator(mode="after")
    def _is_tls_used_where_it_is_set_up(self) -> Self:
        kafka_files = [name for name in ("kafka_ca_file", "kafka_cert_file", "kafka_key_file") if getattr(self, name)]
        if kafka_files and self.kafka_security_protocol not in TLS_PROTOCOLS:
            raise ValueError(
                f"{kafka_files[0]} is set, and kafka_security_protocol={self.kafka_security_protocol} is without TLS; "
                "set CONVERGIO_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL"
            )
        if self.kafka_key_file and not self.kafka_cert_file:
            raise ValueError("kafka_key_file is set without kafka_cert_file; set both")
        if self.clickhouse_ca_file and not self.clickhouse_secure:
            raise ValueError(
                "clickhouse_ca_file is set, and clickhouse_secure=false is without TLS; set clickhouse_secure=true"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment and the files of secrets, those over the TOML file."""
        secrets = SecretFiles(settings_cls, {})
        if isinstance(env_settings, EnvSettingsSource):
            found = {name: value for name, value in env_settings.env_vars.items() if value is not None}
            env_settings.env_vars = {name: found[name] for name in found.keys() - service_links(found)}
            secrets = SecretFiles(settings_cls, env_settings.env_vars)
        config_file = os.environ.get(CONFIG_FILE_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, config_file),) if config_file else ()
        return (init_settings, env_settings, secrets, *toml)
