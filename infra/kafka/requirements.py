"""What a service needs of Kafka, checked before it starts: a connection, permissions, topics that forget in time.

Whether Kafka answers is not checked. A service whose Kafka is away starts, and is not ready until it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

from infra.errors import Failure, Refused, Unreachable, WrongUse
from infra.kafka.client import admin, quiet_driver, user_of
from infra.kafka.permissions import Permission, in_words, missing
from infra.kafka.topics import configuration_of
from infra.settings import Settings

_CHECK_SECONDS = 5
_NO_END = timedelta(days=36_500)
"""What `retention.ms=-1` counts as."""


async def require(settings: Settings, needed: Sequence[Permission]) -> None:
    """Raises `Failure` that names the permissions Kafka does not give, `Unreachable` and `WrongUse`."""
    async with admin(settings) as client:
        lacking = await missing(client, settings, needed)
    if lacking:
        raise Failure(
            f"Kafka at {settings.kafka_bootstrap} does not allow {user_of(settings)} what it needs: "
            f"{in_words(lacking, settings)}; infra/deploy/kafka/acls.sh grants it"
        )


def check_kafka(settings: Settings, needed: Sequence[Permission]) -> None:
    """Raises `Failure` if Kafka answers, and refuses the connection or lacks permissions for its user."""

    async def ask() -> None:
        async with asyncio.timeout(_CHECK_SECONDS):
            await require(settings, needed)

    with quiet_driver():
        try:
            asyncio.run(ask())
        except Refused as error:
            raise Failure(str(error)) from error
        except (Unreachable, TimeoutError):
            return


def check_topics(settings: Settings) -> None:
    """Raises `Failure` if Kafka answers and a topic keeps messages for longer than erasures are remembered.

    A message may stand for `retention.ms` and, as only whole segments are deleted, `segment.ms` after it was written.
    """
    with quiet_driver():
        try:
            kept = asyncio.run(_kept(settings))
        except (Unreachable, TimeoutError):
            return
    for topic, longest in kept.items():
        days = -(-longest // timedelta(days=1))
        if days > settings.erasure_mark_days:
            raise Failure(
                f"topic {topic} keeps messages for up to {days} days (retention.ms and segment.ms), and "
                f"CONVERGIO_ERASURE_MARK_DAYS={settings.erasure_mark_days} is too short for that: a replay could bring "
                f"back what was erased; set it to at least {days}, or let the topic keep messages for less"
            )


async def _kept(settings: Settings) -> dict[str, timedelta]:
    """How long a message may stand, by topic; topics that are missing or may not be looked at are left out."""
    found: dict[str, timedelta] = {}
    async with asyncio.timeout(_CHECK_SECONDS), admin(settings) as client:
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
