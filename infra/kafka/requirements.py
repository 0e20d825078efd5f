"""What a processor needs of Kafka, checked before it starts: that topics forget before erasures are forgotten, and that
the brokers allow its session timeout.

Whether Kafka answers is not checked. A processor whose Kafka is away starts, and is not ready until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType

from infra.errors import Failure, Unreachable, WrongUse
from infra.kafka.client import admin
from infra.kafka.topics import configuration_of
from infra.settings import Settings

_CHECK_SECONDS = 5
_NO_END = timedelta(days=36_500)
"""What `retention.ms=-1` counts as."""


def check_kafka(settings: Settings) -> None:
    """Raises `Failure` if Kafka answers and a topic keeps messages for longer than erasures are remembered, and
    `WrongUse` if its brokers say that they refuse the session timeout.

    A message may stand for `retention.ms` and, as only whole segments are deleted, `segment.ms` after it was written.
    """
    driver = logging.getLogger("aiokafka")
    level = driver.level
    try:
        kept, allowed = asyncio.run(_configuration(settings))
    except (Unreachable, TimeoutError):
        return
    finally:
        driver.setLevel(level)
    for topic, longest in kept.items():
        days = -(-longest // timedelta(days=1))
        if days > settings.erasure_mark_days:
            raise Failure(
                f"topic {topic} keeps messages for up to {days} days (retention.ms and segment.ms), and "
                f"CONVERGIO_ERASURE_MARK_DAYS={settings.erasure_mark_days} is too short for that: a replay could bring "
                f"back what was erased; set it to at least {days}, or let the topic keep messages for less"
            )
    for bounds in allowed:
        check_session_timeout(settings.session_timeout_seconds, *bounds)


def check_session_timeout(seconds: float, lowest_ms: int, highest_ms: int) -> None:
    """Raises `WrongUse` if a broker with these bounds refuses a member with this session timeout."""
    if seconds * 1000 < lowest_ms:
        beyond, bound = "less", f"group.min.session.timeout.ms={lowest_ms}"
    elif seconds * 1000 > highest_ms:
        beyond, bound = "more", f"group.max.session.timeout.ms={highest_ms}"
    else:
        return
    raise WrongUse(
        f"CONVERGIO_SESSION_TIMEOUT_SECONDS={seconds:g} is {beyond} than the brokers allow ({bound}); "
        f"set it to a value from {lowest_ms / 1000:g} to {highest_ms / 1000:g}"
    )


async def _configuration(settings: Settings) -> tuple[dict[str, timedelta], set[tuple[int, int]]]:
    """How long a message may stand, by topic, and the bounds of session timeouts that brokers have, in ms."""
    async with asyncio.timeout(_CHECK_SECONDS), admin(settings) as client:
        return await _kept(settings, client), await _session_bounds(client)


async def _session_bounds(client: AIOKafkaAdminClient) -> set[tuple[int, int]]:
    """Of the brokers that say it: one whose configuration may not be read, or that has other names for it, does not."""
    bounds = set()
    for broker in (await client.describe_cluster())["brokers"]:
        name = str(broker["node_id"])
        with contextlib.suppress(WrongUse, KeyError, TypeError, ValueError):
            values = await configuration_of(client, name, ConfigResourceType.BROKER)
            lowest, highest = (int(values[f"group.{end}.session.timeout.ms"][0]) for end in ("min", "max"))
            bounds.add((lowest, highest))
    return bounds


async def _kept(settings: Settings, client: AIOKafkaAdminClient) -> dict[str, timedelta]:
    """Topics that are missing or may not be looked at are left out."""
    found: dict[str, timedelta] = {}
    for topic in (settings.events_topic, settings.dead_letter_topic):
        with contextlib.suppress(WrongUse):
            values = await configuration_of(client, topic)
            found[topic] = _longest(int(values["retention.ms"][0]), int(values["segment.ms"][0]))
    return found


def _longest(retention_ms: int, segment_ms: int) -> timedelta:
    """At most `_NO_END`."""
    no_end_ms = round(_NO_END.total_seconds() * 1000)
    if retention_ms < 0 or retention_ms + segment_ms > no_end_ms:
        return _NO_END
    return timedelta(milliseconds=retention_ms + segment_ms)
