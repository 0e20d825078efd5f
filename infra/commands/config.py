"""`convergio config`: every setting, its value, and where that came from."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import out

if TYPE_CHECKING:
    from infra.settings import Origin


class ConfigFormat(StrEnum):
    """How settings are written."""

    TABLE = "table"
    JSON = "json"
    TOML = "toml"


def config(
    output: Annotated[ConfigFormat, typer.Option("--format", help="toml gives a file for CONVERGIO_CONFIG.")] = (
        ConfigFormat.TABLE
    ),
) -> None:
    """Show every setting, its value and where it came from; secrets are masked.

    A setting is an environment variable (CONVERGIO_INGEST_PORT=8001) or a key of the TOML file that CONVERGIO_CONFIG
    names (ingest_port = 8001); the environment wins. An unknown or bad one stops every command with one line.
    """
    from infra.settings import load, origins

    found = origins(load())
    match output:
        case ConfigFormat.JSON:
            typer.echo(_json(found))
        case ConfigFormat.TOML:
            typer.echo(_toml(found))
        case ConfigFormat.TABLE:
            _print_table(found)


def _json(found: list[Origin]) -> str:
    from infra.settings import shown, variable

    rows = [
        {
            "name": origin.name,
            "variable": variable(origin.name),
            "value": shown(origin.value),
            "source": origin.source,
            "description": origin.description,
        }
        for origin in found
    ]
    return json.dumps(rows, indent=2)


def _toml(found: list[Origin]) -> str:
    """A file that can be loaded again: what is secret or not set is there as a comment."""
    from infra.settings import MASK, shown

    lines = []
    for origin in found:
        value = shown(origin.value)
        if origin.description:
            lines.append(f"# {origin.description}")
        if value is None or MASK in str(value):
            lines.append(f"# {origin.name} = {json.dumps(value or '')}")
        else:
            lines.append(f"{origin.name} = {json.dumps(value)}")
    return "\n".join(lines)


def _print_table(found: list[Origin]) -> None:
    from rich.table import Table
    from rich.text import Text

    from infra.settings import shown

    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for origin in found:
        value = shown(origin.value)
        text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
        style = "dim" if origin.source == "default" else "bold"
        table.add_row(Text(origin.name), Text(text), Text(origin.source), style=style)
    out.print(table)
