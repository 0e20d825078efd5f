"""`convergio` with a bug: `python -m tests.faults.bugs process` is `convergio process`, spoiled as a test asked.

The folder that BUGS_VARIABLE names says which bugs there are; `Bugs` is that folder as a test sees it. A
process that starts takes one bug out of it, so the one that is started in its place is in order again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

BUGS_VARIABLE = "CONVERGIO_TEST_BUGS"
CONVERGIO_WITH_BUGS = (sys.executable, "-m", "tests.faults.bugs")
"""For `StackConfig.convergio`, or with `process` after it for `Pipeline.processor`."""
LABEL_THAT_BREAKS_THE_FOLD = "breaks-the-fold"


class Bug(StrEnum):
    """What a processor does wrong, for as long as it lives."""

    FOLD_RAISES = "fold-raises"
    """Its fold raises at every event with the label LABEL_THAT_BREAKS_THE_FOLD."""
    COMMITS_NOTHING = "commits-nothing"
    """Faust believes that it commits, and the broker hears of nothing."""
    DELIVERS_NOTHING = "delivers-nothing"
    """Faust holds its partitions, and no message of theirs ever comes."""


@dataclass(frozen=True, slots=True)
class Bugs:
    """The bugs that wait for processes to start."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For `StackConfig.extra_env`."""
        return {BUGS_VARIABLE: str(self.folder.absolute())}

    def plant(self, bug: Bug) -> None:
        """The next process that starts has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / bug).touch()


def _break_the_fold() -> None:
    from processors.sessions import Session

    add = Session.add

    def raising(self: Session, at_ms: int, action: str, label: str, gap_ms: int) -> None:
        if label == LABEL_THAT_BREAKS_THE_FOLD:
            raise ZeroDivisionError("a bug")
        add(self, at_ms, action, label, gap_ms)

    Session.add = raising  # type: ignore[method-assign]


def _commit_nothing() -> None:
    from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

    async def commit(*_: Any) -> bool:
        return True

    AIOKafkaConsumerThread.commit = commit  # type: ignore[method-assign, assignment]


def _deliver_nothing() -> None:
    from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

    async def fetch(*_: Any, **__: Any) -> dict[object, object]:
        await asyncio.sleep(0.1)
        return {}

    AIOKafkaConsumerThread._fetch_records = fetch  # type: ignore[method-assign, assignment]


_PLANTING: dict[Bug, Callable[[], None]] = {
    Bug.FOLD_RAISES: _break_the_fold,
    Bug.COMMITS_NOTHING: _commit_nothing,
    Bug.DELIVERS_NOTHING: _deliver_nothing,
}


def _main() -> None:
    from infra.cli import main

    if sys.argv[1:2] == ["process"]:
        for bug, plant in _PLANTING.items():
            try:
                (Path(os.environ[BUGS_VARIABLE]) / bug).unlink()
            except FileNotFoundError:
                continue
            plant()
            break
    main()


if __name__ == "__main__":
    _main()
