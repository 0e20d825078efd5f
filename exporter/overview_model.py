"""The JSON of the overview, as its page sees it (and as the OpenAPI document describes it)."""

from __future__ import annotations

import datetime

from pydantic import Field

from exporter.metrics import running_version
from exporter.overview import Pair, Today
from exporter.snapshot import Lifetime, Reading, Windows
from exporter.stats import minutes
from exporter.stats_model import CamelModel
from schemas.metrics import ACTIVE_PERIODS


class ActiveUsersModel(CamelModel):
    period: str = Field(description="`1h`, `24h` or `7d`, up to now.")
    users: int = Field(description="Users with an event in it, as `convergio_users_active`.")
    day_before: int | None = Field(description="What it was 24 hours earlier; null for `7d`, which is not read.")


class StudyDayModel(CamelModel):
    date: datetime.date
    sessions: int = Field(description="Sessions started on that day.")
    study_minutes: float = Field(description="Study time of those sessions, in minutes.")


class StudyTimeModel(CamelModel):
    """Study time belongs to the moment its session started."""

    today: float = Field(description="Minutes of today's sessions.")
    yesterday: float = Field(description="Minutes of the sessions started yesterday until `yesterdayUntil`.")
    days: list[StudyDayModel] = Field(description="The last seven days, today last, zeros included.")


class FeatureModel(CamelModel):
    feature: str
    today: int
    yesterday: int = Field(description="Yesterday until `yesterdayUntil`.")


class MaestroModel(CamelModel):
    maestro: str
    today: int = Field(description="Selections today.")
    yesterday: int = Field(description="Selections yesterday until `yesterdayUntil`.")


class BeginningModel(CamelModel):
    """Counted since the beginning; never falls."""

    events: int
    sessions: int
    study_minutes: float


class ClickHouseModel(CamelModel):
    readable: bool = Field(description="Whether the last reading of each part of the metrics was good.")
    read_at: datetime.datetime = Field(description="When the last good reading of the rolling windows began.")
    seconds: float = Field(description="How long that took.")
    failures: int = Field(description="Failed readings since the exporter started.")


class NewestEventModel(CamelModel):
    occurred_at: datetime.datetime = Field(description="When the newest stored event happened.")
    received_at: datetime.datetime = Field(description="When the gateway received the last of the newest ones.")


class ErasuresModel(CamelModel):
    unswept: int = Field(description="Erasures whose rows are hidden but not known to be deleted.")
    oldest_at: datetime.datetime | None = Field(description="When the oldest of them was carried out.")


class HealthModel(CamelModel):
    """What ClickHouse tells of the pipeline. Lag and dead letters are Kafka's, which the exporter does not read."""

    version: str
    clickhouse: ClickHouseModel
    newest_event: NewestEventModel | None = Field(description="Null without any event.")
    erasures: ErasuresModel
    closed_day: datetime.date | None = Field(description="The last day that retention has closed.")


class OverviewModel(CamelModel):
    """The four panels of the overview, today against yesterday, and the pipeline's health."""

    generated_at: datetime.datetime = Field(description="The exporter's clock, to which ages refer.")
    read_at: datetime.datetime = Field(description="When the oldest of the numbers were read.")
    stale: bool = Field(description="Whether they are older than they should be.")
    time_zone: str = Field(description="The IANA time zone in which days begin.")
    today: datetime.date
    until: datetime.datetime = Field(description="Today counts until here.")
    yesterday_until: datetime.datetime = Field(description="Yesterday counts until here: the same time of day.")
    active_users: list[ActiveUsersModel]
    study_time: StudyTimeModel
    features: list[FeatureModel]
    maestros: list[MaestroModel] = Field(description="The five most selected today, at most.")
    since_beginning: BeginningModel
    health: HealthModel


def overview_model(
    now: float,
    windows: Reading[Windows],
    lifetime: Reading[Lifetime],
    reading: Reading[Today],
    *,
    stale: bool,
    readable: bool,
    failures: int,
) -> OverviewModel:
    """The answer's JSON; `now` is in seconds since 1970."""
    today = reading.value
    return OverviewModel(
        generated_at=_instant(now),
        read_at=_instant(min(part.read_at for part in (windows, lifetime, reading))),
        stale=stale,
        time_zone=today.compared.week.zone.key,
        today=today.compared.week.last,
        until=_instant(today.compared.at / 1000),
        yesterday_until=_instant(today.compared.until / 1000),
        active_users=[
            ActiveUsersModel(
                period=period, users=windows.value.users[period], day_before=today.users_before.get(period)
            )
            for period in ACTIVE_PERIODS
        ],
        study_time=StudyTimeModel(
            today=minutes(today.study_ms.today),
            yesterday=minutes(today.study_ms.yesterday),
            days=[
                StudyDayModel(date=day, sessions=studied.sessions, study_minutes=minutes(studied.study_ms))
                for day, studied in today.week.items()
            ],
        ),
        features=[FeatureModel(feature=name, **_pair(uses)) for name, uses in today.features.items()],
        maestros=[MaestroModel(maestro=name, **_pair(uses)) for name, uses in today.maestros.items()],
        since_beginning=BeginningModel(
            events=sum(lifetime.value.actions.values()),
            sessions=lifetime.value.sessions,
            study_minutes=minutes(lifetime.value.study_ms),
        ),
        health=HealthModel(
            version=running_version(),
            clickhouse=ClickHouseModel(
                readable=readable,
                read_at=_instant(windows.read_at),
                seconds=round(windows.seconds, 3),
                failures=failures,
            ),
            newest_event=_newest(windows.value),
            erasures=ErasuresModel(
                unswept=today.unswept,
                oldest_at=None if today.oldest_unswept is None else _instant(today.oldest_unswept),
            ),
            closed_day=today.closed_day,
        ),
    )


def _newest(windows: Windows) -> NewestEventModel | None:
    if not windows.newest_event:
        return None
    return NewestEventModel(occurred_at=_instant(windows.newest_event), received_at=_instant(windows.newest_received))


def _pair(uses: Pair) -> dict[str, int]:
    return {"today": uses.today, "yesterday": uses.yesterday}


def _instant(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
