"""Reading statistics: what bounds a whole question."""

from __future__ import annotations

import asyncio
from typing import Never
from uuid import uuid4

import pytest

from exporter.auth import Audience
from exporter.queries import ReadError
from exporter.settings import ExporterSettings
from exporter.stats import last_days, time_zone
from exporter.stats_query import Statistics, StatsReader


async def forever(*_: object) -> Never:
    await asyncio.Event().wait()
    raise AssertionError


async def nothing(*_: object) -> list[dict[str, object]]:
    return []


def render(_: Statistics) -> Never:
    raise AssertionError


async def test_the_time_limit_is_that_of_the_question_not_of_each_query(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StatsReader(ExporterSettings(stats_timeout_seconds=0.05))
    monkeypatch.setattr(reader._of_users, "rows", nothing)
    monkeypatch.setattr(reader._of_users, "row", forever)
    days = last_days(7, time_zone("UTC"), 0)
    with pytest.raises(ReadError, match=r"statistics took longer than 0\.05 s"):
        await reader.read(Audience(uuid4()), days, days, compare=False, render=render)
    await reader.close()
