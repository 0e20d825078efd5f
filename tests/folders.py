"""Folders of tests: those of passing tests are removed at once, those of failing ones are kept and named.

A pytest plugin. A test's folder (`tmp_path`) holds its logs, ledgers and servers' data. It is kept if anything of the
test failed, its fixtures' setup and teardown included. Folders that tests share (`tmp_path_factory`: the servers of a
session, the stack of a module) are kept if any test failed. CONVERGIO_TEST_KEEP=DIR makes all of them in DIR, where
they outlive the system's temporary directory.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

KEEP_VARIABLE = "CONVERGIO_TEST_KEEP"
_OWN = pytest.StashKey[Path]()
_FAILED = pytest.StashKey[bool]()


def pytest_configure() -> None:
    if kept_in := os.environ.get(KEEP_VARIABLE):
        Path(kept_in).mkdir(parents=True, exist_ok=True)
        # pytest's own name for it.
        os.environ["PYTEST_DEBUG_TEMPROOT"] = kept_in


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test's own."""
    # pytest's own fixture removes it too early, before it is known whether other fixtures' teardown fails.
    node: pytest.Item = request.node
    folder = tmp_path_factory.mktemp(re.sub(r"\W", "_", node.name)[:30])
    node.stash[_OWN] = folder
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        if own := item.stash.get(_OWN, None):
            report.sections.append(("Folder of the test", str(own)))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    handled = yield
    own = item.stash.get(_OWN, None)
    if own is not None and not item.stash.get(_FAILED, False):
        shutil.rmtree(own, ignore_errors=True)
    return handled


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if terminalreporter.stats.keys() & {"failed", "error"}:
        factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
        terminalreporter.section("kept folders")
        terminalreporter.write_line(f"of tests that failed, and of the servers they shared: {factory.getbasetemp()}")
