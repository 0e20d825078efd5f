"""From a client's batch to every place its events are shown, against an independent oracle."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from schemas.envelope import headers, message_key, partition_for
from tests.e2e.conftest import Traffic
from tests.oracle import Oracle
from tests.prometheus import needs_prometheus, panels, prometheus
from tests.stacks import RunningStack, now_ms, until


async def test_every_event_is_answered_as_it_deserves(traffic: Traffic) -> None:
    answers = Counter(line["answer"] for line in traffic.lines)
    assert [line for line in traffic.lines if line["answer"] != line["expected"]] == []
    assert answers["accepted"] > 6000
    assert len(answers) == 8, "every reason to refuse an event occurs"
    assert len(traffic.oracle.events) == 6000


async def test_the_audit_counts_what_the_ledger_counts(stack: RunningStack, traffic: Traffic) -> None:
    report = await stack.audit()
    oracle = traffic.oracle
    assert report["good"]
    assert report["sent"] == oracle.deliveries
    assert report["unique"] == report["stored"] == len(oracle.events)
    assert report["duplicates"] == oracle.deliveries - len(oracle.events) > 0
    assert report["sessions"] == len(oracle.sessions)


async def test_every_accepted_event_is_stored_once_as_it_was_sent(stack: RunningStack, traffic: Traffic) -> None:
    assert await stack.event_rows() == traffic.oracle.event_rows()


async def test_every_session_is_the_function_of_its_events(stack: RunningStack, traffic: Traffic) -> None:
    assert await stack.session_rows() == traffic.oracle.session_rows()


async def test_windows_in_sql_are_exact(stack: RunningStack, traffic: Traffic) -> None:
    async def equal() -> bool:
        before = traffic.oracle.windows(now_ms())
        rows = await stack.rows("SELECT metric, period, value FROM rolling_windows")
        after = traffic.oracle.windows(now_ms())
        found = {(metric, period): value for metric, period, value in rows}
        if before != after:  # a session left a window meanwhile
            return False
        assert found == pytest.approx(before)
        return True

    await until(equal)


async def test_metrics_are_exact(stack: RunningStack, traffic: Traffic) -> None:
    """The snapshot is some seconds old, so it may take a few looks until a window is the same before and after."""
    oracle = traffic.oracle
    names = {
        "users_active": "convergio_users_active",
        "sessions": "convergio_sessions_total",
        "study_minutes": "convergio_study_minutes_total",
    }
    fixed = {f"convergio_feature_usage_total {name}": count for name, count in oracle.features().items()}
    fixed |= {f"convergio_maestro_usage_total {name}": count for name, count in oracle.maestros().items()}
    seen: dict[str, float] = {}
    expected: dict[str, float] = {}

    async def equal() -> bool:
        windows = oracle.windows(now_ms())
        expected.update(fixed | {f"{names[metric]} {period}": value for (metric, period), value in windows.items()})
        samples = await stack.metrics()
        seen.update({name: samples.get(name, -1) for name in expected})
        return seen == pytest.approx(expected)

    try:
        await until(equal, seconds=30)
    except TimeoutError:
        assert seen == pytest.approx(expected)


async def test_a_student_sees_their_own_statistics_at_the_gateways_address(
    stack: RunningStack, traffic: Traffic
) -> None:
    user = Counter(event.user for event in traffic.oracle.events).most_common(1)[0][0]
    own = Oracle(line for line in traffic.lines if line["user"] == user)
    answer = json.loads(
        await stack.get(f"{stack.origin}/api/telemetry/stats?range=30d&tz=UTC", Cookie=f"convergio_uid={user}")
    )
    assert answer["totals"]["sessions"] == len(own.sessions)
    assert answer["totals"]["studyMinutes"] == pytest.approx(
        sum(session.study_ms for session in own.sessions.values()) / 60_000, abs=0.01
    )
    actions = Counter(event.action for event in own.events)
    assert answer["totals"]["questions"] == actions["message_sent"]
    assert answer["totals"]["pageViews"] == actions["page_view"]
    assert {entry["feature"]: entry["count"] for entry in answer["features"]} == own.features()
    assert {entry["maestro"]: entry["count"] for entry in answer["maestros"]} == own.maestros()
    days = Counter(f"{datetime.fromtimestamp(s.started_ms / 1000, UTC):%Y-%m-%d}" for s in own.sessions.values())
    assert {day["date"]: day["sessions"] for day in answer["days"] if day["sessions"]} == dict(days)


async def test_the_same_traffic_again_changes_nothing(stack: RunningStack, traffic: Traffic) -> None:
    before = await stack.rows("SELECT * FROM events ORDER BY user_id, event_id")
    await stack.convergio(*traffic.command, "--url", stack.origin)
    report = await stack.audit()
    assert report["unique"] == report["stored"] == len(traffic.oracle.events)
    assert report["sent"] > 2 * len(traffic.oracle.events)
    assert await stack.rows("SELECT * FROM events ORDER BY user_id, event_id") == before


async def test_an_erased_user_is_gone_and_no_total_falls(stack: RunningStack, traffic: Traffic) -> None:
    user = traffic.oracle.events[0].user
    before = await stack.rows("SELECT * FROM lifetime")
    await stack.convergio("erase", user, "--wait", "60")
    assert await stack.rows("SELECT count() FROM events WHERE user_id = {user:UUID}", user=user) == [(0,)]
    assert await stack.rows("SELECT count() FROM sessions WHERE user_id = {user:UUID}", user=user) == [(0,)]
    assert await stack.rows("SELECT * FROM lifetime") == before
    report = await stack.audit()
    remaining = Oracle(traffic.lines, erased=[user])
    assert report["stored"] == len(remaining.events)
    assert report["erased"] == len(traffic.oracle.events) - len(remaining.events)


async def test_poison_is_set_aside_shown_and_can_be_sent_again(stack: RunningStack, traffic: Traffic) -> None:
    user = str(uuid4())
    partition = partition_for(user, 4)
    producer = AIOKafkaProducer(bootstrap_servers=stack.config.kafka.bootstrap)
    await producer.start()
    try:
        sent = await producer.send_and_wait(
            "convergio.events", b"{poison", message_key(user), partition, headers=headers("events")
        )
    finally:
        await producer.stop()
    letter = f"{sent.partition}:{sent.offset}"

    async def letters() -> list[dict[str, object]]:
        listed = json.loads((await stack.convergio("dlq", "list", "--format", "json")).output)
        return [found for found in listed if found["key"] == user]

    async def set_aside(count: int) -> bool:
        return len(await letters()) == count

    await until(lambda: set_aside(1))
    assert (await letters())[0]["letter"] == letter
    shown = (await stack.convergio("dlq", "show", letter)).output
    assert "{poison" in shown
    assert "reason" in shown
    await stack.convergio("dlq", "redrive", letter, "--dry-run")
    assert len(await letters()) == 1
    (before,) = await letters()
    await stack.convergio("dlq", "redrive", letter)

    async def died_again() -> bool:
        (found,) = await letters()
        return found["state"] == "waiting" and found["set_aside_at"] != before["set_aside_at"]

    await until(died_again)
    report = await stack.audit()
    assert report["good"]
    assert report["dead_letters"] == 1


@needs_prometheus
async def test_prometheus_with_the_committed_configuration_answers_every_rule_and_panel(
    stack: RunningStack, traffic: Traffic, tmp_path: Path
) -> None:
    config = stack.config
    targets = {
        "convergio-exporter": [config.exporter_port],
        "convergio-gateway": [config.ingest_port + number for number in range(config.ingest)],
        "convergio-processor": [config.processor_port + number for number in range(config.processors)],
        "convergio-audit": [config.audit_port],
    }
    shown: dict[str, set[str]] = {}
    async with prometheus(tmp_path, targets) as server:

        async def all_up() -> bool:
            return [value for _, value in await server.query("up")] == [1] * sum(map(len, targets.values()))

        await until(all_up)
        await stack.convergio("simulate", "--events", "300", "--users", "10", "--url", stack.origin)
        rules = await server.rules()
        recorded = [rule["name"] for rule in rules if rule["type"] == "recording"]
        missing: list[str] = []

        async def all_recorded() -> bool:
            missing[:] = [name for name in recorded if not await server.query(name)]
            return not missing

        try:
            await until(all_recorded)
        except TimeoutError:
            pytest.fail(f"no series of {missing}")
        assert {rule["health"] for rule in await server.rules()} == {"ok"}
        assert len(recorded) == 8
        (users,) = await server.query('convergio_users_active{period="7d"}')
        assert users[1] > 0
        assert await server.query('ALERTS{alertstate="firing"}') == []
        for panel, queries in panels().items():
            series = [found for expression in queries for found in await server.query(expression)]
            assert series, f"{panel}: no series of {queries}"
            shown[panel] = {next(iter(labels.values()), "") for labels, _ in series}
    assert shown["Active Users"] == {"1h", "24h", "7d"}
    assert shown["Feature Usage"] == set(traffic.oracle.features())
    assert len(shown["Maestro Popularity"]) == 5
    assert "202" in shown["Requests by outcome"]
    assert {"accepted", "too_old"} <= shown["Events in"]
    assert {"stored", "duplicate"} <= shown["Events stored"]
    assert shown["Lag"] == {"0", "1", "2", "3"}
    assert shown["Exporter refresh"] == {"windows", "lifetime"}


async def test_nothing_died_meanwhile(stack: RunningStack, traffic: Traffic) -> None:
    assert [str(event) for event in stack.happenings if event.kind in ("died", "unhealthy", "restarted")] == []
