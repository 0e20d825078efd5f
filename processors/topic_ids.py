"""Kafka's id of a topic, which a topic that was deleted and made anew does not keep.

aiokafka knows the Metadata request up to version 5; topic ids came with version 10 (Apache Kafka 2.8, KIP-516). The
fields are those of the protocol's message definitions (MetadataRequest.json, MetadataResponse.json), version 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, NodeNotReadyError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from schemas.topics import UNKNOWN_TOPIC

_UUID_BYTES = 16


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]  # aiokafka's protocol is untyped
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: object) -> UUID:
        return UUID(bytes=data.read(_UUID_BYTES))  # type: ignore[attr-defined]

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka's protocol is untyped
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]  # aiokafka's protocol is untyped
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponse
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


async def describe_topics(client: AIOKafkaAdminClient, topics: Iterable[str]) -> list[dict[str, Any]]:
    """What Kafka's metadata has of some topics: `topic`, `error_code` and `partitions`. Raises `KafkaError`.

    aiokafka's own method of that name lets the broker create a topic that is not there, with settings of the broker's.
    """
    response = await client._send_request(MetadataRequest(list(topics), allow_auto_topic_creation=False))
    found: list[dict[str, Any]] = response.to_object()["topics"]
    return found


async def topic_id_of(client: AIOKafkaClient, topic: str) -> str:
    """The id of a topic; `UNKNOWN_TOPIC` if the broker knows no ids or not the topic. Raises `KafkaError`."""
    node = client.get_random_node()
    if node is None or not await client.ready(node):
        raise NodeNotReadyError
    try:
        response = await client.send(node, TopicsRequest([topic]))
    except (IncompatibleBrokerVersion, NotImplementedError):  # raised by aiokafka for a version the broker lacks
        return UNKNOWN_TOPIC
    return topic_ids(response).get(topic, UNKNOWN_TOPIC)


class TopicsRequest(Request[_MetadataRequest]):  # type: ignore[misc]  # aiokafka's protocol is untyped
    """Asks any broker about some topics; `topic_ids` reads their ids out of the response.

    With `authorized_operations` the response says what the client's user may do with each, as bits by operation.
    """

    API_KEY = 3

    def __init__(self, topics: Iterable[str], *, authorized_operations: bool = False) -> None:
        self._topics = list(topics)
        self._authorized_operations = authorized_operations

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        """The request on the wire; it creates no topic."""
        topics: list[tuple[UUID, str, dict[int, bytes]]] = [(UUID(int=0), topic, {}) for topic in self._topics]
        return request_struct_class(topics, False, self._authorized_operations, {})


def topic_ids(response: Response) -> dict[str, str]:
    """The id of each topic that exists, by name."""
    return {
        topic["name"]: str(topic["topic_id"]) for topic in response.to_object()["topics"] if not topic["error_code"]
    }
