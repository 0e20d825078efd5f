"""ClickHouse clients made from the settings; the one place that knows how."""

from __future__ import annotations

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from urllib3 import PoolManager

from infra.errors import Failure, WrongUse
from processors.connection import connection_pool
from schemas.addresses import authority
from schemas.clickhouse import READING, Needs, sayable, unmet
from schemas.settings import SharedSettings


def connect(settings: SharedSettings, needs: Needs = READING, *, database: bool = True, patience: int = 300) -> Client:
    """A client for the configured server and database, whose every statement says what it `needs`.

    `database=False`: for no database, for example because there is none yet. `patience`: seconds that a response may
    take. Raises `clickhouse_connect.driver.exceptions.Error` if no server answers, or if it refuses the user or the
    database, `ConnectionError` if a response breaks off, `Failure` if the server does not meet the needs, and
    `WrongUse` for a certificate file that cannot be used.
    """
    client = clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        secure=settings.clickhouse_secure,
        database=settings.clickhouse_database if database else "__default__",
        autogenerate_session_id=False,
        connect_timeout=min(patience, 10),
        send_receive_timeout=patience,
        pool_mgr=_pool(settings),
    )
    try:
        lacks = unmet(client.server_version, client.server_settings, needs)
        if lacks is not None:
            raise Failure(f"{place(settings)} cannot be used: {lacks}")
    except BaseException:
        client.close()
        raise
    for name in sayable(client.server_settings, needs.said):
        client.set_client_setting(name, needs.said[name])
    return client


def _pool(settings: SharedSettings) -> PoolManager | None:
    try:
        return connection_pool(settings)
    except ValueError as error:
        raise WrongUse(str(error)) from error


def place(settings: SharedSettings) -> str:
    """The server, for messages."""
    return f"ClickHouse at {authority(settings.clickhouse_host, settings.clickhouse_port)}"
