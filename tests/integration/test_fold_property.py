"""Whatever the batching, repetition, order and forgetting, the tables hold the fold of the set of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.clickhouse.migrate import migrate
from processors.dedup import Outcome
from processors.settings import ProcessorSettings
from tests.events import Sent, expected_sessions, message, uuid
from tests.faults.views import empty_every_table
from tests.in_process import Processor
from tests.integration.test_flush import count, sessions
from tests.servers import ClickHouseAddress

EXAMPLES = 40

sent_events = st.builds(
    Sent,
    user=st.integers(0, 2).map(uuid),
    event=st.integers(10, 40).map(uuid),
    session=st.integers(100, 102).map(uuid),
    minutes_ago=st.floats(0, 60, allow_nan=False),
    action=st.sampled_from(["page_view", "route_change", "client_error", "page_load"]),
)


@pytest.fixture
def processor_settings(clickhouse: ClickHouseAddress, database: str) -> ProcessorSettings:
    settings = ProcessorSettings(**clickhouse.settings(database), flush_seconds=1e-9)
    migrate(settings)
    return settings


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str, processor_settings: ProcessorSettings) -> Iterator[Client]:
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        yield client


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_batching_repetition_and_forgetting_gives_the_rows_of_the_set(
    processor_settings: ProcessorSettings, client: Client, data: st.DataObject
) -> None:
    empty_every_table(client)
    events = data.draw(st.lists(sent_events, min_size=1, max_size=40))
    by_user: dict[str, list[Sent]] = {}
    for event in events:
        by_user.setdefault(event.user, []).append(event)
    batches: list[list[Sent]] = []
    for own in by_user.values():
        while own:
            size = data.draw(st.integers(1, len(own)))
            batches.append(own[:size])
            own = own[size:]
    messages = [message(batch, offset) for offset, batch in enumerate(batches)]
    processor = Processor(processor_settings)
    outcomes: Counter[Outcome] = Counter()
    position = 0
    while position < len(messages):
        block = messages[position : position + data.draw(st.integers(1, 4))]
        outcomes += processor.flush(*block).outcomes
        match data.draw(st.sampled_from(["keep", "forget", "evict", "crash"])):
            case "forget":
                processor.restart()
            case "evict":
                processor.ownerships[0].cache.shrink(data.draw(st.integers(0, 20)), stored=10**9)
            case "crash":
                # After the flush and before the commit: the same messages come again, to an empty cache.
                again = Processor(processor_settings)
                assert again.flush(*block).outcomes[Outcome.STORED] == 0
                again.sink.close()
        position += len(block)
    processor.sink.close()
    assert sessions(client) == expected_sessions([event for batch in batches for event in batch])
    unique = {(event.user, event.event) for event in events}
    assert count(client, "events") == count(client, "events_data") == len(unique) == outcomes[Outcome.STORED]
    assert outcomes[Outcome.STORED] + outcomes[Outcome.DUPLICATE] == len(events)
