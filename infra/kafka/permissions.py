"""What each command needs to be allowed of Kafka, checked before it starts.

`infra/deploy/kafka/acls.sh` grants the same. Where no authorizer is configured everything is allowed, and a broker that
does not say what is allowed (before 2.8) is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request

from infra.settings import Settings
from processors.topic_ids import TopicsRequest

Resource = Literal["events_topic", "dead_letter_topic", "retention_topic", "consumer_group", "audit_group"]
"""The setting that names a topic or a group."""


_KINDS: tuple[Literal["topic", "group"], ...] = ("topic", "group")


class Operation(IntEnum):
    """As numbered by Kafka's protocol (AclOperation); it answers with a bit for each."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11

    @property
    def title(self) -> str:
        """As `kafka-acls.sh` spells it."""
        return "".join(part.capitalize() for part in self.name.split("_"))


@dataclass(frozen=True, slots=True)
class Permission:
    """One operation on one topic or group. Read and Write include Describe, AlterConfigs includes DescribeConfigs."""

    operation: Operation
    resource: Resource

    @property
    def kind(self) -> Literal["topic", "group"]:
        return "group" if self.resource in ("consumer_group", "audit_group") else "topic"

    def named(self, settings: Settings) -> str:
        """In words, with the name that the settings give."""
        return f"{self.operation.title} on the {self.kind} {getattr(settings, self.resource)}"


def _of(resource: Resource, *operations: Operation) -> list[Permission]:
    return [Permission(operation, resource) for operation in operations]


GATEWAY = (
    *_of("events_topic", Operation.WRITE),
    *_of("retention_topic", Operation.READ),
)
PROCESSOR = (
    *_of("events_topic", Operation.READ, Operation.DESCRIBE_CONFIGS),
    *_of("dead_letter_topic", Operation.WRITE, Operation.DESCRIBE_CONFIGS),
    *_of("retention_topic", Operation.READ, Operation.WRITE),
    *_of("consumer_group", Operation.READ),
)
MIGRATOR = (
    *_of("events_topic", Operation.CREATE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS),
    *_of("dead_letter_topic", Operation.CREATE, Operation.DESCRIBE, Operation.ALTER_CONFIGS),
    *_of("retention_topic", Operation.CREATE, Operation.READ, Operation.WRITE, Operation.ALTER_CONFIGS),
)
AUDITOR = (
    *_of("events_topic", Operation.READ),
    *_of("dead_letter_topic", Operation.READ),
    *_of("retention_topic", Operation.READ),
    *_of("consumer_group", Operation.DESCRIBE),
)
FOLLOWER = (
    *AUDITOR,
    *_of("audit_group", Operation.READ),
)
"""Of an audit that runs on."""
LETTER_READER = (
    *_of("events_topic", Operation.DESCRIBE),
    *_of("dead_letter_topic", Operation.READ),
)
REDRIVER = (
    *_of("events_topic", Operation.WRITE),
    *_of("dead_letter_topic", Operation.READ, Operation.WRITE),
)
ERASER = (*_of("events_topic", Operation.WRITE),)


async def missing(client: AIOKafkaAdminClient, settings: Settings, needed: Sequence[Permission]) -> list[Permission]:
    """Those of some permissions that the client's user does not have. Raises `KafkaError`.

    A topic that does not exist yet is left out.
    """
    names = {kind: {getattr(settings, each.resource) for each in needed if each.kind == kind} for kind in _KINDS}
    topics = await _allowed_on_topics(client, names["topic"])
    groups = {group: await _allowed_on_group(client, group) for group in names["group"]}

    def lacks(permission: Permission) -> bool:
        name = getattr(settings, permission.resource)
        allowed = groups[name] if permission.kind == "group" else topics.get(name)
        return allowed is not None and not allowed >> permission.operation & 1

    return [permission for permission in needed if lacks(permission)]


async def _allowed_on_topics(client: AIOKafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """The bits by topic; topics that are not there, or a broker too old to tell, are left out."""
    try:
        response = await client._send_request(TopicsRequest(topics, authorized_operations=True))
    except (IncompatibleBrokerVersion, NotImplementedError):  # raised by aiokafka for a version the broker lacks
        return {}
    found: dict[str, int] = {}
    for topic in response.to_object()["topics"]:
        if topic["error_code"] == TopicAuthorizationFailedError.errno:
            found[topic["name"]] = 0
        elif not topic["error_code"] and topic["authorized_operations"] >= 0:
            found[topic["name"]] = topic["authorized_operations"]
    return found


async def _allowed_on_group(client: AIOKafkaAdminClient, group: str) -> int | None:
    """The bits; `None` if the broker is too old to tell, or has no coordinator for the group yet."""
    try:
        coordinator = await client.find_coordinator(group)
        response = await client._send_request(_DescribeGroupRequest(group), coordinator)
    except GroupAuthorizationFailedError:
        return 0
    except (NotImplementedError, KafkaError):
        return None
    (described,) = response.to_object()["groups"]
    if described["error_code"] == GroupAuthorizationFailedError.errno:
        return 0
    allowed: int = described["authorized_operations"]
    return allowed if allowed >= 0 else None


class _DescribeGroup(DescribeGroupsRequest_v3):  # type: ignore[misc]  # aiokafka's protocol is untyped
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka decodes it as version 2, without the operations


class _DescribeGroupRequest(Request[_DescribeGroup]):  # type: ignore[misc]  # aiokafka's protocol is untyped
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_DescribeGroup]) -> _DescribeGroup:
        return request_struct_class([self._group], True)


def in_words(permissions: Iterable[Permission], settings: Settings) -> str:
    """A list for a message."""
    return ", ".join(permission.named(settings) for permission in permissions)
