"""Gateways behind each load balancer that we have a configuration for: restarted one by one, and killed, under load."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local.ports import free_ports
from tests.balancers import Balancer, envoy, needs_envoy, needs_nginx, nginx
from tests.fleets import Fleet, Traffic, event_ids
from tests.gateway import create_topic
from tests.gateway_process import gateway_process

GATEWAYS = 3


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    return await create_topic(kafka_bootstrap)


IN_FRONT = [
    pytest.param(nginx, marks=needs_nginx, id="nginx"),
    pytest.param(envoy, marks=(needs_envoy, pytest.mark.long), id="envoy"),
]


@pytest.fixture
async def fleet(kafka_bootstrap: str, topic: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    log = tmp_path / "gateways.log"
    async with Fleet.of(GATEWAYS, lambda port: gateway_process(kafka_bootstrap, topic, log, port=port)) as fleet:
        yield fleet


@pytest.mark.parametrize("balancer", IN_FRONT)
async def test_a_rolling_restart_of_all_gateways_under_load_fails_no_request(
    balancer: Balancer, fleet: Fleet, kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    async with (
        balancer(tmp_path / "balancer", fleet.ports, free_ports(1)[0]) as origin,
        Traffic.to(origin.url, patient=False) as traffic,
    ):
        for port in fleet.ports:
            await traffic.more()
            assert await fleet.end(port, signal.SIGTERM) == 0
            await traffic.more()
            await fleet.start(port)
        await traffic.more()
    assert traffic.failures == []
    assert await event_ids(kafka_bootstrap, topic) == Counter(traffic.accepted)


@pytest.mark.parametrize("balancer", IN_FRONT)
async def test_gateways_killed_under_load_lose_nothing_of_clients_that_try_again(
    balancer: Balancer, fleet: Fleet, kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    async with (
        balancer(tmp_path / "balancer", fleet.ports, free_ports(1)[0]) as origin,
        Traffic.to(origin.url, patient=True) as traffic,
    ):
        for port in fleet.ports:
            await traffic.more()
            assert await fleet.end(port, signal.SIGKILL) == -signal.SIGKILL
            await traffic.more()
            await fleet.start(port)
        # All at once: now requests must fail, and the clients' patience is needed.
        await traffic.more()
        await asyncio.gather(*[fleet.end(port, signal.SIGKILL) for port in fleet.ports])
        await asyncio.gather(*map(fleet.start, fleet.ports))
        await traffic.more()
    assert (await event_ids(kafka_bootstrap, topic)).keys() == set(traffic.accepted)
    assert len(set(traffic.accepted)) == len(traffic.accepted)
