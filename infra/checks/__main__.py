"""`make check-infra`: everything around the services that this machine can check, and the list of what it could not.

Prints a line for each check. Exits with 1 if one failed.
"""

from __future__ import annotations

import sys

from infra.checks import suites, supply_chain
from infra.checks.verdict import exit_code, run


def main() -> int:
    """Runs every check and returns the exit code."""
    verdicts = run({**suites.CHECKS, **supply_chain.CHECKS})
    left = [f"{name}: {verdict.why}" for name, verdict in verdicts.items() if verdict.outcome == "could not run"]
    sys.stdout.write("\nnot checked on this machine:\n")
    sys.stdout.writelines(f"- {line}\n" for line in (*left, *suites.UNCOVERED))
    return exit_code(verdicts)


if __name__ == "__main__":
    sys.exit(main())
