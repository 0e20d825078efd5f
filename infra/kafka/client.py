"""Connections to Kafka that fail with one clear line."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from infra.errors import Refused, Unreachable, WrongUse
from infra.kafka.reaching import objection
from processors import topic_ids
from schemas.kafka import ClientOptions, client_options
from schemas.settings import SharedSettings
from schemas.topics import LARGEST_DEAD_LETTER, LARGEST_MESSAGE

_NO_LIMIT = 2**31 - 1
_NOT_ALLOWED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)


@contextmanager
def quiet_driver() -> Iterator[None]:
    """Restores the log level of aiokafka afterwards: a service logs itself that Kafka is away."""
    driver = logging.getLogger("aiokafka")
    level = driver.level
    try:
        yield
    finally:
        driver.setLevel(level)


@asynccontextmanager
async def kafka_errors(settings: SharedSettings) -> AsyncIterator[None]:
    """Turns what aiokafka raises into `Unreachable`, and into `Refused` where a broker answers and objects."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        at = f"Kafka at {settings.kafka_bootstrap}"
        if isinstance(error, _NOT_ALLOWED):
            raise Refused(
                f"{at} does not allow {user_of(settings)} what it needs ({error}); infra/deploy/kafka/acls.sh grants it"
            ) from error
        found = await objection(settings)
        if found is not None:
            kind = Refused if found.certain else Unreachable
            raise kind(f"{at} {found.text}") from error
        reason = str(error) or type(error).__name__
        raise Unreachable(
            f"{at} does not answer ({reason}); is it running, and is CONVERGIO_KAFKA_BOOTSTRAP right?"
        ) from error


@asynccontextmanager
async def admin(settings: SharedSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, started. Raises `Unreachable`, `WrongUse`."""
    client = AIOKafkaAdminClient(**_options(settings))
    async with kafka_errors(settings):
        try:
            await client.start()
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def consumer(
    settings: SharedSettings, group: str | None = None, fetch_bytes: int = LARGEST_MESSAGE, wait_ms: int = 500
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of partitions that the caller assigns; it commits nothing by itself, and only with a `group`.

    `fetch_bytes`: how much of a partition is read ahead, unless one record batch is larger. `wait_ms`: how long the
    broker holds a fetch for which it has nothing; other requests to that broker wait as long. Raises `Unreachable`,
    `WrongUse`.
    """
    client = AIOKafkaConsumer(
        **_options(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_wait_ms=wait_ms,
        fetch_max_bytes=LARGEST_DEAD_LETTER,
    )
    async with kafka_errors(settings):
        try:
            await client.start()
            yield client
        finally:
            await client.stop()


@asynccontextmanager
async def producer(settings: SharedSettings) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer with acks=all; how large a message may be, the broker says.

    Compressed, since a redriven message that was as large as its topic takes has more headers than its original. Raises
    `Unreachable`, `WrongUse`.
    """
    client = AIOKafkaProducer(
        **_options(settings),
        acks="all",
        enable_idempotence=True,
        max_request_size=_NO_LIMIT,
        compression_type="gzip",
    )
    async with kafka_errors(settings):
        try:
            await client.start()
            yield client
        finally:
            await client.stop()


async def partitions_of(settings: SharedSettings, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, in order. Raises `WrongUse` if there is no such topic, and `Unreachable`."""
    async with admin(settings) as client:
        (described,) = await topic_ids.describe_topics(client, [topic])
        if code := described["error_code"]:
            if code == UnknownTopicOrPartitionError.errno:
                raise WrongUse(f"Kafka has no topic {topic}; run `convergio migrate` first")
            raise for_code(code)(f"topic {topic} cannot be described")
    return sorted(TopicPartition(topic, partition["partition"]) for partition in described["partitions"])


async def topic_id_of(settings: SharedSettings, topic: str) -> str:
    """Kafka's id of a topic; `UNKNOWN_TOPIC` of a broker without such ids. Raises `Unreachable`, `WrongUse`."""
    async with admin(settings) as client:
        return await topic_ids.topic_id_of(client._client, topic)


def user_of(settings: SharedSettings) -> str:
    """Whom Kafka knows us as, for messages; a client certificate names its user itself."""
    return settings.kafka_sasl_username or settings.kafka_cert_file or "an unnamed user"


def _options(settings: SharedSettings) -> ClientOptions:
    # aiokafka logs each failed attempt; the one line that counts is raised.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return client_options(settings)
    except (ValueError, OSError) as error:
        raise WrongUse(f"the settings for Kafka cannot be used: {error}") from error
