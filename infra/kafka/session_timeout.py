"""Whether the brokers allow the processors' session timeout, checked before a processor starts."""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType

from infra.errors import Unreachable, WrongUse
from infra.kafka.client import admin, quiet_driver
from infra.kafka.topics import configuration_of
from infra.settings import Settings

_CHECK_SECONDS = 5


def check_session_timeout(settings: Settings) -> None:
    """Raises `WrongUse` if Kafka answers and a broker says that it refuses members with this session timeout.

    A broker that does not say it is left to refuse the processor, which then says so (`processors.worker`).
    """
    with quiet_driver():
        try:
            allowed = asyncio.run(_bounds(settings))
        except (Unreachable, TimeoutError):
            return
    for lowest_ms, highest_ms in allowed:
        refuse_outside(settings.session_timeout_seconds, lowest_ms, highest_ms)


def refuse_outside(seconds: float, lowest_ms: int, highest_ms: int) -> None:
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


async def _bounds(settings: Settings) -> set[tuple[int, int]]:
    """Those of each broker, in ms. A broker that does not show them, or has other names for them, is left out."""
    found = set()
    async with asyncio.timeout(_CHECK_SECONDS), admin(settings) as client:
        for broker in (await client.describe_cluster())["brokers"]:
            with contextlib.suppress(WrongUse, KeyError, TypeError, ValueError):
                found.add(await _bounds_of(client, str(broker["node_id"])))
    return found


async def _bounds_of(client: AIOKafkaAdminClient, broker: str) -> tuple[int, int]:
    values = await configuration_of(client, broker, ConfigResourceType.BROKER)
    return int(values["group.min.session.timeout.ms"][0]), int(values["group.max.session.timeout.ms"][0])
