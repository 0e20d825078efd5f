"""Ports that services will listen on: checked before any of them starts, so that the line names what to change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from infra.errors import Unavailable
from infra.local.ports import is_taken
from infra.local.service import Service

PATIENCE_SECONDS = 3.0
"""How long a port may stay taken: the kernel may still be ending a killed stack's processes."""
_POLL_SECONDS = 0.1
_HIGHEST_PORT = 65_535


async def refuse_port_conflicts(services: Sequence[Service]) -> None:
    """Raises Unavailable, in one line, if two services need one port, or if somebody else holds some."""
    wanted: dict[int, Service] = {}
    for service in services:
        for port in service.ports:
            if port > _HIGHEST_PORT:
                raise Unavailable(f"there is no port {port} ({service.name}); {_choose(service)}")
            first = wanted.setdefault(port, service)
            if first is not service:
                raise Unavailable(
                    f"port {port} is needed by both {first.name} and {service.name}; {_choose(first, service)}"
                )
    give_up = time.monotonic() + PATIENCE_SECONDS
    while taken := {port: service for port, service in wanted.items() if is_taken(port)}:
        if time.monotonic() >= give_up:
            named = ", ".join(f"{port} ({service.name})" for port, service in taken.items())
            raise Unavailable(
                f"{'port' if len(taken) == 1 else 'ports'} {named} {'is' if len(taken) == 1 else 'are'} taken;"
                f" stop what listens there, or {_choose(*taken.values())}"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _choose(*services: Service) -> str:
    return f"choose others with {', '.join(dict.fromkeys(service.ports_setting for service in services))}"
