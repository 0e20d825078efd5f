"""A processor's connection to ClickHouse: time limits, and the settings that go with every statement."""

from __future__ import annotations

from functools import cache

import clickhouse_connect
from clickhouse_connect.driver.httpclient import HttpClient
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3 import PoolManager, Timeout

from schemas.clickhouse import WRITING, sayable, tls_files
from schemas.settings import SharedSettings
from schemas.tls import ClientContext, TlsFiles

NEEDS = WRITING.extended(
    {
        "input_format_skip_unknown_fields": "1",
        # A flush names the ids it asks for.
        "max_query_size": str(64 << 20),
        # Responses decode as the rows that `processors.sink` declares.
        "output_format_json_quote_64bit_integers": "0",
        "output_format_json_named_tuples_as_objects": "0",
        "output_format_json_map_as_array_of_tuples": "0",
    }
)
"""What a processor relies on."""

# The sink beats after connecting and after each attempt. Connecting takes two or three short responses; what lies
# between two beats must stay below `heartbeat_seconds`.
_ANSWER_SECONDS = 30
_GREETING_SECONDS = 15
_CONNECT_SECONDS = 5


def connect(settings: SharedSettings) -> HttpClient:
    """A client whose every statement says `NEEDS`, as far as its user may. The caller judges the server.

    Raises `ClickHouseError` or `OSError` if no server answers, or if it refuses the user or the database, and
    `ValueError` for a certificate file that cannot be used.
    """
    client = clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        secure=settings.clickhouse_secure,
        database=settings.clickhouse_database,
        autogenerate_session_id=False,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_GREETING_SECONDS,
        compress=False,
        pool_mgr=connection_pool(settings),
    )
    assert isinstance(client, HttpClient)
    for name in sayable(client.server_settings, NEEDS.said):
        client.set_client_setting(name, NEEDS.said[name])
    client.timeout = Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS)
    return client


def connection_pool(settings: SharedSettings) -> PoolManager | None:
    """The connections of this process over TLS to ClickHouse; `None`, for the driver's own, without TLS.

    Raises `ValueError` for a certificate file that cannot be used.
    """
    return _tls_pool(tls_files(settings)) if settings.clickhouse_secure else None


@cache  # the driver keeps every pool for the life of the process
def _tls_pool(files: TlsFiles) -> PoolManager:
    pool: PoolManager = get_pool_manager(ssl_context=ClientContext(files))
    return pool
