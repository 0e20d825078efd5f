"""Real servers for the tests, and the markers by folder.

Kafka and ClickHouse come from the environment if named there (`CONVERGIO_TEST_KAFKA`,
`CONVERGIO_TEST_CLICKHOUSE`, each host:port), else from testcontainers where a Docker daemon answers, else the
embedded ones of `infra.local` are started. Each starts when the first test asks for it and stops at the end.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.clickhouse.migrate import migrate
from infra.local.ports import free_ports
from processors.retention_topic import RetentionTopic
from processors.settings import ProcessorSettings
from schemas.topics import LARGEST_MESSAGE
from tests.processors import Pipeline
from tests.servers import ClickHouseAddress, clickhouse_server, kafka_server, server_source

pytest_plugins = ("tests.seed", "tests.folders")

MARKER_BY_FOLDER = {
    "unit": "unit",
    "contract": "contract",
    "integration": "integration",
    "operations": "operations",
    "migrations": "migration",
    "e2e": "e2e",
    "faults": "fault",
}


def pytest_report_header() -> list[str]:
    return [f"kafka: {server_source('kafka')}", f"clickhouse: {server_source('clickhouse')}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    for item in items:
        marker = MARKER_BY_FOLDER.get(item.path.relative_to(tests).parts[0])
        if marker is not None:
            item.add_marker(marker)


@pytest.fixture(scope="session")
async def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """host:port of a real Kafka, shared by the session: use topics and groups of your own."""
    async with kafka_server(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
async def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClickHouseAddress]:
    """A real ClickHouse, shared by the session: use a `database` of your own."""
    async with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as address:
        yield address


@pytest.fixture
def topic_prefix() -> str:
    """Begins the names of this test's topics and consumer groups, and of no other's."""
    return f"test-{uuid.uuid4().hex[:12]}-"


@pytest.fixture
def unique_topic(topic_prefix: str) -> str:
    """A topic name no other test uses; `make_topic` creates topics."""
    return f"{topic_prefix}topic"


MakeTopic = Callable[..., Awaitable[str]]


@pytest.fixture
async def make_topic(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[MakeTopic]:
    """`await make_topic(name="topic", partitions=1, **configs)` creates one and returns its prefixed name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    made: list[str] = []

    async def make(name: str = "topic", partitions: int = 1, **configs: str) -> str:
        topic = topic_prefix + name
        options = {key.replace("_", "."): value for key, value in configs.items()}
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=options)])
        made.append(topic)
        return topic

    yield make
    if made:
        await admin.delete_topics(made)
    await admin.close()


@pytest.fixture
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    """A database name of this test's own. It is not created; whatever it became is dropped at the end."""
    with clickhouse.own_database() as name:
        yield name


@pytest.fixture
async def pipeline(
    kafka_bootstrap: str,
    clickhouse: ClickHouseAddress,
    database: str,
    make_topic: MakeTopic,
    topic_prefix: str,
    tmp_path: Path,
) -> AsyncIterator[Pipeline]:
    """Topics, a consumer group and a database of this test's own for its processors."""
    settings = ProcessorSettings(
        kafka_bootstrap=kafka_bootstrap,
        events_topic=await make_topic("events", partitions=2, max_message_bytes=str(LARGEST_MESSAGE)),
        dead_letter_topic=await make_topic("dlq"),
        consumer_group=f"{topic_prefix}group",
        clickhouse_host=clickhouse.host,
        clickhouse_port=clickhouse.port,
        clickhouse_user=clickhouse.username,
        clickhouse_database=database,
        processor_port=free_ports(1)[0],
        data_dir=str(tmp_path / "faust"),
        session_timeout_seconds=3.0,
        partitions=2,
    )
    settings.clickhouse_password = type(settings.clickhouse_password)(clickhouse.password)
    await make_topic("events.retention", retention_ms="-1")
    await RetentionTopic(settings).put_in_force(settings.retention_days)
    await asyncio.to_thread(migrate, settings)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, max_request_size=LARGEST_MESSAGE)
    await producer.start()
    try:
        yield Pipeline(settings, producer, clickhouse, tmp_path / "processor.log")
    finally:
        await producer.stop()
