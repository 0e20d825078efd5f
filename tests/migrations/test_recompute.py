"""Sessions that were written when every event counted as study, computed anew beside processors that go on writing."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.clickhouse.migrate import migrate
from processors.recompute import recompute_sessions
from processors.settings import ProcessorSettings
from processors.sink import SessionEvents, Sink, SinkUnavailable
from schemas.retention import GRACE_DAYS
from tests.closing import close_days
from tests.events import NOW, Sent, erasure, expected_sessions, message, sent, uuid
from tests.faults.views import empty_every_table
from tests.in_process import Processor
from tests.integration.test_flush import count, lifetime, sessions
from tests.old_study_times import write_by_the_old_rule
from tests.servers import ClickHouseAddress

GAP_MS = 300_000
NIL = str(uuids.UUID(int=0))


@pytest.fixture
def processor_settings(clickhouse: ClickHouseAddress, database: str) -> ProcessorSettings:
    settings = ProcessorSettings(**clickhouse.settings(database), flush_seconds=1e-9)
    migrate(settings)
    return settings


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, processor_settings: ProcessorSettings) -> Iterator[Client]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        yield client


@pytest.fixture
def sink(processor_settings: ProcessorSettings) -> Iterator[Sink]:
    sink = Sink(processor_settings)
    yield sink
    sink.close()


def session_of(
    kinds: str, minutes: Sequence[float] | None = None, user: str | None = None, session: str | None = None
) -> list[Sent]:
    """Events of one session: `p` a page view, `e` an error; four minutes apart unless said.

    So by the old rule an error between two page views makes study time of the eight minutes."""
    first = sent(user, session=session)
    actions = {"p": ("page_view", "navigation"), "e": ("api_error", "error")}
    return [
        sent(first.user, session=first.session, minutes_ago=at, action=actions[kind][0], category=actions[kind][1])
        for kind, at in zip(kinds, minutes or range(4 * len(kinds), 0, -4), strict=True)
    ]


def flush(processor_settings: ProcessorSettings, *batches: Sequence[Sent], offset: int = 0) -> Processor:
    processor = Processor(processor_settings)
    processor.flush(*(message(batch, offset + index) for index, batch in enumerate(batches)))
    processor.sink.close()
    return processor


def recent(client: Client) -> list[int]:
    return sorted(int(study) for (study,) in client.query("SELECT study_ms FROM recent_sessions").result_rows)


def test_rows_of_the_old_rule_become_what_their_events_say(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    mixed, only_errors, only_pages = session_of("peeepe"), session_of("eee"), session_of("ppp")
    single, nobody = session_of("p"), session_of("pep", user=NIL, session=NIL)
    batches = [mixed, only_errors, only_pages, single, nobody]
    flush(processor_settings, *batches)
    right = sessions(client)
    assert right == expected_sessions([event for batch in batches for event in batch])
    write_by_the_old_rule(client)
    assert sessions(client) != right
    assert recompute_sessions(sink, GAP_MS) == len(batches)
    assert sessions(client) == right
    assert recent(client) == sorted(session.study_ms for session in right.values())
    assert recompute_sessions(sink, GAP_MS) == 0


def test_rows_that_are_right_are_left_alone(processor_settings: ProcessorSettings, client: Client, sink: Sink) -> None:
    flush(processor_settings, session_of("pep"), session_of("ee"), session_of("p"))
    assert recompute_sessions(sink, GAP_MS) == 0
    assert count(client, "sessions_data") == 3


class SinkThatDies(Sink):
    """Dies before it stores the sessions of its last batch."""

    batches = 2

    def insert_sessions(self, rows: Sequence[dict[str, Any]]) -> None:
        if not self.batches:
            raise SinkUnavailable("it died")
        self.batches -= 1
        super().insert_sessions(rows)


def test_killed_in_the_middle_it_goes_on_with_what_is_left(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    several = session_of("pep")
    batches = [session_of("pep") for _ in range(4)]
    batches += [several, *(session_of("pep", user=several[0].user) for _ in range(3))]
    flush(processor_settings, *batches)
    right = sessions(client)
    write_by_the_old_rule(client)
    dying = SinkThatDies(processor_settings)
    with pytest.raises(SinkUnavailable, match="it died"):
        recompute_sessions(dying, GAP_MS, at_once=3)
    dying.close()
    assert recompute_sessions(sink, GAP_MS, at_once=3) == len(batches) - 2 * 3
    assert sessions(client) == right


class SinkBeside(Sink):
    """Lets somebody else work once its events are read, and before the sessions are written."""

    def __init__(self, settings: ProcessorSettings, meanwhile: Callable[[], object]) -> None:
        super().__init__(settings)
        self._meanwhile = meanwhile

    def session_events(self, *args: Any) -> list[SessionEvents]:
        found = super().session_events(*args)
        self._meanwhile()
        return found


def test_a_row_that_a_processor_writes_meanwhile_stays(processor_settings: ProcessorSettings, client: Client) -> None:
    events = session_of("pepep")
    flush(processor_settings, events[:3])
    write_by_the_old_rule(client)
    beside = SinkBeside(processor_settings, lambda: flush(processor_settings, events[3:], offset=5))
    recompute_sessions(beside, GAP_MS)
    assert sessions(client) == expected_sessions(events)
    beside.close()


def test_a_processor_that_read_an_old_row_before_writes_a_right_one_after(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    for late in (False, True):
        events = session_of("pepe", [30, 26, 25, 34] if late else None)
        flush(processor_settings, events[:2], offset=10)
        write_by_the_old_rule(client)

        class ReadsBefore(Sink):
            def stored_events(self, *args: Any) -> Any:
                recompute_sessions(sink, GAP_MS)
                return super().stored_events(*args)

        processor = Processor(processor_settings, ReadsBefore(processor_settings))
        processor.flush(message(events[2:3], 20))
        processor.flush(message(events[3:], 21))
        processor.sink.close()
        found = sessions(client)
        assert {key: found[key] for key in expected_sessions(events)} == expected_sessions(events)


def test_an_event_makes_an_old_row_right_by_itself(processor_settings: ProcessorSettings, client: Client) -> None:
    for last in "pe":
        events = session_of("pe" + last)
        flush(processor_settings, events[:2], offset=10)
        write_by_the_old_rule(client)
        flush(processor_settings, events[2:], offset=20)
        found = sessions(client)
        assert {key: found[key] for key in expected_sessions(events)} == expected_sessions(events)


def test_what_an_older_processor_still_writes_is_found_by_the_next_run(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    events = session_of("pep")
    flush(processor_settings, events)
    write_by_the_old_rule(client)
    recompute_sessions(sink, GAP_MS)
    write_by_the_old_rule(client)
    assert sessions(client) != expected_sessions(events)
    assert recompute_sessions(sink, GAP_MS) == 1
    assert sessions(client) == expected_sessions(events)


def test_an_erased_session_is_not_written_again(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    events = session_of("pep")
    flush(processor_settings, events)
    write_by_the_old_rule(client)
    processor = Processor(processor_settings)
    processor.flush(erasure(events[0].user, 5))
    processor.sink.close()
    rows = count(client, "sessions_data")
    assert recompute_sessions(sink, GAP_MS) == 0
    assert count(client, "sessions_data") == rows
    assert sessions(client) == {}


def around_midnight(processor_settings: ProcessorSettings) -> tuple[list[Sent], datetime]:
    """A session that began on one day and went on into the next, and a moment at which the first day can be closed."""
    midnight = NOW.replace(hour=0, minute=0) - timedelta(days=5)
    ago = [(NOW - midnight).total_seconds() / 60 + before for before in (8, 4, 0, -4, -8)]
    closing = midnight + timedelta(days=processor_settings.retention_days + GRACE_DAYS)
    return session_of("pepep", ago), closing


def test_a_session_that_began_on_a_closed_day_keeps_its_row(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    events, closing = around_midnight(processor_settings)
    flush(processor_settings, events)
    write_by_the_old_rule(client)
    old = sessions(client), lifetime(client)
    assert close_days(sink, closing, processor_settings.retention_days)
    assert recompute_sessions(sink, GAP_MS) == 0
    assert (sessions(client), lifetime(client)) == old
    later = session_of("p", [1], user=events[0].user, session=events[0].session)
    flush(processor_settings, later, offset=9)
    assert sum(session.events for session in sessions(client).values()) == 6


def test_a_day_that_is_closed_meanwhile_takes_no_study_time_along(
    processor_settings: ProcessorSettings, client: Client, sink: Sink
) -> None:
    events, closing = around_midnight(processor_settings)
    flush(processor_settings, events)
    write_by_the_old_rule(client)
    old = sessions(client)

    class ClosesBetween(Sink):
        def session_events(self, *args: Any) -> list[SessionEvents]:
            close_days(sink, closing, processor_settings.retention_days)
            new = session_of("pp", [1, 2], user=events[0].user, session=events[0].session)
            flush(processor_settings, new, offset=9)
            return super().session_events(*args)

    closer = ClosesBetween(processor_settings)
    assert recompute_sessions(closer, GAP_MS) == 0
    closer.close()
    ((key, session),) = sessions(client).items()
    assert session.events == old[key].events + 2
    assert session.study_ms == old[key].study_ms + 60_000


sent_events = st.builds(
    Sent,
    user=st.integers(0, 2).map(uuid),
    event=st.integers(10, 60).map(uuid),
    session=st.integers(100, 102).map(uuid),
    minutes_ago=st.floats(0, 90, allow_nan=False),
    action=st.sampled_from(["page_view", "client_error"]),
)


@pytest.mark.timeout(900)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whenever_old_rows_are_written_and_computed_anew_the_tables_hold_the_fold_of_the_set(
    processor_settings: ProcessorSettings, client: Client, sink: Sink, data: st.DataObject
) -> None:
    empty_every_table(client)
    batches = data.draw(st.lists(st.lists(sent_events, min_size=1, max_size=8), min_size=1, max_size=8))
    processor = Processor(processor_settings)
    offset = 0
    for batch in batches:
        for user in sorted({event.user for event in batch}):
            processor.flush(message([event for event in batch if event.user == user], offset))
            offset += 1
        match data.draw(st.sampled_from(["keep", "forget", "old", "recompute"])):
            case "forget":
                processor.restart()
            case "old":
                # The partition was an older processor's for a while: what this one knew is gone.
                write_by_the_old_rule(client)
                processor.restart()
            case "recompute":
                recompute_sessions(sink, GAP_MS, at_once=data.draw(st.integers(1, 3)))
    processor.sink.close()
    recompute_sessions(sink, GAP_MS)
    ordered = [
        event
        for batch in batches
        for user in sorted({event.user for event in batch})
        for event in batch
        if event.user == user
    ]
    assert sessions(client) == expected_sessions(ordered)
