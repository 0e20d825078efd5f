"""By how much several clocks may differ before no day is closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from processors.clocks import Clocks, ClocksDisagree, agreed_time
from schemas.retention import GRACE_DAYS

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_clocks_that_agree_give_the_earliest_time() -> None:
    assert agreed_time(Clocks(NOW, NOW - MINUTE, NOW - HOUR)) == NOW - MINUTE
    assert agreed_time(Clocks(NOW - MINUTE, NOW, NOW - HOUR)) == NOW - MINUTE
    assert agreed_time(Clocks(NOW, NOW, NOW + MINUTE)) == NOW


@pytest.mark.parametrize("ahead", [2 * HOUR, 400 * DAY])
@pytest.mark.parametrize("which", range(2))
def test_one_clock_that_is_ahead_of_the_other_closes_nothing(ahead: timedelta, which: int) -> None:
    readings = [NOW + ahead if number == which else NOW for number in range(3)]
    with pytest.raises(ClocksDisagree, match="2026-05-04 12:00:00"):
        agreed_time(Clocks(*readings))


@pytest.mark.parametrize("which", range(2))
def test_one_clock_that_is_behind_the_other_closes_nothing(which: int) -> None:
    readings = [NOW - 400 * DAY if number == which else NOW for number in range(3)]
    with pytest.raises(ClocksDisagree):
        agreed_time(Clocks(*readings))


def test_clocks_of_one_machine_that_are_ahead_together_go_no_further_than_the_grace_after_the_newest_event() -> None:
    agreed = agreed_time(Clocks(NOW + 400 * DAY, NOW + 400 * DAY, NOW))
    assert agreed is not None
    assert agreed - NOW < timedelta(days=GRACE_DAYS)


def test_without_events_there_is_nothing_to_close() -> None:
    assert agreed_time(Clocks(NOW, NOW, None)) is None
