"""Imports point one way: infra → {ingest, processors, exporter} → schemas; the three never import each other."""

from __future__ import annotations

import ast
import subprocess
import sys
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


def test_settings_can_be_read_without_what_only_a_service_needs() -> None:
    """Every command reads them, and most need nothing else of the services."""
    heavy = "{'fastapi', 'uvicorn', 'faust', 'aiokafka', 'clickhouse_connect', 'aiohttp'}"
    program = f"import sys, infra.cli, infra.settings; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
