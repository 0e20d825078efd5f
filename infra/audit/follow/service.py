"""The audit as a service: it runs until it is told to stop, and outlives outages of Kafka and ClickHouse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time

from aiokafka.errors import KafkaError

from infra.audit.follow.follower import Follower
from infra.audit.follow.metrics import AuditMetrics
from infra.audit.follow.positions import MOST_WRONG
from infra.errors import Failure
from infra.settings import Settings
from processors.health import Health, HealthServer
from schemas import logs
from schemas.certificates import clickhouse_certificates, kafka_certificates

log = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0


def serve(settings: Settings) -> None:
    """Checks what the processors have processed until SIGTERM or SIGINT."""
    logs.configure("infra", settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    metrics = AuditMetrics(kafka_certificates(settings) | clickhouse_certificates(settings))
    health = Health(time.monotonic, settings.heartbeat_seconds)
    health.waiting("the first look at Kafka and ClickHouse")
    server = HealthServer(health, metrics.registry, settings.audit_host, settings.audit_port)
    server.start()
    try:
        await follow(settings, metrics, health, stop)
    finally:
        server.close()


async def follow(settings: Settings, metrics: AuditMetrics, health: Health, stop: asyncio.Event) -> None:
    """Goes round after round until `stop` is set; what goes wrong on the way is logged and tried again."""

    async def pause(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)

    follower = Follower(settings, metrics, health.beat, pause)
    retry = _RETRY_SECONDS
    while not stop.is_set():
        try:
            async with follower.connected() as connections:
                while not stop.is_set():
                    checked = await follower.round(connections)
                    retry = _RETRY_SECONDS
                    if follower.halted:
                        health.waiting(f"{MOST_WRONG} messages of partitions {follower.halted} to be put right")
                    else:
                        health.going()
                    if not checked:
                        await pause(_IDLE_SECONDS)
        except (Failure, KafkaError, OSError) as error:
            log.warning("the audit cannot go on", extra={"reason": str(error)})
            health.waiting(str(error))
            await pause(retry)
            retry = min(retry * 2, _LONGEST_RETRY_SECONDS)
