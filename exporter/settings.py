"""Settings of the exporter."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from exporter.stats import RangeError, time_zone
from schemas.metrics import NAMED_MAESTROS
from schemas.score import ScoreTargets
from schemas.setting_texts import Host
from schemas.settings import Port, SharedSettings


class ExporterSettings(SharedSettings):
    """How metrics and statistics are served; see `schemas.settings` for what all services share."""

    exporter_host: Host = Field(
        "127.0.0.1", description="Address the exporter listens on; `::` is every address, of IPv6 and IPv4."
    )
    exporter_port: Port = Field(9464, description="Port the exporter listens on.")

    refresh_seconds: float = Field(2.0, gt=0, le=60, description="Pause between two refreshes of the metrics.")
    refresh_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="Reading the rolling windows is given up after this; it counts as failed."
    )
    stale_seconds: float = Field(
        30.0, gt=0, le=3600, description="Metrics older than this are not served: the scrape fails with 503."
    )
    lifetime_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the time that counting since the beginning should take; it pauses in between, as long"
        " as stale_seconds allows.",
    )
    lifetime_timeout_seconds: float = Field(
        20.0, gt=0, le=3600, description="Counting since the beginning is given up after this; it counts as failed."
    )
    max_maestros: int = Field(
        200,
        ge=1,
        le=NAMED_MAESTROS,
        description="Maestros with a series of their own, the known ones first; the others share `other`.",
    )

    exporter_token: SecretStr | None = Field(
        None, min_length=16, description="Bearer token that lets a scrape in; neither token nor user: anyone may."
    )
    exporter_user: str | None = Field(None, min_length=1, description="User whose password lets a scrape in.")
    exporter_password: SecretStr | None = Field(None, min_length=8, description="Password of exporter_user.")
    exporter_tls_cert: str | None = Field(None, description="Certificate chain of the exporter (PEM file).")
    exporter_tls_key: str | None = Field(None, description="Private key of the exporter (PEM file).")

    overview: Literal["open", "token", "off"] = Field(
        "token",
        description="Who sees the numbers of the page at /: everyone (open), who sends the operator token, or no one.",
    )
    overview_time_zone: str = Field(
        "UTC", description="IANA time zone (Europe/Rome) in which the days of the page at / begin."
    )

    stats_max_days: int = Field(366, ge=30, le=3660, description="Longest range of days statistics answer.")
    stats_timeout_seconds: float = Field(
        10.0, gt=0, le=600, description="Statistics that take longer are given up with 503."
    )
    stats_slots: int = Field(
        4,
        ge=1,
        le=100,
        description="Requests of users for statistics answered at once, one query at a time each; one more is a 503."
        " One user has at most half of them.",
    )
    stats_operator_slots: int = Field(
        2, ge=1, le=100, description="Requests with the operator token answered at once, beside those of users."
    )
    stats_user_requests_per_second: float = Field(
        1.0, gt=0, le=1e9, description="Requests for statistics a user may send for long, per second; more is a 429."
    )
    stats_user_requests_burst: int = Field(
        30, ge=1, le=10**9, description="Requests for statistics a user may send at once after a pause."
    )
    stats_address_requests_per_second: float = Field(
        20.0,
        gt=0,
        le=1e9,
        description="Requests for statistics an address (IPv6: its /64) may send for long, per second; more is a 429.",
    )
    stats_address_requests_burst: int = Field(
        200, ge=1, le=10**9, description="Requests for statistics an address may send at once after a pause."
    )
    score_active_days: float = Field(5, gt=0, le=7, description="Active days in 7 that earn the full score for them.")
    score_study_minutes: float = Field(
        150, gt=0, le=7 * 24 * 60, description="Study minutes in 7 days that earn the full score."
    )
    score_actions: float = Field(40, gt=0, le=1e6, description="Learning actions in 7 days that earn the full score.")
    score_features: float = Field(5, gt=0, le=1e6, description="Distinct features in 7 days that earn the full score.")

    @property
    def score_targets(self) -> ScoreTargets:
        """What earns the full engagement score."""
        return ScoreTargets(
            active_days=self.score_active_days,
            study_minutes=self.score_study_minutes,
            learning_actions=self.score_actions,
            distinct_features=self.score_features,
        )

    @field_validator("overview_time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            return time_zone(name).key
        except RangeError as error:
            raise ValueError("must be an IANA time zone such as Europe/Rome or UTC") from error

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.exporter_user is None) != (self.exporter_password is None):
            raise ValueError("exporter_user and exporter_password belong together: set both or neither")
        if (self.exporter_tls_cert is None) != (self.exporter_tls_key is None):
            raise ValueError("exporter_tls_cert and exporter_tls_key belong together: set both or neither")
        if len(self.maestros) > self.max_maestros:
            raise ValueError(
                f"max_maestros={self.max_maestros} is less than the {len(self.maestros)} that CONVERGIO_MAESTROS names"
            )
        if self.stale_seconds <= self.refresh_seconds:
            raise ValueError(
                f"stale_seconds={self.stale_seconds:g} must be longer than refresh_seconds={self.refresh_seconds:g},"
                " or every scrape fails"
            )
        for name, timeout in (
            ("refresh_timeout_seconds", self.refresh_timeout_seconds),
            ("lifetime_timeout_seconds", self.lifetime_timeout_seconds),
        ):
            if timeout >= self.stale_seconds:
                raise ValueError(
                    f"{name}={timeout:g} must be shorter than stale_seconds={self.stale_seconds:g}: what takes longer "
                    "to read is stale on arrival"
                )
        return self
