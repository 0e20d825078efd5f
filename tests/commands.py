"""Runs `convergio` as people do: a process with arguments, settings in its environment, an exit code."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """What a command wrote and how it ended."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Convergio:
    """The command line with given settings; `CONVERGIO_*` of this machine do not reach it."""

    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONVERGIO_")}
        return inherited | {f"CONVERGIO_{name.upper()}": value for name, value in self.settings.items()}

    def with_settings(self, **settings: str) -> Convergio:
        return Convergio({**self.settings, **settings})

    async def __call__(self, *arguments: str, code: int = 0, seconds: float = 120) -> Result:
        """Runs to the end. Fails if the exit code is not `code`, or if anything looks like a traceback."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        result = Result(process.returncode or 0, output.decode(), errors.decode())
        assert "Traceback" not in result.errors, result.errors
        assert result.code == code, f"{arguments} ended with {result.code}\n{result.output}\n{result.errors}"
        return result


COMMAND = (sys.executable, "-m", "infra.cli")
