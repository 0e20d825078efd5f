"""Two owners of a partition at one moment, stopped between any two reads: nothing is counted twice."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from tests.events import expected_sessions, message, sent
from tests.faults.owners import IDLE, StartSleeper
from tests.in_process import Processor
from tests.integration.test_flush import count, sessions

READS = ["stored_users", "stored_sessions", "stored_events", "erasures"]
WRITES = ["insert_events", "insert_sessions"]


@pytest.mark.parametrize("stop", [*READS, *WRITES])
def test_what_another_owner_stores_between_two_reads_is_counted_once(
    processor: Processor, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    first = sent(minutes_ago=9)
    then = [sent(first.user, session=first.session, minutes_ago=minutes) for minutes in (8, 7)]
    processor.flush(message([first], 0))
    sleeper = start_sleeper()
    sleeper.deliver(message(then, 1))
    sleeper.run_until(stop)
    processor.flush(message(then, 1))
    sleeper.run_until(IDLE)
    assert sessions(client) == expected_sessions([first, *then])
    assert count(client, "events") == 3


@pytest.mark.parametrize("stop", [*READS, "session_events", *WRITES])
def test_what_another_owner_stores_while_a_late_events_session_is_read_back_is_counted_once(
    processor: Processor, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    first = sent(minutes_ago=5)
    late = [sent(first.user, session=first.session, minutes_ago=minutes) for minutes in (8, 7)]
    processor.flush(message([first], 0))
    sleeper = start_sleeper()
    sleeper.deliver(message(late, 1))
    sleeper.run_until(stop)
    processor.flush(message(late, 1))
    sleeper.run_until(IDLE)
    assert sessions(client) == expected_sessions([first, *late])
    assert count(client, "events") == 3
