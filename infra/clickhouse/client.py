"""ClickHouse clients made from the settings; the one place that knows how."""

from __future__ import annotations

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from schemas.settings import SharedSettings


def connect(settings: SharedSettings, database: str | None = None) -> Client:
    """A client for the configured server; `database` defaults to the configured one.

    Raises `clickhouse_connect.driver.exceptions.Error` if no server answers.
    """
    return clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        secure=settings.clickhouse_secure,
        database=database or settings.clickhouse_database,
        autogenerate_session_id=False,
    )
