"""Turns what the ClickHouse driver raises into one clear line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError

from infra.clickhouse.client import place
from infra.errors import Refused, Unreachable
from schemas.clickhouse import tls_refusal
from schemas.settings import SharedSettings


@contextmanager
def clickhouse_errors(settings: SharedSettings) -> Iterator[None]:
    """Raises `Unreachable` for a server that does not answer, or answers that it cannot, and `Refused` if TLS fails."""
    # The driver logs each failed attempt; the one line that counts is raised.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    try:
        yield
    except (ClickHouseError, OSError) as error:
        where = place(settings)
        text = " ".join(str(error).split())
        if why := tls_refusal(error):
            raise Refused(f"{where} {why}") from error
        if "UNKNOWN_TABLE" in text or "UNKNOWN_DATABASE" in text:
            raise Unreachable(
                f"{where} has no tables of ours in {settings.clickhouse_database}; run `convergio migrate` first"
            ) from error
        if "Failed to establish" in text or "Connection refused" in text or isinstance(error, OSError):
            raise Unreachable(
                f"{where} does not answer; is it running, and are CONVERGIO_CLICKHOUSE_HOST and _PORT right?"
            ) from error
        raise Unreachable(f"{where} refused: {text[:300]}") from error
