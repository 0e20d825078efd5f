"""The JSON Schema of a batch, made from the types in `schemas.events`.

`python -m schemas.json_schema` rewrites `schemas/events.schema.json`; a test fails while that file is stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.events import (
    MAESTRO_SELECTED,
    MAESTRO_SLUG,
    UUID_PATTERN,
    Batch,
    Maestro,
    Rejection,
    Verdict,
)

Schema = dict[str, Any]
"""A JSON Schema: a tree of JSON values."""

FILE: Final = Path(__file__).with_name("events.schema.json")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
OPENAPI_REFS: Final = "#/components/schemas/{name}"


def batch_schema() -> Schema:
    """The whole document: a batch, its parts under `$defs`."""
    return {
        "$schema": DIALECT,
        "title": "Batch of telemetry events",
        "$ref": "#/$defs/Batch",
        "$defs": components("#/$defs/{name}", [Batch]),
    }


def openapi_schemas() -> Schema:
    """What the OpenAPI document needs under `components.schemas`: the batch, and the answer to it."""
    return components(OPENAPI_REFS, [Batch, Verdict, Rejection])


def components(ref_template: str, types: list[type[msgspec.Struct]]) -> Schema:
    """The named schemas of these types and all they consist of, with the rules msgspec's types cannot say."""
    _, schemas = msgspec.json.schema_components(types, ref_template=ref_template)
    found: Schema = dict(schemas)
    if Maestro.__name__ in found:
        found[Maestro.__name__] |= {
            "if": {"properties": {"action": {"const": MAESTRO_SELECTED}}, "required": ["action"]},
            "then": {
                "properties": {"label": {"type": "string", "pattern": MAESTRO_SLUG}},
                "required": ["label"],
            },
        }
    _sharpen(found)
    return found


def _sharpen(node: object) -> None:
    """Adds a pattern to every UUID, since `format` alone binds no validator."""
    if isinstance(node, dict):
        if node.get("format") == "uuid":
            node["pattern"] = UUID_PATTERN
        for child in node.values():
            _sharpen(child)
    elif isinstance(node, list):
        for child in node:
            _sharpen(child)


def render() -> str:
    """The text of the committed file."""
    return json.dumps(batch_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
