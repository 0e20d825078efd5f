"""When to restart what died: soon, then ever more slowly, and soon again once it has proved itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    first_delay: float = 0.5
    """Seconds before the first restart; each further one waits `factor` times as long."""
    factor: float = 2.0
    longest_delay: float = 30.0
    stable_after: float = 60.0
    """Seconds up after which the delays begin anew."""
    start_attempts: int = 3
    """Deaths before it was ever ready, at which the start of the whole is given up."""
    health_interval: float = 5.0
    """Seconds between health checks."""
    unhealthy_after: int = 4
    """Failed health checks in a row at which it is killed."""
    poll_interval: float = 0.1
    """Seconds between readiness checks."""


class Backoff:
    """The delays of one service."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._next = policy.first_delay

    def delay_after(self, uptime: float) -> float:
        """Seconds to wait before the restart of a process that was up for `uptime` seconds."""
        if uptime >= self._policy.stable_after:
            self._next = self._policy.first_delay
        delay = self._next
        self._next = min(delay * self._policy.factor, self._policy.longest_delay)
        return delay
