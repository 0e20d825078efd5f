"""The directory a local stack keeps its data in: held by one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self
from unicodedata import category

from infra.errors import Unavailable


class DataDir:
    """Holds DATA_DIR for this process until released; creates `logs` and `run` in it.

    Raises Unavailable when another supervisor holds it, when it cannot be created, and when a server could not keep its
    data in a folder of that name. The kernel gives the lock back when its holder dies.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _refuse_name(path)
        try:
            for folder in ("logs", "run"):
                (path / folder).mkdir(parents=True, exist_ok=True)
            self._lock = (path / "run" / "supervisor.lock").open("a+")
        except OSError as problem:
            raise Unavailable(f"{path} cannot be used ({problem.strerror}); choose another --data-dir") from problem
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise Unavailable(
                f"{path} is in use by another local stack (pid {holder}); stop that one or choose another --data-dir"
            ) from problem
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        for left_over in (path / "run").glob("*.pid"):  # of a supervisor that was killed
            left_over.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        self._lock.close()


def _refuse_name(path: Path) -> None:
    """Raises Unavailable for the few names that a server would take for others, or not at all."""
    whole = str(path.resolve())
    try:
        whole.encode()
    except UnicodeEncodeError as problem:
        raise Unavailable(f"{whole!r} is not UTF-8; choose another --data-dir") from problem
    if "?" in whole or any(category(character) == "Cc" for character in whole):
        raise Unavailable(
            f"{whole!r} has a question mark or a control character in it, and not every server takes that for part of"
            " a folder's name; choose another --data-dir"
        )
