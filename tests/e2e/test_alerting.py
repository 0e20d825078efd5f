"""A message is lost on purpose: the running audit finds it, Prometheus raises the alert, Alertmanager delivers it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from infra.local.ports import free_ports
from tests.prometheus import alertmanager, needs_alertmanager, needs_prometheus, prometheus
from tests.stacks import RunningStack, running_stack, until


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(tmp_path / "stack", extra_env={"CONVERGIO_AUDIT_RECHECK_SECONDS": "0.5"}) as running:
        yield running


class Receiver:
    """What Alertmanager notifies: the state of each alert by its name."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}

    async def take(self, request: web.Request) -> web.Response:
        notification: dict[str, Any] = await request.json()
        for alert in notification["alerts"]:
            self.states[alert["labels"]["alertname"]] = alert["status"]
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, int]]:
    found, (port,) = Receiver(), free_ports(1)
    app = web.Application()
    app.router.add_post("/alerts", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield found, port
    await runner.cleanup()


@needs_prometheus
@needs_alertmanager
async def test_a_lost_message_is_found_and_reported_and_the_alert_ends_when_it_is_put_right(
    stack: RunningStack, receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    received, webhook = receiver
    config = stack.config
    targets = {
        "convergio-exporter": [config.exporter_port],
        "convergio-gateway": [config.ingest_port],
        "convergio-processor": [config.processor_port],
        "convergio-audit": [config.audit_port],
    }
    simulate = ("simulate", "--events", "40", "--users", "4", "--batch", "5", "--url", stack.origin)
    await stack.convergio(*simulate)
    sent: int = (await stack.audit())["sent"]

    async def all_checked() -> bool:
        checked = (await stack.running_audit())["checked_events_total"]
        return checked == float(sent) > 0

    await until(all_checked)
    assert (await stack.running_audit())["missing_events"] == 0
    with stack.paused("audit"):
        await stack.convergio(*simulate, "--seed", "7")
        await stack.audit()
        (place,) = await stack.rows(
            "SELECT kafka_partition, kafka_offset, count() FROM events_data"
            " GROUP BY kafka_partition, kafka_offset ORDER BY max(received_at) DESC, kafka_offset DESC LIMIT 1"
        )
        partition, offset, lost = place
        these = f"kafka_partition = {partition} AND kafka_offset = {offset}"
        await stack.rows("CREATE TABLE lost AS events_data ENGINE = MergeTree ORDER BY event_id")
        await stack.rows(f"INSERT INTO lost SELECT * FROM events_data WHERE {these}")
        await stack.rows(f"ALTER TABLE events_data DELETE WHERE {these} SETTINGS mutations_sync = 2")
    async with (
        alertmanager(tmp_path, webhook) as alertmanager_port,
        prometheus(tmp_path, targets, alertmanager_port) as server,
    ):
        await until(lambda: received.states.get("AuditFoundViolation") == "firing")
        found = await stack.running_audit()
        assert found["missing_events"] == lost
        assert found["wrong_sessions"] > 0
        assert [labels for labels, _ in await server.query('ALERTS{alertname="AuditFoundViolation"}')]
        log = (config.data_dir / "logs" / "audit.log").read_text()
        assert f'"partition": {partition}, "offset": {offset}' in log
        await stack.rows("INSERT INTO events_data SELECT * FROM lost")
        await until(lambda: received.states.get("AuditFoundViolation") == "resolved")
    assert (await stack.running_audit())["missing_events"] == 0
