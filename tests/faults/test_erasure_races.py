"""Erasures that race with events of the same user, with another owner's erasures, and with days that are closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clickhouse_connect.driver.client import Client

from exporter.queries import Reader
from processors.settings import ProcessorSettings
from tests.closing import close_days
from tests.events import Sent, erasure, expected_sessions, message, sent
from tests.faults.owners import IDLE, StartSleeper
from tests.in_process import Processor
from tests.integration.test_flush import count, lifetime, sessions
from tests.sweeping import swept


def of_one_user(minutes: tuple[float, ...] = (30, 29)) -> list[Sent]:
    first = sent(minutes_ago=minutes[0])
    return [first, *(sent(first.user, session=first.session, minutes_ago=m) for m in minutes[1:])]


STOPS_OF_AN_ERASURE = [
    "stored_users",
    "erasures",
    "erasure-read",
    "last_closed_day",
    "erase_totals",
    "erasure-summed",
    "erase_mark",
    "erasure-marked",
]


@pytest.mark.parametrize("stop", STOPS_OF_AN_ERASURE)
def test_a_sleeper_in_an_erasure_takes_nothing_of_what_the_user_sent_after_it(
    processor: Processor, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    gone = of_one_user()
    user = gone[0].user
    after = of_one_user((20, 19, 18))
    after = [sent(user, each.event, each.session, each.minutes_ago) for each in after]
    processor.flush(message(gone, 1))
    sleeper = start_sleeper()
    sleeper.deliver(erasure(user, 2))
    sleeper.run_until(stop)
    processor.flush(erasure(user, 2), message(after, 3))
    expected = lifetime(client)
    assert expected == (2, 180_000, 5)
    sleeper.run_until(IDLE)
    assert sessions(client) == expected_sessions(after)
    assert count(client, "events") == 3
    assert lifetime(client) == expected


@pytest.mark.parametrize(
    "stop",
    ["stored_sessions", "stored_events", "stored_users", "erasures", "users-read", "insert_events", "insert_sessions"],
)
def test_a_sleeper_with_a_message_from_before_an_erasure_brings_nothing_back(
    processor: Processor, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    gone = of_one_user()
    user = gone[0].user
    after = sent(user, minutes_ago=2)
    # Of a user without any row nothing would be looked up.
    processor.flush(message([sent(user, minutes_ago=90)], 0))
    sleeper = start_sleeper()
    sleeper.deliver(message(gone, 1))
    sleeper.run_until(stop)
    processor.flush(message(gone, 1), erasure(user, 2), message([after], 3))
    expected = lifetime(client)
    sleeper.run_until(IDLE)
    assert sessions(client) == expected_sessions([after])
    assert count(client, "events") == 1
    assert lifetime(client) == expected == (3, 60_000, 4)


def test_what_a_sleeper_writes_after_an_erasure_is_swept_away(
    processor: Processor, settings: ProcessorSettings, start_sleeper: StartSleeper, client: Client
) -> None:
    gone = of_one_user()
    user = gone[0].user
    sleeper = start_sleeper()
    sleeper.deliver(message(gone, 1))
    sleeper.run_until("insert_events")
    processor.flush(message(gone, 1), erasure(user, 2))
    swept(processor.sink)
    sleeper.run_until(IDLE)
    tables = ("events_data", "sessions_data", "recent_sessions_data")
    assert [count(client, table) for table in tables] == [2, 1, 1]
    swept(processor.sink)
    assert [count(client, table) for table in tables] == [0, 0, 0]


@pytest.mark.parametrize("stop", STOPS_OF_AN_ERASURE)
def test_a_crash_anywhere_in_an_erasure_is_mended_by_redelivery(
    settings: ProcessorSettings, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    gone = of_one_user()
    user = gone[0].user
    after = sent(user, gone[0].event, gone[0].session, minutes_ago=2)
    messages = [message(gone, 1), erasure(user, 2), message([after], 3)]
    dying = start_sleeper()
    dying.deliver(*messages)
    dying.run_until(stop)
    dying.end()
    processor = Processor(settings)
    processor.flush(*messages)
    assert sessions(client) == expected_sessions([after])
    assert lifetime(client) == (2, 60_000, 3)
    swept(processor.sink)
    assert count(client, "events_data") == count(client, "sessions_data") == count(client, "recent_sessions_data") == 1


@pytest.mark.parametrize("stop", STOPS_OF_AN_ERASURE)
def test_a_day_that_is_closed_in_the_middle_of_an_erasure_counts_its_sessions_once(
    processor: Processor, settings: ProcessorSettings, start_sleeper: StartSleeper, client: Client, stop: str
) -> None:
    recent = of_one_user()
    user = recent[0].user
    old = [sent(user, each.event, each.session, 60 * 24 * 2 + each.minutes_ago) for each in of_one_user((3, 2, 1))]
    processor.flush(message(recent, 1), message(old, 2), message([sent(minutes_ago=60 * 24 * 2)], 3))
    expected = lifetime(client)
    sleeper = start_sleeper()
    sleeper.deliver(erasure(user, 4))
    sleeper.run_until(stop)
    close_days(processor.sink, old[-1].at + timedelta(days=settings.retention_days + 3), settings.retention_days)
    assert lifetime(client) == expected
    sleeper.run_until(IDLE)
    assert lifetime(client) == expected
    assert count(client, "users") == 0


def test_an_erasure_is_carried_out_also_where_an_earlier_topic_had_one_of_somebody_else(
    processor: Processor, settings: ProcessorSettings, client: Client
) -> None:
    for events in (of_one_user(), of_one_user()):
        Processor(settings).flush(message(events, 1), erasure(events[0].user, 2))
        swept(processor.sink)
        assert count(client, "users") == count(client, "events_data") == count(client, "sessions_data") == 0


async def test_erased_means_gone_from_the_exporters_statistics_and_the_cache_and_the_sums_stay(
    processor: Processor, settings: ProcessorSettings, client: Client
) -> None:
    gone = of_one_user()
    user = gone[0].user
    processor.flush(message(gone, 1))
    before = lifetime(client)
    reader = Reader(settings, timeout=10)
    parameters: dict[str, int | str] = {"first_user": user, "last_user": user, "from_ms": 0, "to_ms": 4_000_000_000_000}
    assert await reader.rows("stats_sessions", parameters) and await reader.rows("stats_events", parameters)
    processor.flush(erasure(user, 2))
    assert not await reader.rows("stats_sessions", parameters) and not await reader.rows("stats_events", parameters)
    await reader.close()
    assert processor.caches[0].get(user) is None
    assert lifetime(client) == before
