"""The JSON of statistics, as clients see it (and as the OpenAPI document describes it)."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from exporter.stats import Change, DayRange, Totals, change, minutes
from exporter.stats_query import Statistics
from schemas.events import FEATURES
from schemas.score import SCORE_DAYS


class CamelModel(BaseModel):
    """JSON whose names are written in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class RangeModel(CamelModel):
    """Whole days, both ends included."""

    first: datetime.date = Field(alias="from", description="The first day.")
    last: datetime.date = Field(alias="to", description="The last day.")
    days: int = Field(description="How many days.")
    time_zone: str = Field(description="The IANA time zone the days are in.")

    @classmethod
    def of(cls, days: DayRange) -> RangeModel:
        return cls(first=days.first, last=days.last, days=len(days.days), time_zone=days.zone.key)


class TotalsModel(CamelModel):
    """Sessions and their study minutes belong to the day a session started, all else to the moment it happened."""

    sessions: int = Field(description="Sessions started.")
    study_minutes: float = Field(description="Study time of those sessions, in minutes.")
    questions: int = Field(description="Messages sent to a maestro (message_sent).")
    page_views: int = Field(description="Pages viewed (page_view).")

    @classmethod
    def of(cls, counted: Totals) -> TotalsModel:
        return cls(
            sessions=counted.sessions,
            study_minutes=minutes(counted.study_ms),
            questions=counted.questions,
            page_views=counted.page_views,
        )


class DayModel(TotalsModel):
    """One day of the series."""

    date: datetime.date
    flashcards: int
    quizzes: int
    mind_maps: int


class ChangeModel(CamelModel):
    """How a total changed against the preceding range."""

    absolute: float
    percent: float | None = Field(description="Null where the preceding total is 0 and this one is not.")

    @classmethod
    def of(cls, changed: Change) -> ChangeModel:
        return cls(absolute=changed.absolute, percent=changed.percent)


class ChangesModel(CamelModel):
    """The change of each total."""

    sessions: ChangeModel
    study_minutes: ChangeModel
    questions: ChangeModel
    page_views: ChangeModel


class PreviousModel(CamelModel):
    """The preceding range of as many days."""

    range: RangeModel
    totals: TotalsModel
    changes: ChangesModel


class FeatureModel(CamelModel):
    feature: str
    count: int


class MaestroModel(CamelModel):
    maestro: str = Field(description="The maestro; `other` sums those beyond the limit.")
    count: int = Field(description="How often it was selected.")


class ComponentModel(CamelModel):
    """One part of the score: points = weight · min(1, value / target)."""

    name: Literal["active_days", "study_minutes", "learning_actions", "distinct_features"]
    value: float
    target: float
    weight: int
    points: float


class ScoreModel(CamelModel):
    """The engagement score over the last seven days, today included, whatever the range."""

    score: int = Field(ge=0, le=100)
    days: int = SCORE_DAYS
    users: int = Field(description="Users with an event in these days; values are the mean over them.")
    components: list[ComponentModel]


class StatsModel(CamelModel):
    """Statistics of a range of days."""

    scope: Literal["me", "all"]
    range: RangeModel
    generated_at: datetime.datetime = Field(description="When it was asked; today counts up to here.")
    totals: TotalsModel
    days: list[DayModel] = Field(description="Every day of the range, zeros included.")
    features: list[FeatureModel]
    maestros: list[MaestroModel] = Field(description="The most selected first, `other` last.")
    score: ScoreModel
    previous: PreviousModel | None = Field(description="With compare=previous only, else null.")


def stats_model(
    statistics: Statistics, days: DayRange, scope: Literal["me", "all"], generated_at: datetime.datetime
) -> StatsModel:
    """The answer's JSON."""
    totals = TotalsModel.of(statistics.totals)
    return StatsModel(
        scope=scope,
        range=RangeModel.of(days),
        generated_at=generated_at,
        totals=totals,
        days=[
            DayModel(
                date=day,
                flashcards=counted.flashcards,
                quizzes=counted.quizzes,
                mind_maps=counted.mind_maps,
                **TotalsModel.of(counted).model_dump(),
            )
            for day, counted in statistics.days.items()
        ],
        features=[FeatureModel(feature=name, count=getattr(statistics.totals, name)) for name in FEATURES],
        maestros=[MaestroModel(maestro=name, count=count) for name, count in statistics.maestros.items()],
        score=ScoreModel(
            score=statistics.score.score,
            users=statistics.users,
            components=[ComponentModel.model_validate(part._asdict()) for part in statistics.score.components],
        ),
        previous=None if statistics.previous is None else _previous(totals, statistics.previous, days),
    )


def _previous(totals: TotalsModel, previous: Totals, days: DayRange) -> PreviousModel:
    before = TotalsModel.of(previous)
    return PreviousModel(
        range=RangeModel.of(days.previous()),
        totals=before,
        changes=ChangesModel(
            sessions=ChangeModel.of(change(totals.sessions, before.sessions)),
            study_minutes=ChangeModel.of(change(totals.study_minutes, before.study_minutes)),
            questions=ChangeModel.of(change(totals.questions, before.questions)),
            page_views=ChangeModel.of(change(totals.page_views, before.page_views)),
        ),
    )
