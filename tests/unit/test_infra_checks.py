"""`make check-infra`: what it runs, and what it reports."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from infra.checks import __main__ as checks
from infra.checks import suites, supply_chain
from infra.checks.suites import ROOT, SUITES, judge, run_suite
from infra.checks.verdict import PASSED, CouldNotRun, Verdict


def report(*cases: str) -> ElementTree.Element:
    listed = "".join(f'<testcase classname="tests.a" name="case">{case}</testcase>' for case in cases)
    return ElementTree.fromstring(f"<testsuites><testsuite>{listed}</testsuite></testsuites>")


def test_every_suite_names_tests_that_are_there() -> None:
    missing = [file for files in SUITES.values() for file in files if not (ROOT / file).is_file()]
    assert missing == []


def test_what_was_skipped_could_not_run() -> None:
    assert judge(report("", "")) == Verdict("passed", "2 tests")
    assert judge(report("", '<skipped message="no nginx"/>', '<skipped message="no nginx"/>')) == Verdict(
        "could not run", "2 of 3 tests: no nginx"
    )


def test_a_failure_an_error_and_an_empty_suite_fail() -> None:
    skipped = '<skipped message="no nginx"/>'
    for case in ('<failure message="it is bad"/>', '<error message="it is bad"/>'):
        assert judge(report("", skipped, case)) == Verdict("failed", "tests.a::case")
    assert judge(report()).outcome == "failed"


def test_a_suite_that_pytest_cannot_run_fails(tmp_path: Path) -> None:
    assert run_suite([str(tmp_path / "test_nowhere.py")]).outcome == "failed"


def test_each_check_is_one_line_and_the_list_of_what_could_not_run_is_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away() -> Verdict:
        raise CouldNotRun("there is no network")

    monkeypatch.setattr(suites, "CHECKS", {"one": lambda: PASSED})
    monkeypatch.setattr(supply_chain, "CHECKS", {"two": away})
    monkeypatch.setattr(suites, "UNCOVERED", ("three: nobody has it",))
    assert checks.main() == 0
    end = "\nnot checked on this machine:\n- two: there is no network\n- three: nobody has it\n"
    assert capsys.readouterr().out == f"one: passed\ntwo: could not run: there is no network\n{end}"
    monkeypatch.setattr(supply_chain, "CHECKS", {"two": away, "four": lambda: Verdict("failed", "it is bad")})
    assert checks.main() == 1
