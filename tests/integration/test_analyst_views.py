"""The analysts' views over a handful of events whose answers are written out here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from infra.clickhouse.migrate import migrate
from schemas.settings import SharedSettings
from tests.events import uuid
from tests.servers import ClickHouseAddress

MONDAY = date(2026, 3, 2)
ANNA, BRUNO = uuid(1), uuid(2)

# (user, days after MONDAY, minute of the day, action, label)
EVENTS = [
    (ANNA, 0, 60, "maestro_selected", "archimede"),
    (ANNA, 0, 61, "flashcard_review", ""),
    (ANNA, 0, 62, "flashcard_review", ""),
    (ANNA, 0, 70, "quiz_complete", ""),
    (ANNA, 8, 60, "page_view", ""),
    (BRUNO, 0, 100, "quiz_complete", ""),
    (BRUNO, 1, 100, "maestro_selected", "dante"),
    (BRUNO, 1, 130, "flashcard_review", ""),
    (BRUNO, 3, 130, "quiz_complete", ""),
]


@pytest.fixture
def client(clickhouse: ClickHouseAddress, database: str) -> Iterator[Client]:
    migrate(
        SharedSettings(
            **clickhouse.settings(database),
        )
    )
    rows = []
    for number, (user, days, minute, action, label) in enumerate(EVENTS):
        at = datetime(MONDAY.year, MONDAY.month, MONDAY.day) + timedelta(days=days, minutes=minute)
        rows.append([uuid(100 + number), user, uuid(50), "any", action, label, at, at])
    columns = ["event_id", "user_id", "session_id", "category", "action", "label", "occurred_at", "received_at"]
    with clickhouse_connect.get_client(**clickhouse.client_options, database=database) as client:
        for _ in range(2):
            client.insert("events_data", rows, column_names=columns)
        yield client


def answer(client: Client, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def test_daily_active_users_counts_each_user_and_event_of_a_day_once(client: Client) -> None:
    assert answer(client, "SELECT * FROM daily_active_users ORDER BY day") == [
        (day(0), 2, 5),
        (day(1), 1, 2),
        (day(3), 1, 1),
        (day(8), 1, 1),
    ]


def test_feature_usage_counts_uses_and_users(client: Client) -> None:
    assert answer(client, "SELECT * FROM feature_usage ORDER BY day, feature") == [
        (day(0), "flashcards", 2, 1),
        (day(0), "quizzes", 2, 2),
        (day(1), "flashcards", 1, 1),
        (day(3), "quizzes", 1, 1),
    ]


def test_maestro_usage_counts_selections_by_maestro(client: Client) -> None:
    assert answer(client, "SELECT * FROM maestro_usage ORDER BY day") == [
        (day(0), "archimede", 1, 1),
        (day(1), "dante", 1, 1),
    ]


def test_retention_cohorts_show_who_came_back(client: Client) -> None:
    assert answer(client, "SELECT * FROM retention_cohorts ORDER BY weeks_later") == [
        (MONDAY, 0, 2, 1.0),
        (MONDAY, 1, 1, 0.5),
    ]


def test_the_funnel_counts_how_far_users_got_within_a_day(client: Client) -> None:
    assert answer(client, "SELECT * FROM funnel ORDER BY step") == [(1, 2), (2, 2), (3, 1)]
