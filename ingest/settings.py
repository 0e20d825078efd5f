"""Every setting of the gateway: its meaning, unit, default and bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from schemas.events import MAX_EVENTS_PER_BATCH
from schemas.setting_texts import Host
from schemas.settings import Port, SharedSettings, split_list

KIB = 1024
MIB = 1024 * KIB
THIRTEEN_MONTHS_DAYS = 395


Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_list)]


class GatewaySettings(SharedSettings):
    """The write path's settings, beside the shared ones."""

    ingest_host: Host = Field(
        "127.0.0.1", description="Address the gateway listens on; `::` is every address, of IPv6 and IPv4."
    )
    ingest_port: Port = Field(8000, description="Port the gateway listens on.")

    write_keys: Secrets = Field(
        (), description="Keys of which a client must send one to post events; none configured: anyone may."
    )
    cookie_secure: Literal["auto", "always", "never"] = Field(
        "auto", description="The cookies' Secure attribute; auto: where the request came over TLS."
    )
    cookie_max_age_days: int = Field(
        THIRTEEN_MONTHS_DAYS, ge=1, le=THIRTEEN_MONTHS_DAYS, description="Life of the cookies, 13 months at most."
    )
    respect_gpc: bool = Field(True, description="Treat `Sec-GPC: 1` and `DNT: 1` as an opt-out.")

    user_events_per_second: float = Field(
        100.0, gt=0, le=1e9, description="Events a user may send for long, per second."
    )
    user_events_burst: int = Field(
        5_000, ge=MAX_EVENTS_PER_BATCH, le=10**9, description="Events a user may send at once after a pause."
    )
    address_requests_per_second: float = Field(
        500.0,
        gt=0,
        le=1e9,
        description="Requests an address (IPv6: its /64) may send for long, per second; an erasure counts as 25.",
    )
    address_requests_burst: int = Field(
        2_000, ge=1, le=10**9, description="Requests an address may send at once after a pause."
    )

    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Connections open at once; one more is answered 503. Lowered where fewer files may be open.",
    )
    max_head_bytes: int = Field(
        32 * KIB,
        ge=KIB,
        le=MIB,
        description="Largest request line and headers together (at most 100 headers); more is a 431.",
    )
    head_seconds: float = Field(
        10.0, gt=0, le=300, description="Longest time from a request's first byte to the end of its headers; then 408."
    )
    unread_seconds: float = Field(
        30.0, gt=0, le=300, description="How long a client may leave an answer unread; then its connection is cut."
    )
    max_body_bytes: int = Field(MIB, ge=KIB, le=16 * MIB, description="Largest body as sent; more is a 413.")
    max_inflated_bytes: int = Field(
        4 * MIB, ge=KIB, le=64 * MIB, description="Largest body once inflated; more is a 413."
    )
    body_stall_seconds: float = Field(
        10.0, gt=0, le=300, description="Longest wait for the next piece of a body; then 408."
    )
    body_total_seconds: float = Field(60.0, gt=0, le=3600, description="Longest time a whole body may take; then 408.")

    ack_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="Longest wait for Kafka's acknowledgement; then 503."
    )
    max_inflight_bytes: int = Field(
        64 * MIB,
        ge=8 * MIB,
        le=MIB * MIB,
        description="Bytes that may await Kafka's acknowledgement at once; more is a 503.",
    )
    retry_after_seconds: int = Field(5, ge=1, le=3600, description="The `Retry-After` of a 503, in seconds.")
    kafka_linger_ms: int = Field(
        2, ge=0, le=1_000, description="How long the producer waits for more messages to send along, ms."
    )
    kafka_compression: Literal["none", "lz4"] = Field("none", description="Compression of what goes to Kafka.")

    retention_refresh_seconds: float = Field(
        30.0, gt=0, le=3600, description="How often the retention in force is read from Kafka."
    )
    clock_skew_tolerance_seconds: float = Field(
        60.0, ge=0, le=86_400, description="A client clock further off than this has its timestamps shifted."
    )
    drain_delay_seconds: float = Field(
        1.0, ge=0, le=300, description="Time between not being ready any more and closing the listener."
    )
