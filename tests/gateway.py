"""A real gateway for the tests, served by uvicorn in this process, and a way to read what reached Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import uvicorn
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.local.ports import free_ports
from ingest import GatewaySettings, create_app
from ingest.app import App
from ingest.connection import ConnectionLimits, GatewayProtocol
from processors.retention_topic import RetentionTopic
from schemas.settings import SharedSettings

EVENTS = "/api/telemetry/events"
WAIT_SECONDS = 30.0


class Message(NamedTuple):
    """A message as it lies in the topic."""

    partition: int
    key: str
    headers: dict[str, bytes]
    value: bytes

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The NDJSON rows of an `events` message."""
        return [json.loads(line) for line in self.value.splitlines()]


class Answer(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: list[str]

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def codes(self) -> list[str]:
        """The reject codes, in the order given."""
        return [rejection["code"] for rejection in self.json["rejected"]]


@dataclass
class Gateway:
    """A running gateway: its address, and a client without cookies or redirects."""

    port: int
    settings: GatewaySettings
    session: aiohttp.ClientSession = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends exactly these headers (and body) and reads the whole answer."""
        async with self.session.request(
            method, self.url + path, data=body, headers=headers, skip_auto_headers=("Content-Type", "User-Agent")
        ) as response:
            return Answer(
                response.status, response.headers, await response.read(), response.headers.getall("Set-Cookie", [])
            )

    async def post(self, document: object, *, path: str = EVENTS, headers: Mapping[str, str] | None = None) -> Answer:
        """Posts `document` as JSON; bytes are sent as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await self.request(
            "POST", path, body=body, headers={"Content-Type": "application/json", **(headers or {})}
        )

    async def messages(self, user: str | None = None) -> list[Message]:
        """What is in the gateway's topic now (of one user), partition by partition, in order."""
        found = await read_topic(self.settings.kafka_bootstrap, self.settings.events_topic)
        return [message for message in found if user in (None, message.key)]

    async def rows(self, user: str) -> list[dict[str, Any]]:
        """A user's rows in the topic now."""
        return [row for message in await self.messages(user) for row in message.rows]


async def read_topic(bootstrap: str, topic: str) -> list[Message]:
    """Everything in a topic now, partition by partition, in order."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[int, int, Message]] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                    message = Message(partition.partition, record.key.decode(), dict(record.headers), record.value)
                    found.append((partition.partition, record.offset, message))
        return [message for _, _, message in found]
    finally:
        await consumer.stop()


async def create_topic(bootstrap: str, partitions: int = 4) -> str:
    """A new topic for one module's or one test's gateway, and one with the retention in force, of 90 days."""
    topic = f"test-gateway-{uuid.uuid4().hex[:12]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
        await create_retention_topic(admin, settings(bootstrap, topic))
    finally:
        await admin.close()
    return topic


async def create_retention_topic(admin: AIOKafkaAdminClient, chosen: SharedSettings) -> None:
    """Creates the topic that says how long events are kept, and puts the retention of the settings in force."""
    retention = RetentionTopic(chosen)
    await admin.create_topics([NewTopic(retention.name, 1, 1, topic_configs={"retention.ms": "-1"})])
    await retention.put_in_force(chosen.retention_days)


def settings(bootstrap: str, topic: str, **changes: object) -> GatewaySettings:
    """Settings for a gateway of a test; limits are off unless asked for."""
    return GatewaySettings.model_validate(
        {"kafka_bootstrap": bootstrap, "events_topic": topic, "rate_limit_enabled": False, **changes}
    )


@asynccontextmanager
async def running_gateway(
    chosen: GatewaySettings, *, ready: bool = True, app: App | None = None
) -> AsyncIterator[Gateway]:
    """A gateway on a free port, ready unless told not to wait for that; `app` is served in its place if given."""
    (port,) = free_ports(1)
    config = uvicorn.Config(
        app or create_app(chosen),
        host="127.0.0.1",
        port=port,
        http=GatewayProtocol.within(ConnectionLimits.of(chosen)),
        ws="none",
        lifespan="on",
        interface="asgi3",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=chosen.keep_alive_seconds,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        await until(lambda: asyncio.sleep(0, server.started))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
            gateway = Gateway(port, chosen, session)
            if ready:
                await until_ready(gateway)
            yield gateway
    finally:
        server.should_exit = server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await server.lifespan.shutdown()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    """Asks again and again until the condition holds; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def until_ready(gateway: Gateway, status: int = 200) -> None:
    """Waits until `/readyz` answers with this status."""

    async def answers() -> bool:
        return (await gateway.request("GET", "/readyz")).status == status

    await until(answers)


def now() -> datetime:
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def event(**changes: object) -> dict[str, object]:
    """A good event with a fresh id, a minute old; `changes` replace or add fields, None removes one."""
    made: dict[str, object] = {
        "eventId": str(uuid.uuid4()),
        "sessionId": str(uuid.uuid4()),
        "timestamp": rfc3339(now() - timedelta(minutes=1)),
        "category": "education",
        "action": "flashcard_review",
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def batch(*events: object, **changes: object) -> dict[str, object]:
    """A good batch of a fresh user; without events it holds one."""
    made: dict[str, object] = {
        "userId": str(uuid.uuid4()),
        "sentAt": rfc3339(now()),
        "events": list(events) or [event()],
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}
