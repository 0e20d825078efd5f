"""`convergio simulate`: traffic as real clients send it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import err, number, out
from infra.errors import Failure, WrongUse

if TYPE_CHECKING:
    from infra.simulate.simulation import Simulation, Tally

_REDRAW_SECONDS = 0.2


def simulate(
    url: Annotated[
        list[str] | None, typer.Option(help="A gateway; several take turns. Default: the local one.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="How many students.")] = 200,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Events a second; without it, as fast as they are answered.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="End after so many unique events.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so many seconds.")] = None,
    days: Annotated[int, typer.Option(min=0, help="First deliver sessions of so many past days.")] = 0,
    duplicates: Annotated[float, typer.Option(min=0, max=0.9, help="Share of batches and events sent twice.")] = 0.02,
    late: Annotated[float, typer.Option(min=0, max=0.9, help="Share of batches that arrive late.")] = 0.05,
    bad: Annotated[float, typer.Option(min=0, max=0.9, help="Share of events that have to be refused.")] = 0.01,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same users and event ids.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=250, help="The most events in a batch.")] = 50,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="Batches under way at once.")] = 16,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds after which an unanswered batch is given up.")
    ] = 300.0,
    write_key: Annotated[str | None, typer.Option(help="If the gateway asks for one.")] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Append every event and its answer to this file (NDJSON).")
    ] = None,
) -> None:
    """Send realistic traffic to a gateway: students who study, with duplicates, late and bad events.

    Runs until Ctrl-C unless --events or --seconds ends it. Every batch is kept until it is answered. Exits with 1 if
    one was given up, or if the gateway took a bad event or refused a good one.
    """
    from random import SystemRandom

    from infra.settings import load
    from infra.simulate.ledger import Ledger
    from infra.simulate.plan import Plan
    from infra.simulate.simulation import Simulation
    from schemas.addresses import local_url

    settings = load()
    try:
        plan = Plan(
            seed=SystemRandom().randrange(2**32) if seed is None else seed,
            users=users,
            rate=rate,
            events=events,
            history_days=days,
            duplicate_share=duplicates,
            late_share=late,
            bad_share=bad,
            batch_events=batch,
            retention_days=settings.retention_days,
        )
    except ValueError as error:
        raise WrongUse(str(error)) from error
    urls = url or [local_url(settings.ingest_host, settings.ingest_port)]
    with ExitStack() as stack:
        try:
            book = stack.enter_context(Ledger(ledger)) if ledger else None
        except OSError as error:
            raise WrongUse(f"{ledger} cannot be written: {error.strerror}") from error
        tally = _run_until_done(
            lambda: Simulation(plan, urls, connections=connections, patience=patience, token=write_key, ledger=book),
            seconds,
        )
    print_tally(tally, plan.seed)
    if tally.unanswered:
        raise Failure(f"{number(tally.unanswered)} events got no answer from {', '.join(urls)}; is it running?")
    if tally.surprises:
        raise Failure(f"{number(tally.surprises)} events were not answered as they should be: {dict(tally.answers)}")


def print_tally(tally: Tally, seed: int) -> None:
    """What was sent, and what the gateway said."""
    took = f"{tally.seconds:.1f} s, {tally.sent / max(tally.seconds, 1e-9):,.0f} events/s".replace(",", " ")
    out.print(
        f"sent {number(tally.sent)} events (seed {seed}) in {took}: {number(tally.accepted)} accepted, of which "
        f"{number(tally.repeats)} had been sent before; {number(tally.rejected)} refused; "
        f"{number(tally.unanswered)} unanswered; {number(tally.deliveries.retries)} batches tried again"
    )


@asynccontextmanager
async def progress_of(simulation: Simulation) -> AsyncIterator[None]:
    """A live line about a running simulation, for as long as the context lasts; nothing where nobody looks."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if simulation.plan.events else TextColumn("{task.completed}"),
        TextColumn("[green]{task.fields[accepted]}[/] accepted  [yellow]{task.fields[repeats]}[/] sent before"),
        TextColumn("[red]{task.fields[rejected]}[/] refused  {task.fields[rate]} events/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("events", total=simulation.plan.events, accepted=0, repeats=0, rejected=0, rate=0)

        async def redraw() -> None:
            before = simulation.tally.sent
            while True:
                await asyncio.sleep(_REDRAW_SECONDS)
                tally = simulation.tally
                progress.update(
                    task,
                    completed=tally.accepted - tally.repeats,
                    accepted=number(tally.accepted),
                    repeats=number(tally.repeats),
                    rejected=number(tally.rejected),
                    rate=number(int((tally.sent - before) / _REDRAW_SECONDS)),
                )
                before = tally.sent

        drawing = asyncio.create_task(redraw())
        try:
            yield
        finally:
            drawing.cancel()


def _run_until_done(create: Callable[[], Simulation], seconds: float | None) -> Tally:
    """Runs a simulation that Ctrl-C and SIGTERM end early, without losing track of what is under way."""
    import uvloop

    async def run() -> Tally:
        simulation = create()
        loop = asyncio.get_running_loop()
        for number_of_signal in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number_of_signal, simulation.stop)
        async with progress_of(simulation):
            return await simulation.run(seconds)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())
