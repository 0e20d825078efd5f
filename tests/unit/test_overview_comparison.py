"""Today so far against yesterday until the same time of day, in every time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.overview import comparison

ROME = ZoneInfo("Europe/Rome")


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def test_yesterday_ends_at_the_same_time_of_day_to_the_millisecond() -> None:
    at = datetime(2026, 5, 4, 9, 30, 15, 250_000, tzinfo=ROME)
    compared = comparison(at.timestamp(), ROME)
    assert compared.at == ms(at)
    assert compared.today == ms(datetime(2026, 5, 4, tzinfo=ROME))
    assert compared.yesterday == ms(datetime(2026, 5, 3, tzinfo=ROME))
    assert compared.until == ms(datetime(2026, 5, 3, 9, 30, 15, 250_000, tzinfo=ROME))
    assert [str(day) for day in compared.week.days] == [f"2026-0{day}" for day in ("4-28", "4-29", "4-30")] + [
        f"2026-05-0{day}" for day in (1, 2, 3, 4)
    ]


def test_yesterday_is_the_zones() -> None:
    at = datetime(2026, 5, 4, 23, 0, tzinfo=UTC)
    assert comparison(at.timestamp(), ZoneInfo("UTC")).today == ms(datetime(2026, 5, 4, tzinfo=UTC))
    assert comparison(at.timestamp(), ROME).today == ms(datetime(2026, 5, 5, tzinfo=ROME))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        # 29 March 2026: clocks jump from 02:00 to 03:00; 25 October 2026: from 03:00 back to 02:00.
        ("2026-03-29T12:00:00+02:00", "2026-03-28T12:00:00+01:00"),
        ("2026-03-30T12:00:00+02:00", "2026-03-29T12:00:00+02:00"),
        ("2026-03-30T02:30:00+02:00", "2026-03-29T03:30:00+02:00"),
        ("2026-10-25T12:00:00+01:00", "2026-10-24T12:00:00+02:00"),
        ("2026-10-26T02:30:00+01:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-24T02:30:00+02:00"),
    ],
)
def test_the_time_of_day_is_what_clocks_show_also_where_they_change(at: str, until: str) -> None:
    compared = comparison(datetime.fromisoformat(at).timestamp(), ROME)
    assert compared.until == ms(datetime.fromisoformat(until))


# Since 2012: in the last days of 2011 two islands left out a whole day.
@given(st.integers(1_325_376_000, 4_000_000_000), st.sampled_from(sorted(available_timezones())).map(ZoneInfo))
def test_the_stretches_lie_within_their_days_and_in_order(at: int, zone: ZoneInfo) -> None:
    compared = comparison(at, zone)
    assert compared.at == at * 1000
    assert compared.yesterday <= compared.until < compared.today <= compared.at
    assert compared.at - compared.yesterday <= timedelta(hours=50) / timedelta(milliseconds=1)
    assert compared.week.bounds_ms[-3:-1] == (compared.yesterday, compared.today)
