"""What the overview compares: today so far against yesterday until the same time of day. Pure; knows no ClickHouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from exporter.stats import DayRange, day_start_ms, last_days

WEEK_DAYS = 7
"""The days of the study time's chart, today included."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two stretches of time, both ends included, in milliseconds since 1970: [today, at] and [yesterday, until].

    `week` is the days whose study time is shown; `today` begins the last of them.
    """

    at: int
    today: int
    yesterday: int
    until: int
    week: DayRange


def comparison(at: float, zone: ZoneInfo) -> Comparison:
    """What is compared at a moment, given in seconds since 1970, for days of a zone.

    `until` is yesterday at the time of day that clocks in the zone show at `at`. Where they showed it twice it is the
    first, where they jumped over it as much later as they jumped; never later than yesterday's last millisecond.
    """
    at_ms = int(at * 1000)
    week = last_days(WEEK_DAYS, zone, at_ms // 1000)
    today = day_start_ms(week.last, zone)
    # Python subtracts days from what clocks show.
    until = datetime.fromtimestamp(at_ms // 1000, zone) - timedelta(days=1)
    return Comparison(
        at=at_ms,
        today=today,
        yesterday=day_start_ms(week.last - timedelta(days=1), zone),
        until=min(int(until.timestamp()) * 1000 + at_ms % 1000, today - 1),
        week=week,
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """The same counted today and yesterday, each until the compared moment."""

    today: int
    yesterday: int


@dataclass(frozen=True, slots=True)
class StudyDay:
    """The sessions started on a day, and their study time; also that of those started until the compared moment."""

    sessions: int = 0
    study_ms: int = 0
    study_ms_until: int = 0


@dataclass(frozen=True, slots=True)
class Today:
    """Everything that is read for the overview alone; what metrics show as well comes from their readings.

    `users_before` is the active users by period as they were 24 hours before. `week` has every day, zeros included.
    `oldest_unswept` (seconds since 1970) is None without an erasure to sweep, `closed_day` if no day is closed.
    """

    compared: Comparison
    users_before: Mapping[str, int]
    study_ms: Pair
    week: Mapping[date, StudyDay]
    features: Mapping[str, Pair]
    maestros: Mapping[str, Pair]
    unswept: int
    oldest_unswept: float | None
    closed_day: date | None
