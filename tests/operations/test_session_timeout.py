"""A session timeout that the brokers do not allow: refused before the start, or named by the running processor."""

from __future__ import annotations

import asyncio

import pytest

from infra.errors import WrongUse
from infra.kafka.session_timeout import check_session_timeout, refuse_outside
from infra.local.ports import free_ports
from infra.settings import Settings
from tests.processors import FAUST_WORKER, Pipeline


def settings_of(pipeline: Pipeline, **changes: object) -> Settings:
    return Settings.model_validate({**pipeline.settings.model_dump(), **changes})


async def test_a_session_timeout_that_the_brokers_do_not_allow_is_refused_in_one_line(pipeline: Pipeline) -> None:
    refused = await pipeline.convergio.with_settings(session_timeout_seconds="1801")("process", code=2)
    assert refused.errors.count("\n") == 1
    assert "CONVERGIO_SESSION_TIMEOUT_SECONDS=1801 is more than the brokers allow" in refused.errors
    assert "(group.max.session.timeout.ms=1800000); set it to a value from 1 to 1800" in refused.errors
    await asyncio.to_thread(check_session_timeout, settings_of(pipeline, session_timeout_seconds=1800))


def test_bounds_of_session_timeouts_are_those_of_the_broker() -> None:
    for allowed in (6, 10, 1800):
        refuse_outside(allowed, 6_000, 1_800_000)
    with pytest.raises(
        WrongUse, match=r"SECONDS=5.5 is less than .*group.min.session.timeout.ms=6000.* from 6 to 1800$"
    ):
        refuse_outside(5.5, 6_000, 1_800_000)


async def test_a_broker_that_does_not_show_its_bounds_and_refuses_is_named_by_the_running_processor(
    pipeline: Pipeline,
) -> None:
    # Faust's own command line does not ask the brokers first.
    pipeline.settings.session_timeout_seconds = 1801.0
    async with pipeline.processor(FAUST_WORKER):
        await pipeline.until_trouble("readyz", "Kafka refuses CONVERGIO_SESSION_TIMEOUT_SECONDS=1801: brokers allow")
        assert await pipeline.trouble("healthz") == ""


async def test_a_kafka_that_is_away_is_not_asked_for_its_bounds(pipeline: Pipeline) -> None:
    (nobody,) = free_ports(1)
    away = settings_of(pipeline, kafka_bootstrap=f"127.0.0.1:{nobody}", session_timeout_seconds=1801)
    await asyncio.to_thread(check_session_timeout, away)
