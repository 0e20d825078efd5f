"""Days of a range in a time zone, against an oracle that asks of every quarter of an hour which day it is."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.stats import (
    SLOT_MS,
    DayRange,
    RangeError,
    Totals,
    change,
    csv_text,
    day_series,
    day_start_ms,
    parse_range,
    time_zone,
    total,
)

ROME = ZoneInfo("Europe/Rome")
ZONES = [
    "Europe/Rome",
    "UTC",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
]
NOW = datetime(2026, 5, 4, 22, 30, tzinfo=UTC).timestamp()
"""Half past midnight of the fifth of May in Rome."""


def slot_of(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000 // SLOT_MS


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-05-04", 24)])
def test_a_day_in_rome_is_as_long_as_the_clocks_make_it(day: str, hours: int) -> None:
    begin, end = DayRange(date.fromisoformat(day), date.fromisoformat(day), ROME).bounds_ms
    assert (end - begin) / 3_600_000 == hours


def test_a_day_whose_midnight_comes_twice_begins_with_the_first() -> None:
    # Havana's clocks go back from 1:00 to 0:00 on the first of November 2026.
    assert day_start_ms(date(2026, 11, 1), ZoneInfo("America/Havana")) == 1000 * int(
        datetime(2026, 11, 1, 4, tzinfo=UTC).timestamp()
    )


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_jump() -> None:
    # Havana's clocks jump from 0:00 to 1:00 on the eighth of March 2026.
    assert day_start_ms(date(2026, 3, 8), ZoneInfo("America/Havana")) == 1000 * int(
        datetime(2026, 3, 8, 5, tzinfo=UTC).timestamp()
    )


days_near_changes = st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1)])


@settings(max_examples=40, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    middle=days_near_changes,
    before=st.integers(0, 9),
    after=st.integers(0, 9),
    offsets=st.lists(st.integers(-14 * 96, 14 * 96), max_size=60),
)
def test_every_slot_counts_on_the_day_the_calendar_of_its_zone_shows(
    zone: str, middle: date, before: int, after: int, offsets: list[int]
) -> None:
    days = DayRange(middle - timedelta(days=before), middle + timedelta(days=after), ZoneInfo(zone))
    base = slot_of(datetime(middle.year, middle.month, middle.day, tzinfo=UTC))
    slots: dict[int, Totals] = {}
    for offset in offsets:
        slots[base + offset] = slots.get(base + offset, Totals()).plus(Totals(sessions=1, study_ms=offset**2))

    series = day_series(days, slots)

    expected = dict.fromkeys(days.days, Totals())
    for slot, counted in slots.items():
        day = datetime.fromtimestamp(slot * SLOT_MS / 1000, days.zone).date()
        if day in expected:
            expected[day] = expected[day].plus(counted)
    assert series == expected
    assert list(series) == list(days.days)


@given(st.sampled_from(ZONES), st.dates(date(2001, 1, 1), date(2099, 12, 1)))
def test_every_day_begins_on_a_quarter_of_an_hour_and_is_that_day(zone: str, day: date) -> None:
    start = day_start_ms(day, ZoneInfo(zone))
    assert start % SLOT_MS == 0
    assert datetime.fromtimestamp(start / 1000, ZoneInfo(zone)).date() == day
    assert datetime.fromtimestamp(start / 1000 - 1, ZoneInfo(zone)).date() == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", "2026-05-05", "2026-05-05"),
        ("7d", "2026-04-29", "2026-05-05"),
        ("30d", "2026-04-06", "2026-05-05"),
        ("2026-01-01/2026-01-31", "2026-01-01", "2026-01-31"),
        ("2028-02-29/2028-02-29", "2028-02-29", "2028-02-29"),
    ],
)
def test_a_range_is_calendar_days_of_the_asked_zone(text: str, first: str, last: str) -> None:
    days = parse_range(text, ROME, NOW, 366)
    assert (days.first.isoformat(), days.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "range is today"),
        ("8d", "range is today"),
        ("2026-05-01", "range is today"),
        ("2026-05-01/2026-05-02/2026-05-03", "range is today"),
        ("2026-02-30/2026-03-01", "does not exist"),
        ("2026-05-02/2026-05-01", "ends before"),
        ("1969-01-01/1969-01-02", "outside"),
        ("2026-05-01/9999-12-31", "outside"),
        ("2025-01-01/2026-01-02", "longer than 366 days"),
        ("\u0662\u0660\u0662\u0666-01-01/2026-01-02", "range is today"),
    ],
)
def test_a_range_that_cannot_be_answered_says_why(text: str, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        parse_range(text, ROME, NOW, 366)


@pytest.mark.parametrize(
    "name", ["", "Rome", "../../etc/passwd", "Europe/Rome\0", "/etc/localtime", "x" * 5000, "Europe"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(RangeError, match="IANA"):
        time_zone(name)


MACHINE_NAMES = ["localtime", "Factory", "posixrules", "right/Europe/Rome", "posix/Europe/Rome", "Europe/Atlantis"]


@pytest.fixture
def a_machine_with_files_of_its_own(tmp_path: Path) -> Iterator[None]:
    """Its zone of Rome is wrong, and it has zones that other machines do not have."""
    tokyo = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    for name in ("Europe/Rome", *MACHINE_NAMES):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tokyo)
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([str(tmp_path)])
    ZoneInfo.clear_cache()
    time_zone.cache_clear()
    yield
    zoneinfo.reset_tzpath(before)
    ZoneInfo.clear_cache()
    time_zone.cache_clear()


@pytest.mark.usefixtures("a_machine_with_files_of_its_own")
def test_a_time_zone_is_the_same_whatever_files_the_machine_has() -> None:
    rome = time_zone("Europe/Rome")
    assert str(rome) == "Europe/Rome"
    assert datetime(2026, 1, 1, tzinfo=rome).utcoffset() == timedelta(hours=1)


@pytest.mark.usefixtures("a_machine_with_files_of_its_own")
@pytest.mark.parametrize("name", MACHINE_NAMES)
def test_names_that_mean_something_only_to_one_machine_are_refused(name: str) -> None:
    with pytest.raises(RangeError, match="IANA"):
        time_zone(name)


def test_every_other_zone_of_the_package_is_known() -> None:
    names = set(files("tzdata").joinpath("zones").read_text().split()) - {"Factory"}
    assert {"Europe/Rome", "UTC", "Asia/Calcutta", "US/Eastern", "Etc/GMT+1"} <= names
    for name in names:
        assert str(time_zone(name)) == name


def test_the_previous_range_is_as_long_and_ends_the_day_before() -> None:
    days = DayRange(date(2026, 3, 1), date(2026, 3, 7), ROME)
    assert days.previous() == DayRange(date(2026, 2, 22), date(2026, 2, 28), ROME)


def test_changes_are_absolute_and_in_percent_except_from_nothing() -> None:
    assert change(15, 10) == (5, 50)
    assert change(5, 10) == (-5, -50)
    assert change(5, 0) == (5, None)
    assert change(0, 0) == (0, 0)


def test_the_csv_has_a_header_and_a_line_per_day() -> None:
    series = {date(2026, 5, 4): Totals(1, 90_000, 2, 3, 4, 5, 6), date(2026, 5, 5): Totals()}
    assert csv_text(series).split("\r\n") == [
        "date,sessions,study_minutes,questions,page_views,flashcards,quizzes,mind_maps",
        "2026-05-04,1,1.5,2,3,4,5,6",
        "2026-05-05,0,0.0,0,0,0,0,0",
        "",
    ]
    assert total(series.values()) == Totals(1, 90_000, 2, 3, 4, 5, 6)
