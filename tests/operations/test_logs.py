"""What logs never say: no line of any service holds anybody's id, address or words, or a secret."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
import clickhouse_connect

from infra.local.ports import free_ports
from schemas.envelope import headers, message_key, partition_for
from tests.commands import COMMAND
from tests.deployment import RunningService, service
from tests.events import message, sent
from tests.faults.wire import Wire
from tests.gateway import EVENTS, batch, event
from tests.processors import Pipeline
from tests.raw_http import exchange
from tests.stacks import until

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
ADDRESS, AGENT = "203.0.113.77", "Mozilla/5.0 (a browser of somebody)"
SECRETS = {
    "write_keys": "the-write-key-of-the-pages",
    "operator_token": "the-token-of-the-operators",
    "exporter_token": "the-token-of-prometheus",
}


@dataclass
class Person:
    """Somebody whose browser sends distinctive things."""

    user: str = field(default_factory=lambda: str(uuid4()))
    session: str = field(default_factory=lambda: str(uuid4()))
    word: str = field(default_factory=lambda: f"word{uuid4().hex}")

    def event(self, **changes: object) -> dict[str, object]:
        return event(sessionId=self.session, label=self.word, metadata={"path": self.word}, **changes)

    def traces(self) -> list[str]:
        return [self.user, self.session, self.word]


def traces_in(logs: Iterable[Path], traces: Iterable[str]) -> list[str]:
    """The lines of any log that hold any of the traces, and those with a UUID of whatever kind."""
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if UUID.search(line) or any(trace in line for trace in traces)]


async def test_no_line_holds_a_trace_of_a_person_or_a_secret(pipeline: Pipeline, tmp_path: Path) -> None:
    person, erased = Person(), Person()
    (wire_port,) = free_ports(1)
    settings = {
        **pipeline.convergio.settings,
        **SECRETS,
        "clickhouse_port": str(wire_port),
        "trusted_proxies": "127.0.0.0/8",
        "log_level": "debug",
        "refresh_seconds": "0.2",
        "heartbeat_seconds": "60",
    }
    async with (
        Wire(wire_port, pipeline.clickhouse.port) as wire,
        service("ingest", settings, tmp_path) as gateway,
        service("process", settings, tmp_path) as processor,
        service("export", settings, tmp_path) as exporter,
        service("audit", settings, tmp_path, "--follow") as audit,
    ):
        await send(gateway, person, erased)
        await poison(pipeline, person)
        await ask(exporter, person)
        async with wire.refused():
            await post(gateway, batch(person.event(), userId=person.user))
            await until(lambda: says(processor, "flush failed"))
            await ask(exporter, person)
            await until(lambda: says(exporter, "refresh failed"))
        wire.cut_answers(3)
        await post(gateway, batch(person.event(), userId=person.user))
        await until(lambda: says(exporter, "refresh works again"))
        await pipeline.until_committed()
        await until(lambda: says(processor, "dead letter"))
        await until(lambda: has_checked_all(audit))
        (nobody,) = free_ports(1)
    away = {**settings, "kafka_bootstrap": f"127.0.0.1:{nobody}"}
    logs = [each.log for each in (gateway, processor, exporter, audit)]
    logs.append(await without_kafka(away, person, tmp_path))
    traces = [*person.traces(), *erased.traces(), ADDRESS, AGENT, *SECRETS.values(), "a-wrong-key"]
    assert traces_in(logs, traces) == []
    assert all(log.read_text() for log in (gateway.log, processor.log, exporter.log))


async def test_a_processor_without_tables_names_no_user(pipeline: Pipeline, tmp_path: Path) -> None:
    somebody = sent()
    await pipeline.send(message([somebody], 0))
    database = pipeline.settings.clickhouse_database
    with clickhouse_connect.get_client(**pipeline.clickhouse.client_options, database=database) as client:
        for table in ("events_data", "sessions_data", "erasures_data"):
            client.command(f"RENAME TABLE {table} TO away_{table}")
    async with pipeline.processor([*COMMAND, "process"]):
        await pipeline.until_trouble("readyz", "UNKNOWN_TABLE")
        assert UUID.search(await pipeline.trouble("readyz")) is None
    assert traces_in([pipeline.log], [somebody.user, somebody.event, somebody.session]) == []


async def send(gateway: RunningService, person: Person, erased: Person) -> None:
    """What is taken, and what is refused for every reason."""
    for each in (person, erased):
        assert await post(gateway, batch(each.event(), each.event(), userId=each.user)) == 202
    cookie = {"Cookie": f"convergio_uid={erased.user}"}
    assert await post(gateway, {}, "/api/telemetry/me", method="DELETE", **cookie) == 202
    assert await post(gateway, batch(person.event(category=person.word), userId=person.user)) == 422
    assert await post(gateway, batch(person.event(), userId=person.word)) == 400
    assert await post(gateway, {"events": person.word}) == 400
    assert await post(gateway, batch(person.event()), key="a-wrong-key") == 403
    assert await post(gateway, {"optOut": person.word}, "/api/telemetry/consent") == 400
    wrong = {"Authorization": f"Bearer {person.word}"}
    assert await post(gateway, {}, f"/api/telemetry/me?userId={person.user}", method="DELETE", **wrong) == 403
    assert await post(gateway, {}, f"/api/{person.word}") == 404
    await exchange(gateway.port, f"GET /{person.word} NONSENSE\r\n{person.user}\r\n\r\n".encode())
    await exchange(gateway.port, f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nX: {person.word * 2000}\r\n\r\n".encode())


async def post(
    gateway: RunningService,
    document: object,
    path: str = EVENTS,
    *,
    method: str = "POST",
    key: str = SECRETS["write_keys"],
    **more: str,
) -> int:
    sent_headers = {"X-Write-Key": key, "X-Forwarded-For": ADDRESS, "User-Agent": AGENT, **more}
    url = f"http://127.0.0.1:{gateway.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=document, headers=sent_headers) as response,
    ):
        return response.status


async def ask(exporter: RunningService, person: Person) -> None:
    """Statistics and scrapes, right and wrong."""
    for path in (
        "/api/telemetry/stats",
        "/api/telemetry/stats?range=nonsense",
        f"/api/telemetry/stats?tz={person.word}",
        f"/api/telemetry/stats?userId={person.user}",
        f"/{person.word}",
        "/metrics",
    ):
        for more in (
            {"Cookie": f"convergio_uid={person.user}"},
            {"Authorization": f"Bearer {SECRETS['operator_token']}"},
            {"Authorization": f"Bearer {SECRETS['exporter_token']}"},
            {"Authorization": f"Bearer {person.word}"},
        ):
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{exporter.port}{path}"
                forwarded = {"X-Forwarded-For": ADDRESS, "User-Agent": AGENT}
                async with session.get(url, headers={**forwarded, **more}) as response:
                    await response.read()


async def poison(pipeline: Pipeline, person: Person) -> None:
    """Messages that cannot be decoded, and one that ClickHouse refuses and quotes."""
    good = message([sent(person.user, session=person.session, label=person.word)], 0).value
    for value in (
        person.word.encode(),
        good[:-20],
        good.replace(b'"received_at"', f'"x":1,"epoch":[],"y":"{person.word}","received_at"'.encode()),
    ):
        await pipeline.producer.send_and_wait(
            pipeline.settings.events_topic,
            value,
            key=message_key(person.user),
            partition=partition_for(person.user, 2),
            headers=headers("events"),
        )


async def without_kafka(settings: dict[str, str], person: Person, folder: Path) -> Path:
    """A gateway that answers everything with a 503; its log."""
    folder = folder / "away"
    folder.mkdir()
    async with service("ingest", settings, folder, ready="/healthz") as gateway:
        assert await post(gateway, batch(person.event(), userId=person.user)) == 503
    return gateway.log


async def has_checked_all(audit: RunningService) -> bool:
    """Whether the running audit has checked messages, and knows of no further one."""
    samples = await audit.get("/metrics")
    return "convergio_audit_lag_seconds 0.0" in samples and "convergio_audit_checked_events_total 0.0" not in samples


async def says(service: RunningService, text: str) -> bool:
    return any(text in line["event"] for line in await asyncio.to_thread(service.lines))
