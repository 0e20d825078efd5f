"""`convergio` with fail points: processes of it die, sleep or hang at steps that a test has armed.

`python -m tests.faults.failpoints process` is `convergio process` with a hook at each of `processors.steps`. The
hook looks into the folder that FAIL_POINTS_VARIABLE names; `FailPoints` is that folder as a test sees it. Whichever
process comes to an armed step first spends it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from processors import steps
from processors.steps import Step

FAIL_POINTS_VARIABLE = "CONVERGIO_TEST_FAIL_POINTS"
CONVERGIO_WITH_FAIL_POINTS = (sys.executable, "-m", "tests.faults.failpoints")
"""For `StackConfig.convergio`."""


class Action(StrEnum):
    """What happens to the process that comes to an armed step."""

    KILL = "kill"
    """SIGKILL."""
    SLEEP = "sleep"
    """SIGSTOP, until somebody sends it SIGCONT."""
    HANG = "hang"
    """The thread never returns; the process lives on."""


class Spent(NamedTuple):
    """A fail point that a process came to."""

    step: Step
    action: Action
    pid: int


@dataclass(slots=True)
class FailPoints:
    """The armed and the spent fail points of one stack."""

    folder: Path
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def environment(self) -> dict[str, str]:
        """For `StackConfig.extra_env`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return {FAIL_POINTS_VARIABLE: str(self.folder.absolute())}

    def arm(self, step: Step, action: Action = Action.KILL, times: int = 1) -> None:
        """The next `times` processes that come to the step suffer the action."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(times):
            (self.folder / f"{step}.{next(self._numbers)}.{action}.armed").touch()

    def disarm(self) -> None:
        """Takes back what no process has come to."""
        for point in self.folder.glob("*.armed"):
            point.unlink(missing_ok=True)

    @property
    def spent(self) -> list[Spent]:
        """In the order in which they were armed."""
        points = sorted(self.folder.glob("*.spent"), key=lambda point: int(point.name.split(".")[1]))
        return [_spent(point) for point in points if point.read_text()]


def _spent(point: Path) -> Spent:
    step, _, action, _ = point.name.split(".")
    return Spent(Step(step), Action(action), int(point.read_text()))


def _fail_where_armed(folder: Path) -> None:
    def act(step: Step) -> None:
        for armed in sorted(folder.glob(f"{step}.*.armed")):
            spent = armed.with_suffix(".spent")
            try:
                armed.rename(spent)
            except FileNotFoundError:  # another process was first
                continue
            spent.write_text(str(os.getpid()))
            match Action(armed.name.split(".")[2]):
                case Action.KILL:
                    os.kill(os.getpid(), signal.SIGKILL)
                case Action.SLEEP:
                    os.kill(os.getpid(), signal.SIGSTOP)
                case Action.HANG:
                    threading.Event().wait()
            return

    steps.hook = act


def _main() -> None:
    from infra.cli import main

    _fail_where_armed(Path(os.environ[FAIL_POINTS_VARIABLE]))
    main()


if __name__ == "__main__":
    _main()
