"""A flush against the real engine: what is written, and what a repetition, an erasure and retention leave of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse.migrate import migrate
from processors.dedup import Outcome
from processors.envelopes import Message
from processors.retention import close_next_day
from processors.settings import ProcessorSettings
from processors.sink import SessionEvents, Sink, SinkUnavailable
from schemas.metrics import NAMED_MAESTROS
from tests.closing import close_days, last_closable
from tests.events import ExpectedSession, Sent, erasure, expected_sessions, message, sent
from tests.in_process import FlushFailed, Processor
from tests.servers import ClickHouseAddress
from tests.sweeping import swept


@pytest.fixture
def processor_settings(clickhouse: ClickHouseAddress, database: str) -> ProcessorSettings:
    settings = ProcessorSettings(
        **clickhouse.settings(database),
    )
    migrate(settings)
    return settings


@pytest.fixture
def processor(processor_settings: ProcessorSettings) -> Iterator[Processor]:
    processor = Processor(processor_settings)
    yield processor
    processor.sink.close()


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, processor_settings: ProcessorSettings) -> Iterator[Client]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        yield client


def count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def sessions(client: Client) -> dict[tuple[str, str], ExpectedSession]:
    rows = client.query(
        "SELECT toString(user_id), toString(session_id), started_at, last_event_at, study_ms, events FROM sessions"
    ).result_rows
    return {
        (user, session): ExpectedSession(start.replace(tzinfo=UTC), last.replace(tzinfo=UTC), study, events)
        for user, session, start, last, study, events in rows
    }


def lifetime(client: Client) -> tuple[int, int, int]:
    sessions, study_ms, events = client.query("SELECT sessions, study_ms, events FROM lifetime").result_rows[0]
    return int(sessions), int(study_ms), int(events)


def study_session(minutes: Sequence[float]) -> list[Sent]:
    first = sent(minutes_ago=minutes[0])
    return [first, *(sent(first.user, session=first.session, minutes_ago=m) for m in minutes[1:])]


def test_every_field_of_an_event_is_stored_as_it_was_sent(processor: Processor, client: Client) -> None:
    event = sent(action="maestro_selected", category="maestro", label='Ar"chi\nmede', minutes_ago=2.00001)
    processor.flush(message([event], offset=7, partition=3))
    row = client.query(
        "SELECT toString(event_id), toString(user_id), toString(session_id), category, action, label, occurred_at,"
        " kafka_partition, kafka_offset FROM events"
    ).result_rows[0]
    at = row[6].replace(tzinfo=UTC)
    assert row[:6] == (event.event, event.user, event.session, event.category, event.action, event.label)
    assert (at, row[7], row[8]) == (event.at, 3, 7)
    assert client.query("SELECT maestros, maestro_selections FROM sessions").result_rows == [({event.label: 1}, 1)]


def test_repetitions_in_a_batch_a_flush_a_restart_and_under_another_session_are_stored_once(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    events = study_session([30, 29, 28])
    elsewhere = sent(events[0].user, events[0].event, minutes_ago=1)
    first = processor.flush(message([*events, events[0]], 1), message(events, 2))
    restarted = Processor(processor_settings)
    second = restarted.flush(message([elsewhere, *events], 3))
    assert first.outcomes == {Outcome.STORED: 3, Outcome.DUPLICATE: 4}
    assert second.outcomes == {Outcome.DUPLICATE: 4}
    assert count(client, "events") == count(client, "events_data") == 3
    assert sessions(client) == expected_sessions(events)


class SinkThatDies(Sink):
    """Stores events, and no session."""

    def insert_sessions(self, rows: Sequence[dict[str, Any]]) -> None:
        raise SinkUnavailable("it died")


def test_a_crash_between_events_and_sessions_is_repaired_by_redelivery(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    events = study_session([20, 18, 10])
    with pytest.raises(FlushFailed, match="it died"):
        Processor(processor_settings, SinkThatDies(processor_settings)).flush(message(events, 4))
    assert (count(client, "events"), sessions(client)) == (3, {})
    report = processor.flush(message(events, 4))
    assert report.outcomes == {Outcome.REDELIVERED: 3}
    assert sessions(client) == expected_sessions(events)
    assert count(client, "events_data") == 3


def test_a_sleeper_that_writes_late_changes_nothing_anyone_reads(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    events = study_session([40, 39, 30, 28])
    sleeper = Processor(processor_settings)
    sleeper.flush(message(events[:1], 1))
    processor.flush(message(events[:1], 1), message(events[1:2], 2), message(events[2:], 3))
    stale = sleeper.flush(message(events[1:2], 2))
    assert stale.outcomes == {Outcome.STORED: 1}
    assert count(client, "events_data") == 5
    assert count(client, "events") == 4
    assert sessions(client) == expected_sessions(events)


def test_a_background_poll_that_fails_every_minute_is_no_study(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    own = study_session([480, 478.5, 2])
    polls = [
        sent(own[0].user, session=own[0].session, minutes_ago=minute, action="api_error", category="error")
        for minute in range(1, 481)
    ]
    vitals = sent(own[0].user, session=own[0].session, minutes_ago=481, action="page_load", category="performance")
    processor.flush(message([own[0], *polls[:300]], 1))
    Processor(processor_settings).flush(message([own[2], *polls[250:]], 2))
    Processor(processor_settings).flush(message([own[1], vitals], 3))
    found = sessions(client)
    assert found == expected_sessions([*own, *polls, vitals])
    ((session),) = found.values()
    assert (session.study_ms, session.events) == (90_000, 484)
    assert (session.started_at, session.last_event_at) == (vitals.at, polls[0].at)


def test_an_error_that_comes_late_needs_nothing_read_back(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    class NoSessionIsReadBack(Sink):
        def session_events(self, *_: object) -> list[SessionEvents]:
            raise SinkUnavailable("a session was read back from its events")

    events = study_session([60, 58])
    processor.flush(message(events, 1))
    restarted = Processor(processor_settings, NoSessionIsReadBack(processor_settings))
    early = sent(events[0].user, session=events[0].session, minutes_ago=90, action="client_error", category="error")
    between = sent(events[0].user, session=events[0].session, minutes_ago=59, action="page_load")
    restarted.flush(message([early, between], 2))
    later = sent(events[0].user, session=events[0].session, minutes_ago=55)
    restarted.flush(message([later], 3))
    assert sessions(client) == expected_sessions([*events, early, between, later])


def test_a_late_event_joins_two_stretches_of_study_after_a_restart(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    events = study_session([60, 52, 57])
    processor.flush(message(events[:2], 1))
    assert sessions(client) == expected_sessions(events[:2])
    Processor(processor_settings).flush(message(events[2:], 2))
    assert sessions(client) == expected_sessions(events)


def test_poison_is_set_aside_with_its_reason_and_the_rest_is_stored(processor: Processor, client: Client) -> None:
    good, refused = message([sent()], 1), message([sent()], 4)
    bad_time = refused.value.replace(b'"value"', b'"x"').replace(b"}\n", b',"value":"many"}\n')
    unreadable = Message(0, 2, b"k", b"\xff\xfe not json", good.headers)
    unheard = Message(0, 3, b"k", good.value, [("v", b"1"), ("kind", b"gossip")])
    report = processor.flush(
        good, unreadable, unheard, Message(0, 4, b"k", bad_time, good.headers), message([sent()], 5)
    )
    assert report.outcomes == {Outcome.STORED: 2}
    assert [(letter.message.offset, letter in processor.set_aside) for letter in report.dead_letters] == [
        (2, True),
        (3, True),
        (4, True),
    ]
    assert all(letter.reason for letter in report.dead_letters)
    assert count(client, "events") == 2


def test_too_much_poison_stops_the_flush_and_sets_nothing_aside(processor: Processor) -> None:
    poison = [Message(0, offset, None, b"?", []) for offset in range(30)]
    with pytest.raises(FlushFailed, match="30 of the last 30 messages"):
        processor.flush(*poison)
    assert processor.set_aside == []


def test_an_erasure_takes_what_came_before_it_and_leaves_what_comes_after(processor: Processor, client: Client) -> None:
    gone, other = study_session([30, 29]), study_session([20, 19])
    user, again = gone[0].user, sent(gone[0].user, gone[0].event, gone[0].session, minutes_ago=5)
    processor.flush(message(gone, 1), message(other, 2))
    before = lifetime(client)
    processor.flush(erasure(user, 3), message([again], 4))
    swept(processor.sink)
    assert count(client, f"events_data WHERE user_id = '{user}' AND epoch = 0") == 0
    for table in ("sessions_data", "recent_sessions_data"):
        assert count(client, f"{table} WHERE user_id = '{user}' AND epoch = 0") == 0
    assert sessions(client) == expected_sessions([*other, again])
    assert lifetime(client) == (before[0] + 1, before[1], before[2] + 1)
    assert count(client, "users") == 2


def test_an_erasure_forgets_one_user_and_nobody_else(processor: Processor) -> None:
    gone, other = sent(), sent()
    processor.flush(message([gone], 1), message([other], 2))
    report = processor.flush(erasure(gone.user, 3), message([sent(other.user)], 4), message([sent(gone.user)], 5))
    assert (report.erasures, report.users_cached, report.users_loaded) == (1, 1, 1)


def test_an_erasure_that_is_redelivered_changes_nothing(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    gone = study_session([30, 29])
    after = sent(gone[0].user, minutes_ago=2)
    messages = [message(gone, 1), erasure(gone[0].user, 2), message([after], 3)]
    processor.flush(*messages)
    expected = lifetime(client)
    report = Processor(processor_settings).flush(*messages)
    assert report.outcomes == {Outcome.ERASED: 2, Outcome.REDELIVERED: 1}
    assert lifetime(client) == expected
    assert sessions(client) == expected_sessions([after])


def test_rows_that_a_sleeper_writes_after_an_erasure_are_hidden(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    gone = study_session([30, 29])
    sleeper = Processor(processor_settings)
    sleeper.flush(message([sent(gone[0].user, session=gone[0].session, minutes_ago=31)], 1))
    processor.flush(message(gone, 2), erasure(gone[0].user, 3))
    expected = lifetime(client)
    sleeper.flush(message(gone, 2))
    assert count(client, "events") == count(client, "sessions") == count(client, "users") == 0
    assert lifetime(client) == expected


def test_closed_days_leave_events_and_sessions_but_stay_in_the_sums(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    now = datetime.now(UTC)
    days = processor_settings.retention_days
    recent = study_session([30, 29])
    old = study_session([minutes + 60 * 24 * days for minutes in (-60.0, -62.0)])
    processor.flush(message(recent, 1), message(old, 2))
    before = lifetime(client)
    assert close_days(processor.sink, now, days) == []
    later = now + timedelta(days=4)
    closed = close_days(processor.sink, later, days)
    assert closed == sorted({event.at.date().isoformat() for event in old})
    assert last_closable(later, days) >= old[0].at.date()
    assert lifetime(client) == before
    assert count(client, "events_data") == 2
    assert sessions(client) == expected_sessions(recent)
    assert close_days(processor.sink, later, days) == []
    assert lifetime(client) == before


def test_days_are_closed_one_at_a_time_the_oldest_first(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    days = processor_settings.retention_days
    old = [sent(minutes_ago=60 * 24 * (days + ago)) for ago in (4, 9, 5)]
    processor.flush(message(old, 1))
    now, shown = datetime.now(UTC), []
    for _ in range(4):
        shown.append((close_next_day(processor.sink, last_closable(now, days)), count(client, "events")))
    oldest_first = sorted(event.at.date().isoformat() for event in old)
    assert shown == [*zip(oldest_first, (2, 1, 0), strict=True), (None, 0)]
    assert lifetime(client) == (3, 0, 3)


def named_in_totals(client: Client) -> set[str]:
    return {
        str(name)
        for (name,) in client.query("SELECT DISTINCT arrayJoin(mapKeys(maestros)) FROM totals_data").result_rows
    }


def selections(client: Client) -> int:
    return int(client.query("SELECT sum(selections) FROM maestro_counts").result_rows[0][0])


def test_the_sums_of_closed_days_and_erasures_name_a_bounded_number_of_maestros(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    known = processor_settings.model_copy(update={"maestros": ("zenone",)})
    sink = Sink(known)
    client.command(
        "INSERT INTO sessions_data"
        " (user_id, session_id, started_at, last_event_at, events, maestro_selections, maestros)"
        " SELECT generateUUIDv4(), generateUUIDv4(), now64(3) - toIntervalDay(100 - number % 2) AS at, at, 201, 201,"
        " CAST((arrayConcat(arrayMap(i -> concat('s-', leftPad(toString(200 * number + i), 5, '0')), range(200)),"
        " ['zenone']), arrayWithConstant(201, 1)), 'Map(String, UInt32)') FROM numbers(20)"
    )
    everything = selections(client)
    now = datetime.now(UTC)
    close_days(sink, now - timedelta(days=7), processor_settings.retention_days)
    first = named_in_totals(client)
    assert len(first - {"other"}) == NAMED_MAESTROS
    assert {"zenone", "other", "s-00000"} <= first
    assert selections(client) == everything
    assert count(client, "sessions") == 10

    close_days(sink, now, processor_settings.retention_days)
    assert named_in_totals(client) == first, "who is named once stays, and there is no place for others"
    assert selections(client) == everything
    assert count(client, "sessions") == 0

    user = str(uuid4())
    gone = [sent(user, action="maestro_selected", category="maestro", label=name) for name in ("s-00000", "new")]
    processor.flush(message(gone, 1))
    before = selections(client)
    processor.flush(erasure(user, 2))
    assert named_in_totals(client) == first
    assert selections(client) == before


def test_what_waited_in_kafka_past_retention_counts_until_its_day_is_closed_and_is_not_shown_after(
    processor: Processor, processor_settings: ProcessorSettings, client: Client
) -> None:
    days = processor_settings.retention_days
    minutes = 60 * 24 * (days + 1)
    waited, too_long = sent(minutes_ago=minutes), sent(minutes_ago=minutes)
    processor.flush(message([waited], 1))
    assert (count(client, "events"), lifetime(client)) == (1, (1, 0, 1))
    later = datetime.now(UTC) + timedelta(days=4)
    close_days(processor.sink, later, days)
    processor.flush(message([too_long], 2))
    assert count(client, "events") == count(client, "sessions") == 0
    close_days(processor.sink, later, days)
    assert count(client, "events_data") == count(client, "sessions_data") == 0
    assert lifetime(client) == (1, 0, 1)


def test_users_are_read_from_the_cache_while_they_fit_and_from_the_tables_when_not(
    processor: Processor, client: Client
) -> None:
    events = study_session([30, 29, 28])
    assert processor.flush(message(events[:1], 1)).users_loaded == 1
    assert processor.flush(message(events[1:2], 2)).users_cached == 1
    processor.restart()
    assert processor.flush(message(events[2:], 3)).users_loaded == 1
    assert sessions(client) == expected_sessions(events)
