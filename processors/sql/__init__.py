"""The SQL of the processors, one file a statement."""

from __future__ import annotations

from importlib.resources import files

from schemas.events import ACTION_COLUMNS


def sql(name: str) -> str:
    """The text of `name.sql`; `{counters}` and `{counter_sums}` stand for the columns of `ACTION_COLUMNS`."""
    columns = list(ACTION_COLUMNS.values())
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return text.replace("{counters}", ", ".join(columns)).replace(
        "{counter_sums}", ", ".join(f"sum({column})" for column in columns)
    )
