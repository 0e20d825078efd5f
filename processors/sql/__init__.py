"""The SQL of the processors, one file a statement."""

from __future__ import annotations

from importlib.resources import files

from schemas.events import ACTION_COLUMNS, STUDY_ACTIONS


def sql(name: str) -> str:
    """The text of `name.sql`; `{counters}`, `{counter_sums}`, `{counter_counts}` and `{counter_zeros}` stand for the
    columns of `ACTION_COLUMNS`, `{study_actions}` and `{study_counters}` for those of `STUDY_ACTIONS`."""
    columns = list(ACTION_COLUMNS.values())
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    lists = {
        "{counters}": columns,
        "{counter_sums}": [f"sum({column})" for column in columns],
        "{counter_zeros}": ["0"] * len(columns),
        "{counter_counts}": [f"countIf(action = '{action}') AS {column}" for action, column in ACTION_COLUMNS.items()],
        "{study_actions}": [f"'{action}'" for action in ACTION_COLUMNS if action in STUDY_ACTIONS],
        "{study_counters}": [column for action, column in ACTION_COLUMNS.items() if action in STUDY_ACTIONS],
    }
    for placeholder, items in lists.items():
        text = text.replace(placeholder, ", ".join(items))
    return text
