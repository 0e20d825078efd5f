"""One user with far too many events delays nobody: what a flush costs is bounded by the flush, not by the user."""

from __future__ import annotations

import os
from pathlib import Path

import clickhouse_connect

from infra.local.probes import answers_ok
from tests.events import NOW, message, sent
from tests.processors import Pipeline

STORED = 1_440_000
"""What the default rate limit lets one user send in four hours."""
BATCHES = 20
MEGABYTE = 1 << 20

HISTORY = f"""
INSERT INTO events_data (event_id, user_id, session_id, category, action, occurred_at, received_at,
    kafka_partition, kafka_offset)
SELECT generateUUIDv4(), '{{user}}', '{{session}}', 'navigation', 'page_view',
    fromUnixTimestamp64Milli({{now_ms}} - cityHash64(number) % 40000000, 'UTC') AS at, at, 0, 0
FROM numbers({STORED})
"""
"""Half a day of events in random order: a client chooses its timestamps."""
ROW = """
INSERT INTO sessions_data (user_id, session_id, started_at, last_event_at, last_study_at, study_ms, events, page_views)
SELECT user_id, session_id, min(occurred_at), max(occurred_at), max(occurred_at),
    toUnixTimestamp64Milli(max(occurred_at)) - toUnixTimestamp64Milli(min(occurred_at)), count(), count()
FROM events_data GROUP BY user_id, session_id
"""


async def test_a_user_with_over_a_million_events_in_one_session_delays_nobody_after_a_restart(
    pipeline: Pipeline,
) -> None:
    greedy = sent()
    now_ms = int(NOW.timestamp() * 1000)
    with clickhouse_connect.get_client(
        **pipeline.clickhouse.client_options, database=pipeline.settings.clickhouse_database
    ) as client:
        client.command(HISTORY.format(user=greedy.user, session=greedy.session, now_ms=now_ms))
        client.command(ROW)
    others = [sent() for _ in range(BATCHES)]
    for number, other in enumerate(others):
        late = [sent(greedy.user, session=greedy.session, minutes_ago=number * 20 + index) for index in range(10)]
        await pipeline.send(message(late, 0))
        await pipeline.send(message([other], 0))
    async with pipeline.processor() as process:
        await pipeline.until_committed()
        assert await answers_ok(pipeline.settings.processor_port, "/healthz")()
        assert resident_bytes(process.pid) < 400 * MEGABYTE
    total = STORED + BATCHES * 10
    assert pipeline.stored() == total + BATCHES
    ((events, study_ms, first_ms, last_ms),) = pipeline.rows(
        "SELECT events, study_ms, toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(last_event_at)"
        f" FROM sessions WHERE user_id = '{greedy.user}'"
    )
    # With so many events no gap is longer than five minutes.
    assert (events, study_ms) == (total, last_ms - first_ms)


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
