"""One process of a service: started with its log and pid file, stopped with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Self

from infra.errors import Unavailable
from infra.local.orphans import die_with_parent
from infra.local.service import Service

TAIL_BYTES = 8192


def log_file(data_dir: Path, service: str) -> Path:
    return data_dir / "logs" / f"{service}.log"


def pid_file(data_dir: Path, service: str) -> Path:
    return data_dir / "run" / f"{service}.pid"


class ServiceProcess:
    """A running process, leader of a process group of its own, so that Ctrl-C reaches only the supervisor."""

    def __init__(self, process: asyncio.subprocess.Process, pid_file: Path) -> None:
        self._process = process
        self._pid_file = pid_file
        self._cleared = False
        self.pid = process.pid
        self.condemned: Unavailable | None = None
        """Why the supervisor is ending it, if it is."""

    @classmethod
    async def start(cls, service: Service, data_dir: Path) -> Self:
        """Its output is appended to DATA_DIR/logs/<service>.log, its pid kept in DATA_DIR/run while it runs."""
        pid_path = pid_file(data_dir, service.name)
        with log_file(data_dir, service.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *service.command,
                env={**os.environ, **service.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        # Only people need it; a disk that is full must leave no process without its supervisor.
        with contextlib.suppress(OSError):
            pid_path.write_text(f"{process.pid}\n")
        return cls(process, pid_path)

    async def wait(self) -> int:
        """Its exit code, negative for a signal's number. What it left behind in its group ends with it."""
        code = await self._process.wait()
        if not self._cleared:  # once: the pid may soon be another process's
            self._cleared = True
            with contextlib.suppress(OSError):
                self._pid_file.unlink(missing_ok=True)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """Ends it with SIGTERM, and with SIGKILL if it has not gone after the grace period."""
        with contextlib.suppress(ProcessLookupError):  # it went by itself
            self._process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                await self.wait()
        except TimeoutError:
            self._process.kill()
            await self.wait()


def exit_reason(code: int) -> str:
    """An exit code in words: `exit code 3`, `SIGKILL`."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def last_log_line(data_dir: Path, service: str) -> str:
    """The last line it wrote, or an empty string."""
    with log_file(data_dir, service).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
