"""Creates the topics where they are missing; of those that are there, it changes only what would lose something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from infra.errors import WrongUse
from infra.kafka.client import admin
from infra.settings import Settings
from processors.topic_ids import describe_topics
from schemas.topics import LARGEST_DEAD_LETTER, LARGEST_MESSAGE

DAY_MS = 86_400_000
_ALREADY_EXISTS = TopicAlreadyExistsError.errno
_LIMIT = "max.message.bytes"
_KEPT = "retention.ms"
_FOR_EVER = "-1"
_OF_THE_TOPIC = 1
"""Where a configuration comes from, in Kafka's protocol: it is set on the topic itself."""
_HEADERS_BYTES = 1 << 20
"""Room for what a dead letter's headers add to its original."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic after `create_topics`."""

    name: str
    partitions: int
    created: bool
    enlarged_to: int | None = None
    """Its new `max.message.bytes`, if it was raised."""


def wanted_topics(settings: Settings, dead_letter_limit: int = LARGEST_DEAD_LETTER) -> list[NewTopic]:
    """The topics of events, dead letters and the retention in force, as they are created.

    `dead_letter_limit` is the `max.message.bytes` of dead letters.
    """
    replicas = settings.replication_factor
    common = {
        # Whatever producers chose: recompressing in the broker would change what every consumer must understand.
        "compression.type": "producer",
        # Two copies before an acknowledgement, so that a 202 survives the loss of a broker.
        "min.insync.replicas": str(2 if replicas >= 3 else 1),
        "cleanup.policy": "delete",
    }
    kept = [
        NewTopic(name, partitions, replicas, topic_configs={**common, _LIMIT: str(limit), _KEPT: str(days * DAY_MS)})
        for name, partitions, days, limit in (
            (settings.events_topic, settings.partitions, settings.kafka_retention_days, LARGEST_MESSAGE),
            (settings.dead_letter_topic, 1, settings.dead_letter_retention_days, dead_letter_limit),
        )
    ]
    return [*kept, NewTopic(settings.retention_topic, 1, replicas, topic_configs={**common, _KEPT: _FOR_EVER})]


async def create_topics(settings: Settings) -> list[Topic]:
    """Creates what is missing, makes room in the dead-letter topic for any message of the events topic, and lets the
    retention topic keep its records for ever; it can be repeated at any time.

    The number of partitions in particular stays: it decides which partition a user's messages go to, and a user
    must not have unread messages in two. Raises `Unreachable`, and `WrongUse` when Kafka refuses.
    """
    names = [settings.events_topic, settings.dead_letter_topic, settings.retention_topic]
    async with admin(settings) as client:
        found = await describe_topics(client, names)
        partitions = {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}
        limit = LARGEST_DEAD_LETTER
        if settings.events_topic in partitions:
            events = await configuration_of(client, settings.events_topic)
            limit = max(limit, int(events[_LIMIT][0]) + _HEADERS_BYTES)
        wanted = wanted_topics(settings, limit)
        for topic in wanted:
            if topic.name not in partitions:
                await _create(client, topic)
        enlarged = settings.dead_letter_topic in partitions and await _change(
            client, settings.dead_letter_topic, _LIMIT, str(limit), lambda present: int(present) >= limit
        )
        if settings.retention_topic in partitions:
            await _change(client, settings.retention_topic, _KEPT, _FOR_EVER, lambda present: present == _FOR_EVER)
    return [
        Topic(
            topic.name,
            partitions.get(topic.name, topic.num_partitions),
            created=topic.name not in partitions,
            enlarged_to=limit if enlarged and topic.name == settings.dead_letter_topic else None,
        )
        for topic in wanted
    ]


async def _create(client: AIOKafkaAdminClient, topic: NewTopic) -> None:
    response = await client.create_topics([topic])
    _, code, reason = response.topic_errors[0][:3]
    if code not in (0, _ALREADY_EXISTS):
        raise WrongUse(f"Kafka refuses to create {topic.name}: {reason or for_code(code).__name__}")


async def _change(
    client: AIOKafkaAdminClient, topic: str, name: str, value: str, is_enough: Callable[[str], bool]
) -> bool:
    """Sets a configuration of a topic unless the present value is enough, and says whether it did."""
    present = await configuration_of(client, topic)
    if is_enough(present[name][0]):
        return False
    # Kafka takes what is not named here for a wish to go back to the default.
    own = {key: text for key, (text, source) in present.items() if source == _OF_THE_TOPIC}
    (response,) = await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, own | {name: value})])
    ((code, reason, *_),) = response.resources
    if code:
        raise WrongUse(f"Kafka refuses to set {name} of {topic} to {value}: {reason or for_code(code).__name__}")
    return True


async def configuration_of(
    client: AIOKafkaAdminClient, name: str, kind: ConfigResourceType = ConfigResourceType.TOPIC
) -> dict[str, tuple[str, int]]:
    """Each configuration of a topic, or of the broker with that id: its value and where that comes from.

    Raises `WrongUse` when Kafka refuses.
    """
    (response,) = await client.describe_configs([ConfigResource(kind, name)])
    ((code, reason, _, _, entries),) = response.resources
    if code:
        raise WrongUse(f"Kafka refuses to describe {name}: {reason or for_code(code).__name__}")
    return {name: (value, source) for name, value, _, source, *_ in entries}
