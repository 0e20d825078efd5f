"""docs/security.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(\w+/test_\w+\.py)(?:::(test_\w+))?`", PAGE)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_page_names_is_there(file: str, name: str) -> None:
    text = (TESTS / file).read_text(encoding="utf-8")
    assert f"def {name}(" in text if name else "def test_" in text


def test_every_threat_in_a_table_names_a_test_or_says_that_there_is_none() -> None:
    tables = re.findall(r"\| shown by \|\n\|[-|]+\|\n((?:\|.+\|\n)+)", PAGE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 15
    assert all(re.search(r"`\w+/test_\w+\.py", row) or row.endswith("| no test |") for row in rows)
