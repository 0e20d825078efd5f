"""What the supervisor is told about a process, and what it tells about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Probe = Callable[[], Awaitable[bool]]
"""Answers soon, and answers False rather than raising."""


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running, or with `once` to run to its end."""

    name: str
    """Also the name of its log and its pid file."""
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""
    ports: tuple[int, ...] = ()
    """Ports of the loopback address it will listen on."""
    ports_setting: str = "another service"
    """The options and settings that choose other ports."""
    ready: Probe | None = None
    """Whether what depends on it may start. None: as soon as it runs."""
    healthy: Probe | None = None
    """Asked once it has been ready; a run of False gets it killed and restarted."""
    once: bool = False
    """Ready when it has ended with exit code 0; never restarted."""
    start_seconds: float = 60.0
    """It must be ready (or, with `once`, have ended) within these."""
    stop_seconds: float = 20.0
    """From SIGTERM to SIGKILL."""


class EventKind(StrEnum):
    STARTED = "started"
    READY = "ready"
    FINISHED = "finished"
    """One that runs once has ended well."""
    DIED = "died"
    UNHEALTHY = "unhealthy"
    RESTARTED = "restarted"
    FAILED = "could not be started"
    """It is tried again."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    kind: EventKind
    service: str
    pid: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.service} {self.kind} (pid {self.pid})" + (f": {self.detail}" if self.detail else "")
