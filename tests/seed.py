"""The seed that all chance of a test run follows from: drawn once a session, or given by CONVERGIO_TEST_SEED.

A pytest plugin: hypothesis draws from it, tests get it as the fixture `seed`, the header of a run shows it, and every
failure shows the command that repeats the test.
"""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Generator

import pytest
from hypothesis import settings

SEED_VARIABLE = "CONVERGIO_TEST_SEED"
SHAPING_VARIABLES = (SEED_VARIABLE, "CONVERGIO_TEST_MINUTES", "CONVERGIO_TEST_TOGETHER")
"""What else a fault test's course depends on."""
_SEED = pytest.StashKey[int]()

# `CI` in the environment would make hypothesis draw the same examples in every run. A deadline would fail a test
# because the machine is busy.
settings.register_profile("convergio", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("convergio")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    given = os.environ.get(SEED_VARIABLE)
    try:
        seed = int(given) if given else secrets.randbelow(2**31)
    except ValueError:
        raise pytest.UsageError(f"{SEED_VARIABLE} has to be a whole number, not {given!r}") from None
    config.stash[_SEED] = seed
    # hypothesis reads its own option after this.
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(seed)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[_SEED]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.append(("Repeat", repeat_command(item.config, item.nodeid)))
    return report


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What all chance in a run follows from."""
    return pytestconfig.stash[_SEED]


def repeat_command(config: pytest.Config, test: str) -> str:
    """The shell command that runs one test with the same chance."""
    shaping = {name: os.environ[name] for name in SHAPING_VARIABLES if name in os.environ}
    shaping[SEED_VARIABLE] = str(config.stash[_SEED])
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in shaping.items())
    return f"{variables} .venv/bin/pytest {shlex.quote(test)}"
