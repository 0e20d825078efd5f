"""What the services rely on in a ClickHouse server: its version, and the settings that decide what a statement means.

Defaults differ between versions and in ClickHouse Cloud, and a user's profile may change any of them. So every
statement says these settings itself. Where a user may not change one (`readonly=1`, a constraint) the user's own value
must be the needed one, or the server is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from schemas.settings import SharedSettings
from schemas.tls import CertificateFile, TlsFiles, refusal_of

MINIMUM_VERSION = (25, 8)
"""The oldest version the tests run against."""

_OVERFLOW_MODES = (
    *("read_overflow_mode", "read_overflow_mode_leaf", "result_overflow_mode", "timeout_overflow_mode"),
    *("timeout_overflow_mode_leaf", "group_by_overflow_mode", "sort_overflow_mode", "distinct_overflow_mode"),
    *("set_overflow_mode", "join_overflow_mode", "transfer_overflow_mode"),
)
_NEWER = frozenset({"deduplicate_insert", "deduplicate_insert_select"})
"""Settings that `MINIMUM_VERSION` may not know."""


class ServerSetting(Protocol):
    """A row of `system.settings`: the user's value, and whether the user may not change it (1)."""

    @property
    def value(self) -> str: ...
    @property
    def readonly(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Needs:
    """Settings that a service's statements rely on, by name.

    `said` go with every statement, as far as the server knows them and the user may change them. `given` cannot be
    changed by a statement.
    """

    said: Mapping[str, str]
    given: Mapping[str, str] = field(default_factory=dict)

    def extended(self, said: Mapping[str, str], given: Mapping[str, str] | None = None) -> Needs:
        """These and further ones."""
        return Needs({**self.said, **said}, {**self.given, **(given or {})})


READING = Needs(
    {
        # A limit fails the query. With `break` or `any` part of the rows would be taken for all of them.
        **dict.fromkeys(_OVERFLOW_MODES, "throw"),
        "limit": "0",
        "offset": "0",
        # The answer is of now, not of a minute ago.
        "use_query_cache": "0",
        # FINAL stands where it is meant.
        "final": "0",
        # Sums of nothing are 0, the last closed day of no day is 1970-01-01, and both come as one row.
        "aggregate_functions_null_for_empty": "0",
        "empty_result_for_aggregation_by_empty_set": "0",
        # A name is the alias, as the tests have it.
        "enable_analyzer": "1",
        "prefer_column_name_to_alias": "0",
    }
)
"""What every query relies on."""

AUDITING = READING.extended({"max_query_size": str(64 << 20)})
"""What a running audit relies on, whose queries name the ids they ask for."""

WRITING = READING.extended(
    {
        # The response comes when the rows are stored, and counts them.
        "async_insert": "0",
        # No block is left out because it equals an earlier one: its rows may be gone, or a view's may be missing.
        "insert_deduplicate": "0",
        "deduplicate_insert": "disable",
        "deduplicate_insert_select": "disable",
        # A failed view fails the insert, and the insert is repeated.
        "materialized_views_ignore_errors": "0",
        # A row that cannot be read fails the insert.
        "input_format_allow_errors_num": "0",
        "input_format_allow_errors_ratio": "0",
        "date_time_input_format": "best_effort",
        "session_timezone": "UTC",
        "max_partitions_per_insert_block": "0",
        # What was written is read back, also by way of another replica (ClickHouse Cloud).
        "select_sequential_consistency": "1",
    },
    {"readonly": "0", "allow_ddl": "1"},
)
"""What every insert and delete relies on."""

DEFINING = WRITING.extended(
    {
        # A column without Nullable is not Nullable.
        "data_type_default_nullable": "0",
    }
)
"""What the migrations rely on."""


def unmet(version: str | None, settings: Mapping[str, ServerSetting], needs: Needs) -> str | None:
    """The first thing a server lacks for some needs, in one line that says what to do; `None` if it lacks nothing.

    `settings` are the rows of `system.settings` as the user sees them, by name. Raises `ConnectionError` if one is not
    there: a response that breaks off in its headers is an empty one.
    """
    found = re.match(r"(\d+)\.(\d+)", version or "")
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_VERSION:
        return f"it is version {version or 'unknown'}; {'.'.join(map(str, MINIMUM_VERSION))} or newer is needed"
    for name, needed in {**needs.given, **needs.said}.items():
        setting = settings.get(name)
        if setting is None:
            if name in _NEWER:
                continue
            raise ConnectionError(f"a response of ClickHouse broke off: there is no setting {name}")
        fixed = setting.readonly or name in needs.given
        if fixed and setting.value != needed:
            return (
                f"its user has {name}={setting.value!r} and may not change it; "
                f"set {name}={needed!r} in the user's settings profile"
            )
    return None


def sayable(settings: Mapping[str, ServerSetting], said: Iterable[str]) -> list[str]:
    """Those of some settings that a statement may say: the server knows them and the user may change them."""
    return [name for name in said if name in settings and not settings[name].readonly]


def tls_files(settings: SharedSettings) -> TlsFiles:
    """The certificate files for HTTPS to ClickHouse."""
    return TlsFiles(CertificateFile.of("CONVERGIO_CLICKHOUSE_CA_FILE", settings.clickhouse_ca_file))


def tls_refusal(error: BaseException) -> str | None:
    """Why HTTPS to ClickHouse failed, in words that name the setting to look at; `None` if it was not TLS."""
    return refusal_of(error, "CONVERGIO_CLICKHOUSE_CA_FILE", "CONVERGIO_CLICKHOUSE_HOST", "CONVERGIO_CLICKHOUSE_SECURE")
