"""Runs of pytest: each from a seed of its own that it shows, and what failed leaves its folder behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

DRAWING = """
import json, os, pathlib, random
from hypothesis import given, settings, strategies as st

drawn = []

@settings(max_examples=5)
@given(st.integers(0, 2**60))
def test_draws(number):
    drawn.append(number)

def test_writes(seed):
    pathlib.Path("drawn.json").write_text(json.dumps([drawn, random.Random(seed).random()]))
    assert "FAIL" not in os.environ
"""

FOLDERS = """
import pytest

@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").write_text("what happened")
    return tmp_path

@pytest.fixture
def broken_setup(log):
    raise RuntimeError("setup")

@pytest.fixture
def broken_teardown(log):
    yield
    raise RuntimeError("teardown")

@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    (folder / "log").write_text("what the server did")

seen = []

def test_passes(log, server):
    seen.append(log)

def test_comes_after_it():
    assert not seen[0].exists()
"""

FAILING = """
def test_fails(log):
    assert False

def test_fails_in_setup(broken_setup):
    pass

def test_fails_in_teardown(broken_teardown):
    pass
"""


@dataclass(frozen=True)
class Run:
    code: int
    output: str

    @property
    def seed(self) -> str:
        (seed,) = re.findall(r"^seed: (\d+)$", self.output, re.MULTILINE)
        return str(seed)


def run(folder: Path, tests: str, **environment: str) -> Run:
    """Runs the tests of a file in a pytest of their own, set up as this one is."""
    (folder / "test_inner.py").write_text(tests)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONVERGIO_", "PYTEST_"))}
    plugins = ("-p", "tests.seed", "-p", "tests.folders", "-p", "no:cacheprovider")
    configuration = ("-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *configuration, *plugins, "test_inner.py"],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(REPOSITORY), "CONVERGIO_TEST_KEEP": "kept", **environment},
        capture_output=True,
        text=True,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def drawn(folder: Path) -> object:
    return json.loads((folder / "drawn.json").read_text())


def kept(folder: Path) -> list[str]:
    """What is left of the inner tests' folders, without links to them."""
    files = (folder / "kept").rglob("log")
    return sorted(file.parent.name for file in files if not any(parent.is_symlink() for parent in file.parents))


def test_every_run_draws_another_seed_and_the_seed_that_it_shows_repeats_it(tmp_path: Path) -> None:
    first = run(tmp_path, DRAWING, CI="true")
    of_first = drawn(tmp_path)
    second = run(tmp_path, DRAWING, CI="true")
    of_second = drawn(tmp_path)
    again = run(tmp_path, DRAWING, CONVERGIO_TEST_SEED=first.seed)
    assert (first.code, second.code, again.code) == (0, 0, 0), first.output
    assert second.seed != first.seed == again.seed
    assert of_second != of_first == drawn(tmp_path)


def test_a_failure_shows_the_command_that_repeats_it(tmp_path: Path) -> None:
    failed = run(tmp_path, DRAWING, FAIL="yes", CONVERGIO_TEST_SEED="7", CONVERGIO_TEST_MINUTES="0.4")
    command = "CONVERGIO_TEST_SEED=7 CONVERGIO_TEST_MINUTES=0.4 .venv/bin/pytest test_inner.py::test_writes"
    assert failed.output.splitlines().count(command) == 1, failed.output


def test_a_seed_that_is_no_number_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = run(tmp_path, DRAWING, CONVERGIO_TEST_SEED="soon")
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert refused.output.strip() == "ERROR: CONVERGIO_TEST_SEED has to be a whole number, not 'soon'"


def test_a_run_that_passes_leaves_no_folder_behind(tmp_path: Path) -> None:
    passed = run(tmp_path, FOLDERS)
    assert passed.code == 0, passed.output
    assert kept(tmp_path) == []


def test_whatever_failed_of_a_test_its_folder_and_the_servers_are_kept_and_named(tmp_path: Path) -> None:
    failed = run(tmp_path, FOLDERS + FAILING)
    assert re.search(r"1 failed, 3 passed, 2 errors", failed.output), failed.output
    names = ["server0", "test_fails0", "test_fails_in_setup0", "test_fails_in_teardown0"]
    assert kept(tmp_path) == names
    for name in names[1:]:
        assert re.search(rf"^{tmp_path}/kept/.*/{name}$", failed.output, re.MULTILINE), failed.output
    assert re.search(rf"^of tests that failed, .*: {tmp_path}/kept/", failed.output, re.MULTILINE), failed.output
