"""Every series the exporter shows: its name, HELP, TYPE and labels, in the order they are shown.

`docs/metrics.md` explains each; a test holds the two together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args


class Family(NamedTuple):
    """A metric family. `name` is what a sample is called in the text format, `_total` of a counter included."""

    name: str
    help: str
    type: Literal["gauge", "counter"]
    labels: tuple[str, ...] = ()


USERS_ACTIVE = Family("convergio_users_active", "Number of active users", "gauge", ("period",))
SESSIONS = Family("convergio_sessions_total", "Total study sessions", "counter", ("period",))
STUDY_MINUTES = Family("convergio_study_minutes_total", "Total study minutes", "counter", ("period",))
FEATURE_USAGE = Family("convergio_feature_usage_total", "Feature usage counts", "counter", ("feature",))
MAESTRO_USAGE = Family("convergio_maestro_usage_total", "Maestro selection counts", "counter", ("maestro",))

EVENTS = Family("convergio_events_total", "Unique events stored since the beginning", "counter", ("category", "action"))
NEWEST_EVENT = Family(
    "convergio_newest_event_timestamp_seconds",
    "When the newest stored event happened, 0 without any",
    "gauge",
)
NEWEST_RECEIVED = Family(
    "convergio_newest_received_timestamp_seconds",
    "When the gateway received the last of the newest stored events, 0 without any",
    "gauge",
)
# part: `windows` (the rolling ones) or `lifetime` (since the beginning), which are read apart.
REFRESH_TIME = Family(
    "convergio_exporter_refresh_timestamp_seconds",
    "When these numbers were read from ClickHouse",
    "gauge",
    ("part",),
)
REFRESH_DURATION = Family(
    "convergio_exporter_refresh_duration_seconds", "How long ClickHouse took to answer", "gauge", ("part",)
)
REFRESH_FAILURES = Family(
    "convergio_exporter_refresh_failures_total", "Refreshes that failed since the exporter started", "counter"
)
STATS_REFUSED = Family(
    "convergio_exporter_stats_refused_total",
    "Requests for statistics refused at once since the exporter started",
    "counter",
    ("reason",),
)
CERTIFICATE_EXPIRES = Family(
    "convergio_certificate_expires_timestamp_seconds",
    "When the first certificate in a configured file expires",
    "gauge",
    ("file",),
)
"""Of every service that has such files."""
UP = Family("convergio_up", "Whether the last refresh could read ClickHouse", "gauge")
BUILD_INFO = Family("convergio_build_info", "The version that is running", "gauge", ("version", "python"))

FAMILIES = (
    USERS_ACTIVE,
    SESSIONS,
    STUDY_MINUTES,
    FEATURE_USAGE,
    MAESTRO_USAGE,
    EVENTS,
    NEWEST_EVENT,
    NEWEST_RECEIVED,
    REFRESH_TIME,
    REFRESH_DURATION,
    REFRESH_FAILURES,
    STATS_REFUSED,
    CERTIFICATE_EXPIRES,
    UP,
    BUILD_INFO,
)

StatsRefusal = Literal["address", "user", "user-busy", "busy", "operators-busy"]
"""Why a request for statistics is refused: too many from one address or user, or no slot is free."""

STATS_REFUSALS: tuple[StatsRefusal, ...] = get_args(StatsRefusal)

ACTIVE_PERIODS = ("1h", "24h", "7d")
PERIODS = ("24h", "1h", "7d", "all")
"""In the order they are shown; `all` is since the beginning and never falls."""

OTHER_MAESTROS = "other"
"""The label that sums the maestros without a series of their own."""

NAMED_MAESTROS = 1000
"""Maestros that the sums of closed days and erasures keep by name; no exporter may show more."""
