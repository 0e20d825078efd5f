"""Statistics of a range of days: what the days are, and what adds up to what. Pure; knows no ClickHouse."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

SLOT_MS = 900_000
"""A quarter of an hour. ClickHouse counts by these and knows no time zones: every day of every zone begins on one
(since 1972, when the last zone that differed, Liberia's, gave up)."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)


class RangeError(ValueError):
    """A range or time zone that cannot be answered; the message tells the caller what can."""


@dataclass(frozen=True, slots=True)
class DayRange:
    """Whole days from `first` to `last`, both included, in the time zone `zone`."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def days(self) -> tuple[date, ...]:
        count = (self.last - self.first).days + 1
        return tuple(self.first + timedelta(days=n) for n in range(count))

    @property
    def bounds_ms(self) -> tuple[int, ...]:
        """The first moment of each day and that of the day after the last, in milliseconds since 1970."""
        return tuple(day_start_ms(day, self.zone) for day in (*self.days, self.last + timedelta(days=1)))

    def previous(self) -> DayRange:
        """As many days, ending the day before the first."""
        count = (self.last - self.first).days + 1
        return DayRange(self.first - timedelta(days=count), self.first - timedelta(days=1), self.zone)


def day_start_ms(day: date, zone: ZoneInfo) -> int:
    """The first moment of a day in a zone, in milliseconds since 1970.

    Where midnight comes twice it is the first; where clocks jump over it, the moment they jump.
    """
    # fold=0 reads a repeated time as its first pass, and a skipped one by the offset before the jump.
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone, fold=0)
    return int(midnight.astimezone(UTC).timestamp()) * 1000


@cache
def _zone_names() -> frozenset[str]:
    # `Factory` is not a place: it stands for a machine whose zone nobody has set.
    return frozenset(files("tzdata").joinpath("zones").read_text().split()) - {"Factory"}


@lru_cache
def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name, as the package `tzdata` has it. Raises `RangeError`.

    `ZoneInfo(name)` reads the machine's own files first: other rules, and names such as `localtime` that mean something
    else on each machine.
    """
    if name not in _zone_names():
        raise RangeError(f"tz {name[:64]!r} is not an IANA time zone such as Europe/Rome or UTC")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def parse_range(text: str, zone: ZoneInfo, now: float, max_days: int) -> DayRange:
    """`today`, `7d`, `30d` (calendar days that end today) or `from/to` (ISO dates, both included), in `zone`.

    `now` is in seconds since 1970. Raises `RangeError` for anything else, and for more than `max_days` days.
    """
    today = datetime.fromtimestamp(now, zone).date()
    back = {"today": 1, "7d": 7, "30d": 30}.get(text)
    if back is not None:
        return DayRange(today - timedelta(days=back - 1), today, zone)
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)", text, re.ASCII)
    if match is None:
        raise RangeError("range is today, 7d, 30d or two dates such as 2026-05-01/2026-05-31")
    try:
        first, last = (date.fromisoformat(day) for day in match.groups())
    except ValueError as error:
        raise RangeError(f"range {text} names a day that does not exist") from error
    if first > last:
        raise RangeError(f"range {text} ends before it begins")
    if first < FIRST_DAY or last > LAST_DAY:
        raise RangeError(f"range {text} lies outside of {FIRST_DAY} to {LAST_DAY}")
    if (last - first).days >= max_days:
        raise RangeError(f"range {text} is longer than {max_days} days")
    return DayRange(first, last, zone)


class Totals(NamedTuple):
    """What is counted per slot, per day and per range. `study_ms` belongs to the sessions counted beside it."""

    sessions: int = 0
    study_ms: int = 0
    questions: int = 0
    page_views: int = 0
    flashcards: int = 0
    quizzes: int = 0
    mind_maps: int = 0

    def plus(self, other: Totals) -> Totals:
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def total(parts: Iterable[Totals]) -> Totals:
    """The sum of all parts."""
    result = Totals()
    for part in parts:
        result = result.plus(part)
    return result


def day_series(days: DayRange, slots: Mapping[int, Totals]) -> dict[date, Totals]:
    """What each day of the range counts, zeros included. A slot outside of the range counts nowhere.

    Slots are numbered from 1970 in steps of `SLOT_MS`; a day has 92 to 100 of them, as clocks change.
    """
    bounds = days.bounds_ms
    series = dict.fromkeys(days.days, Totals())
    edges = zip(days.days, bounds, bounds[1:], strict=False)
    day_of_slot = {slot: day for day, begin, end in edges for slot in range(begin // SLOT_MS, end // SLOT_MS)}
    for slot, counted in slots.items():
        day = day_of_slot.get(slot)
        if day is not None:
            series[day] = series[day].plus(counted)
    return series


class Change(NamedTuple):
    """How much a number grew, and by how many percent; `percent` is None where it grew from nothing."""

    absolute: float
    percent: float | None


def change(now: float, before: float) -> Change:
    """The change from `before` to `now`, rounded to hundredths."""
    grown = now - before
    percent = round(100 * grown / before, 2) if before else (None if grown else 0.0)
    return Change(round(grown, 2), percent)


def minutes(study_ms: int) -> float:
    """Milliseconds as minutes, rounded to hundredths."""
    return round(study_ms / 60_000, 2)


def last_days(count: int, zone: ZoneInfo, now: float) -> DayRange:
    """The `count` calendar days that end today in `zone`."""
    today = datetime.fromtimestamp(now, zone).date()
    return DayRange(today - timedelta(days=count - 1), today, zone)


def csv_text(series: Mapping[date, Totals]) -> str:
    """A header and a line per day (RFC 4180)."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["date", "sessions", "study_minutes", *Totals._fields[2:]])
    for day, counted in series.items():
        table.writerow([day.isoformat(), counted.sessions, minutes(counted.study_ms), *counted[2:]])
    return text.getvalue()
