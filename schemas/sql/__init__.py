"""The database as numbered SQL files, applied in order and once each by `convergio migrate`.

A file that has been released is never edited: a change is a new file.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import NamedTuple


class Migration(NamedTuple):
    """One SQL file: `version` orders it, `statements` are run one by one."""

    version: int
    name: str
    sql: str

    @property
    def statements(self) -> list[str]:
        """The statements, without the comments that stand on lines of their own."""
        code = re.sub(r"(?m)^\s*--.*\n?", "", self.sql)
        return [statement.strip() for statement in re.split(r";\s*(?:\n|$)", code) if statement.strip()]


def migrations() -> list[Migration]:
    """Every migration, oldest first."""
    found = []
    for file in files(__name__).iterdir():
        if match := re.fullmatch(r"(\d{3})_(\w+)\.sql", file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return sorted(found)
