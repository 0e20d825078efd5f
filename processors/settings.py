"""Settings of the processors."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from schemas.setting_texts import Host
from schemas.settings import Port, SharedSettings


class ProcessorSettings(SharedSettings):
    """How a processor batches, caches and reports; see `schemas.settings` for what all services share."""

    consumer_group: str = Field("convergio-processors", description="Kafka consumer group of all processors.")
    processor_host: Host = Field(
        "127.0.0.1",
        description="Address of the processor's health and metrics; `::` is every address, of IPv6 and IPv4.",
    )
    processor_port: Port = Field(9465, description="Port of the processor's health and metrics.")
    data_dir: str = Field("data", description="Where Faust may keep files of its own.")

    flush_events: int = Field(20_000, ge=1, le=10**9, description="Events after which a flush starts at once.")
    flush_bytes: int = Field(8 << 20, ge=1, le=1 << 40, description="Bytes after which a flush starts at once.")
    flush_seconds: float = Field(0.5, gt=0, le=3600, description="How long a flush waits for more events.")
    buffer_bytes: int = Field(32 << 20, ge=1, le=1 << 40, description="Bytes of messages read ahead of the flush.")
    cache_events: int = Field(1_000_000, ge=0, le=10**10, description="Events whose ids and times are kept in memory.")

    dead_letter_share: float = Field(
        0.1, gt=0, le=1, description="Share of dead letters among recent messages above which all stops."
    )
    dead_letter_window: int = Field(1000, ge=1, le=10**7, description="How many recent messages the share is taken of.")
    dead_letter_allowance: int = Field(
        20, ge=1, le=10**7, description="Dead letters among recent messages that never stop anything."
    )
    heartbeat_seconds: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="A flush loop silent for longer, or commits standing still, are reported unhealthy.",
    )
    session_timeout_seconds: float = Field(
        10.0,
        ge=1,
        le=86_400,
        description="Kafka gives the partitions of a processor that is silent for longer to another one.",
    )
    retention_check_seconds: float = Field(
        3600.0, gt=0, le=7 * 86_400, description="How often days to close, and rows of erased users, are looked for."
    )
    erasure_sweep_seconds: float = Field(
        30.0,
        gt=0,
        le=7 * 86_400,
        description="How long after an erasure its rows, hidden at once, are deleted together with others'.",
    )
    erasure_mark_days: int = Field(
        45,
        ge=1,
        le=36_500,
        description="How long the id of an erased user is kept to hide what is replayed or redriven; at least 8 days"
        " longer than Kafka keeps events and dead letters.",
    )

    @property
    def folder(self) -> Path:
        """`data_dir`, absolute."""
        return Path(self.data_dir).expanduser().absolute()

    @field_validator("data_dir")
    @classmethod
    def _has_a_home(cls, text: str) -> str:
        try:
            Path(text).expanduser()
        except RuntimeError as error:
            raise ValueError("must be a folder; this one begins with a user's home that is not known") from error
        return text
