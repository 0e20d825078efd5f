"""Imports point one way: infra → {ingest, processors, exporter} → schemas; the three never import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "schemas": set[str](),
    "ingest": {"schemas"},
    "processors": {"schemas"},
    "exporter": {"schemas"},
    "infra": {"schemas", "ingest", "processors", "exporter"},
}
OURS = {*ALLOWED, "tests", "benchmarks"}


def imported_packages(source: str) -> Iterator[str]:
    """Top-level packages that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "import by full name, so that this test can see it"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    wrong = {
        str(module.relative_to(ROOT)): forbidden
        for module in modules
        if (forbidden := (set(imported_packages(module.read_text())) & OURS) - ALLOWED[package] - {package})
    }
    assert not wrong


def test_schemas_does_no_input_or_output() -> None:
    drivers = {"aiohttp", "aiokafka", "clickhouse_connect", "fastapi", "faust", "socket", "uvicorn"}
    for module in (ROOT / "schemas").rglob("*.py"):
        assert not set(imported_packages(module.read_text())) & drivers, module
