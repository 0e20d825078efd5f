"""How long and from which seed to search, and what a run found, printed at its end.

`make faults SEED=7 MINUTES=15` sets CONVERGIO_TEST_SEED and CONVERGIO_TEST_MINUTES; without them a run is short.
"""

from __future__ import annotations

import os

import pytest

SHORT_SEED = 20260504
SHORT_MINUTES = 1.0
_REPORTS = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def seed() -> int:
    """What all chance in a run follows from."""
    return int(os.environ.get("CONVERGIO_TEST_SEED", SHORT_SEED))


@pytest.fixture(scope="session")
def minutes() -> float:
    """How long to go on injecting faults."""
    return float(os.environ.get("CONVERGIO_TEST_MINUTES", SHORT_MINUTES))


@pytest.fixture
def reports(pytestconfig: pytest.Config) -> list[str]:
    """What is added here is printed at the end of the run, also of a good one."""
    return pytestconfig.stash.setdefault(_REPORTS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in config.stash.get(_REPORTS, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(report)
