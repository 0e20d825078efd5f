"""The SQL of the processors, one file a statement."""

from __future__ import annotations

from importlib.resources import files

from schemas.events import ACTION_COLUMNS, STUDY_ACTIONS
from schemas.metrics import NAMED_MAESTROS

_MAESTRO_SUMS = (
    "CAST(sumMap(arrayMap(maestro -> if(has(named, maestro), toString(maestro), 'other'), mapKeys(maestros)),"
    " mapValues(maestros)), 'Map(String, UInt64)')"
)
"""The selections of many sessions by maestro; `named` is the array of the names that are kept apart."""


def sql(name: str) -> str:
    """The text of `name.sql`.

    `{counters}`, `{counter_sums}`, `{counter_counts}` and `{counter_zeros}` stand for the columns of `ACTION_COLUMNS`,
    `{study_actions}` and `{study_counters}` for those of `STUDY_ACTIONS`;
    `{named_maestros}` and `{maestro_sums}` for the maestros that a sum names, and their sums.
    """
    columns = list(ACTION_COLUMNS.values())
    lists = {
        "{counters}": columns,
        "{counter_sums}": [f"sum({column})" for column in columns],
        "{counter_zeros}": ["0"] * len(columns),
        "{counter_counts}": [f"countIf(action = '{action}') AS {column}" for action, column in ACTION_COLUMNS.items()],
        "{named_maestros}": [_text("named_maestros")],
        "{named_limit}": [str(NAMED_MAESTROS)],
        "{maestro_sums}": [_MAESTRO_SUMS],
        "{study_actions}": [f"'{action}'" for action in ACTION_COLUMNS if action in STUDY_ACTIONS],
        "{study_counters}": [column for action, column in ACTION_COLUMNS.items() if action in STUDY_ACTIONS],
    }
    text = _text(name)
    for placeholder, items in lists.items():
        text = text.replace(placeholder, ", ".join(items))
    return text


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
