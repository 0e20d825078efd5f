"""What a check comes to, and how several are run and reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class Verdict(NamedTuple):
    """What a check came to: `passed`, `failed` or `could not run`, and why."""

    outcome: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}: {self.why}" if self.why else self.outcome


PASSED: Final = Verdict("passed")


class CouldNotRun(Exception):
    """A tool or its database is not to be had; the message says which."""


Checks = Mapping[str, Callable[[], Verdict]]


def run(checks: Checks) -> dict[str, Verdict]:
    """Runs each check and prints a line for it."""
    verdicts = {}
    for name, check in checks.items():
        try:
            verdicts[name] = check()
        except CouldNotRun as error:
            verdicts[name] = Verdict("could not run", str(error))
        sys.stdout.write(f"{name}: {verdicts[name]}\n")
        sys.stdout.flush()
    return verdicts


def exit_code(verdicts: Mapping[str, Verdict]) -> int:
    """1 if a check failed."""
    return int(any(verdict.outcome == "failed" for verdict in verdicts.values()))
