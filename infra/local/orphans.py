"""Children that do not outlive a parent that is killed, where the operating system can do that (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What to give as `preexec_fn`: the kernel then sends the child SIGKILL when its parent dies, however.

    "Parent" is the thread that starts the child. None where the system has no such thing.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: between fork and exec the child must not take locks.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return ask_the_kernel
