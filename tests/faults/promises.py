"""What must hold at any moment of a schedule, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.faults.views import Shown, left_of_erased_users, read, read_also
from tests.oracle.log import DAY_MS, Entry, LogOracle

GRACE_DAYS = 2


class Promises:
    """Compares the views with a log that grows. Raises AssertionError with what is wrong."""

    def __init__(self, client: Client, log: Mapping[int, list[Entry]], retention_days: int) -> None:
        self._client = client
        self._log = log
        self._retention_days = retention_days
        self._before = read(client)

    def expect_any_moment(self) -> Shown:
        """Nothing twice, nobody who was erased, and sums that never fall and never exceed what was sent."""
        shown, before, most = read(self._client), self._before.sums, LogOracle(self._log).sums
        self._before = shown
        sums = shown.sums
        for name in ("sessions", "study_ms", "events", "actions", "maestros"):
            now, then, sent = (getattr(each, name) for each in (sums, before, most))
            _expect(now >= then, f"all {name} fell from {then} to {now}")
            _expect(now <= sent, f"all {name} are {now}, and only {sent} were sent")
        _expect(sums.maestros.total() == sums.actions["maestro_selected"], f"maestros and their selections: {sums}")
        _expect(len({row[:2] for row in shown.events}) == len(shown.events), f"an event twice: {shown.events}")
        _expect(len({row[:2] for row in shown.sessions}) == len(shown.sessions), f"a session twice: {shown.sessions}")
        self._expect_nobody_erased(shown)
        return shown

    def _expect_nobody_erased(self, shown: Shown) -> None:
        through = {user: (partition, offset) for user, partition, offset in shown.erasures}
        for event in shown.events:
            if event[0] in through:
                _expect(event[6:8] > through[event[0]], f"an erased event is shown: {event}")
        since = LogOracle(self._log).everyone_since(through)
        for session in shown.sessions:
            _expect(session[0] in since, f"a session of an erased user is shown: {session}")

    def expect_the_end(self, now_ms: int) -> None:
        """Every view is what the log says, once all is processed and every day that can be closed is closed."""
        shown, also, oracle = self.expect_any_moment(), read_also(self._client), LogOracle(self._log)
        closed = (now_ms - (self._retention_days + GRACE_DAYS) * DAY_MS) // DAY_MS - 1
        _expect_rows("events", shown.events, oracle.events(closed))
        _expect_rows("sessions", shown.sessions, oracle.sessions(closed))
        _expect_rows("users", also.users, oracle.users(closed))
        _expect_rows("recent sessions", also.recent, also.last_week)
        _expect(shown.sums == oracle.sums, f"all is {shown.sums}, right is {oracle.sums}")
        left = left_of_erased_users(self._client)
        _expect(left == 0, f"{left} rows of erased users are still stored")


def _expect_rows(what: str, shown: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> None:
    missing, wrong = [row for row in right if row not in shown], [row for row in shown if row not in right]
    _expect(shown == right, f"{what}: missing {missing}, wrong {wrong}")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
