"""Puts a retention in force, and reads the one that is."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from infra.errors import Failure
from infra.kafka.client import kafka_errors
from infra.settings import Settings
from processors.retention_topic import RetentionTopic
from schemas.retention import Retention


class Change(NamedTuple):
    """What `put_in_force` found and left, in days; `before` is `None` if nothing was in force."""

    before: int | None
    days: int


async def put_in_force(settings: Settings, *, shorten: bool) -> Change:
    """Puts the retention of the settings in force, unless it is shorter than the present one and may not be.

    Days that leave retention are dropped for good, so a setting that was forgotten must not shorten it. Raises
    `Unreachable`.
    """
    topic = RetentionTopic(settings)
    async with kafka_errors(settings):
        retention = await topic.read()
        before = None if retention is None else retention.days
        if before is not None and settings.retention_days < before and not shorten:
            return Change(before, before)
        if before != settings.retention_days:
            await topic.put_in_force(settings.retention_days)
    return Change(before, settings.retention_days)


async def announce_at_least(settings: Settings, keep_from: date) -> None:
    """Announces that events are kept from a day on, unless that or a later one was announced. Raises `Unreachable`."""
    topic = RetentionTopic(settings)
    async with kafka_errors(settings):
        retention = await topic.read()
        if retention is not None and keep_from > retention.keep_from:
            await topic.announce(keep_from)


async def retention_in_force(settings: Settings) -> Retention:
    """The retention in force. Raises `Failure` if there is none, and `Unreachable`."""
    topic = RetentionTopic(settings)
    async with kafka_errors(settings):
        retention = await topic.read()
    if retention is None:
        raise Failure(f"the topic {topic.name} does not say how long events are kept; run `convergio migrate` first")
    return retention
