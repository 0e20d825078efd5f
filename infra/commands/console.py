"""How commands talk to people: results on standard output, everything else on standard error."""

from __future__ import annotations

from enum import StrEnum

from rich.console import Console

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    JSON = "json"


def number(value: int) -> str:
    """With thousands separated, e.g. `1 234 567`."""
    return f"{value:,}".replace(",", " ")
