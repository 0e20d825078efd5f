"""Keeps processes running: starts them in order, restarts what dies, stops them in reverse.

start: stage after stage, the next when all of one are ready      stop: last stage first
a process that dies            restarted after a delay (`infra.local.restarts`)
a process that stays unhealthy killed, then as above
the supervisor killed          the kernel takes its processes along (Linux)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from infra.errors import Unavailable
from infra.local.data_dir import DataDir
from infra.local.port_conflicts import refuse_port_conflicts
from infra.local.probes import until
from infra.local.process import ServiceProcess, exit_reason, last_log_line, log_file
from infra.local.restarts import Backoff, RestartPolicy
from infra.local.service import Event, EventKind, Service


@dataclass(frozen=True, slots=True)
class Stage:
    """Services that start together and stop together."""

    services: Sequence[Service]
    awaited: bool = True
    """Whether the next stage starts only when this one, and all before it, are ready."""


class Supervisor:
    """Supervises the services of `stages`, with their logs and pid files in a data dir that its owner releases.

    `on_event` is called for everything worth telling an operator. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        data_dir: DataDir,
        stages: Sequence[Stage],
        *,
        on_event: Callable[[Event], None] = lambda _: None,
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = data_dir.path
        self._stages = stages
        self._on_event = on_event
        self._policy = policy or RestartPolicy()
        self._clock = clock
        self._processes: dict[str, ServiceProcess] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when every service is ready. Raises Unavailable if one will not be; nothing is left running.

        Nothing is started when ports are in the way.
        """
        starting: list[asyncio.Task[None]] = []
        try:
            await refuse_port_conflicts([service for stage in self._stages for service in stage.services])
            for stage in self._stages:
                starting += [asyncio.create_task(self._start(service)) for service in stage.services]
                if stage.awaited:
                    await asyncio.gather(*starting)
            await asyncio.gather(*starting)
        except BaseException:
            await self.stop()
            await asyncio.gather(*starting, return_exceptions=True)
            raise

    async def stop(self) -> None:
        """Stops everything, stage by stage from the last to the first. May be called at any time."""
        self._stopping.set()
        for stage in reversed(self._stages):
            await asyncio.gather(*(self._stop(service) for service in stage.services))

    async def wait(self) -> None:
        """Returns once stopped. Raises what keeps a service from being supervised any longer."""
        if self._keepers:
            done, _ = await asyncio.wait(self._keepers.values(), return_when=asyncio.FIRST_EXCEPTION)
            for keeper in done:
                keeper.result()

    async def _start(self, service: Service) -> None:
        if service.once:
            await self._run_once(service)
            return
        ready = asyncio.Event()
        keeper = asyncio.create_task(self._keep(service, ready), name=f"keep {service.name}")
        self._keepers[service.name] = keeper
        is_ready = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({keeper, is_ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_ready.cancel()
        if keeper.done():
            keeper.result()

    async def _run_once(self, service: Service) -> None:
        process = await self._launch(service, EventKind.STARTED)
        try:
            async with asyncio.timeout(service.start_seconds):
                code = await process.wait()
        except TimeoutError:
            late = self._does_not_start(service, f"not done after {service.start_seconds:g} s")
            await process.stop(service.stop_seconds)
            raise late from None
        if code != 0:
            raise self._does_not_start(service, exit_reason(code))
        self._tell(EventKind.FINISHED, service, process)

    async def _keep(self, service: Service, ready: asyncio.Event) -> None:
        """Runs the service again and again until the supervisor stops. Raises Unavailable if it never starts."""
        backoff = Backoff(self._policy)
        deaths = 0
        while not self._stopping.is_set():
            try:
                process = await self._launch(service, EventKind.RESTARTED if deaths else EventKind.STARTED)
            except OSError as problem:  # a full disk, for example
                if not ready.is_set():
                    raise Unavailable(f"{service.name} cannot be started: {problem}") from problem
                self._on_event(Event(EventKind.FAILED, service.name, 0, str(problem)))
                await self._pause(backoff.delay_after(0.0))
                continue
            launched_at = self._clock()
            watch = asyncio.create_task(self._watch(service, process, ready))
            code = await process.wait()
            watch.cancel()
            if self._stopping.is_set():
                self._tell(EventKind.STOPPED, service, process, exit_reason(code))
                return
            deaths += 1
            self._tell(EventKind.DIED, service, process, exit_reason(code))
            uptime = self._clock() - launched_at
            if not ready.is_set() and (deaths >= self._policy.start_attempts or uptime >= service.start_seconds):
                raise process.condemned or self._does_not_start(service, exit_reason(code))
            await self._pause(backoff.delay_after(uptime))

    async def _launch(self, service: Service, kind: EventKind) -> ServiceProcess:
        process = await ServiceProcess.start(service, self._path)
        self._processes[service.name] = process
        self._tell(kind, service, process)
        if self._stopping.is_set():  # asked to stop while it was being started
            await process.stop(service.stop_seconds)
        return process

    async def _watch(self, service: Service, process: ServiceProcess, ready: asyncio.Event) -> None:
        """Says when the process is ready; ends it if it is not in time, or stays unhealthy later."""
        try:
            async with asyncio.timeout(service.start_seconds):
                if service.ready is not None:
                    await until(service.ready, self._policy.poll_interval)
        except TimeoutError:
            reason = f"not ready within {service.start_seconds:g} s"
        else:
            self._tell(EventKind.READY, service, process)
            ready.set()
            reason = await self._unhealthy(service)
        self._tell(EventKind.UNHEALTHY, service, process, reason)
        process.condemned = self._does_not_start(service, reason)
        await process.stop(service.stop_seconds)

    async def _unhealthy(self, service: Service) -> str:
        """Returns, with the reason, when the service has failed its health check too often in a row."""
        failures = 0
        while failures < self._policy.unhealthy_after:
            await asyncio.sleep(self._policy.health_interval)
            failures = 0 if service.healthy is None or await service.healthy() else failures + 1
        return f"{failures} health checks in a row failed"

    async def _stop(self, service: Service) -> None:
        process = self._processes.get(service.name)
        if process is not None:
            await process.stop(service.stop_seconds)
        keeper = self._keepers.get(service.name)
        if keeper is not None:
            await asyncio.wait({keeper})

    async def _pause(self, seconds: float) -> None:
        """Sleeps, but no longer than until the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _tell(self, kind: EventKind, service: Service, process: ServiceProcess, detail: str = "") -> None:
        self._on_event(Event(kind, service.name, process.pid, detail))

    def _does_not_start(self, service: Service, reason: str) -> Unavailable:
        said = last_log_line(self._path, service.name)
        log = log_file(self._path, service.name)
        return Unavailable(f"{service.name} does not start ({reason}): {said or 'it wrote nothing'}; see {log}")
