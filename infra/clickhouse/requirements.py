"""What a service needs of ClickHouse, checked before it starts: version, settings, grants.

Whether the server answers is not checked. A service whose ClickHouse is away starts, and is not ready until it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from infra.clickhouse.client import connect, place
from infra.errors import Failure
from processors.connection import NEEDS as PROCESSING
from schemas.clickhouse import AUDITING, DEFINING, READING, Needs, tls_refusal
from schemas.settings import SharedSettings

_CHECK_SECONDS = 5
_USER_REFUSED = {192, 193, 194, 195, 516}  # UNKNOWN_USER, WRONG_PASSWORD, …, AUTHENTICATION_FAILED
_ACCESS_DENIED = 497


@dataclass(frozen=True, slots=True)
class Requirements:
    """`grants` on the whole database, and SELECT on tables of `system`."""

    needs: Needs
    grants: Sequence[str]
    system_tables: Sequence[str] = ()


PROCESSOR = Requirements(PROCESSING, ("SELECT", "INSERT", "ALTER DELETE"), ("parts", "mutations"))
EXPORTER = Requirements(READING, ("SELECT",))
AUDITOR = Requirements(AUDITING, ("SELECT",))
MIGRATOR = Requirements(
    DEFINING, ("SELECT", "INSERT", "ALTER TABLE", "ALTER VIEW", "CREATE TABLE", "CREATE VIEW", "DROP VIEW")
)


def check_server(settings: SharedSettings, required: Requirements) -> None:
    """Raises `Failure` for a server that answers and does not meet the requirements."""
    driver = logging.getLogger("clickhouse_connect")
    level = driver.level
    driver.setLevel(logging.CRITICAL)  # that it does not answer is for the service to say
    try:
        with connect(settings, required.needs, database=False, patience=_CHECK_SECONDS) as client:
            check_grants(client, settings, required)
    except (ClickHouseError, OSError) as error:
        if _code(error) in _USER_REFUSED:
            raise Failure(
                f"{place(settings)} refuses the user {settings.clickhouse_user}; "
                "are CONVERGIO_CLICKHOUSE_USER and CONVERGIO_CLICKHOUSE_PASSWORD right?"
            ) from error
        if _code(error) == _ACCESS_DENIED:
            raise Failure(f"{place(settings)} refused: {' '.join(str(error).split())[:300]}") from error
        if why := tls_refusal(error):
            raise Failure(f"{place(settings)} {why}") from error
    finally:
        driver.setLevel(level)


def check_grants(client: Client, settings: SharedSettings, required: Requirements) -> None:
    """Raises `Failure` if the user lacks a grant, and the driver's errors."""
    needed = [f"{grant} ON {settings.clickhouse_database}.*" for grant in required.grants]
    needed += [f"SELECT ON system.{table}" for table in required.system_tables]
    if _granted(client, ", ".join(needed)):
        return
    missing = [grant for grant in needed if not _granted(client, grant)]
    if missing:
        user = settings.clickhouse_user
        statements = "; ".join(f"GRANT {grant} TO {user}" for grant in missing)
        raise Failure(f"{place(settings)} does not allow {user} what it needs; run {statements}")


def _granted(client: Client, grants: str) -> bool:
    answer = client.command(f"CHECK GRANT {grants}")
    if answer not in (0, 1):
        raise ConnectionError("a response of ClickHouse broke off")
    return answer == 1


def _code(error: Exception) -> int | None:
    return error.code if isinstance(error, Error) else None
