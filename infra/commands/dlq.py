"""`convergio dlq list|show|redrive`: messages that could not be processed."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import Format, number, out
from infra.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.kafka.dead_letters import DeadLetter
    from infra.kafka.permissions import Permission

dlq = typer.Typer(
    no_args_is_help=True,
    help="Look at messages that could not be processed, and give them another try.",
)

Reason = Annotated[str, typer.Option("--reason", help="Only those whose reason contains this text.")]


class State(StrEnum):
    """What became of a dead letter."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    ERASED = "erased"


@dlq.command("list")
def list_letters(
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 100,
    output: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """List dead letters, each once, with the reason it was set aside.

    State: waiting for a redrive, redriven, or erased: its user was erased after sending it.
    """
    from infra.kafka.permissions import LETTER_READER

    letters = _letters(reason, LETTER_READER)
    if output is Format.JSON:
        typer.echo(json.dumps([_facts(letter, state) for letter, state in letters[:limit]], indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("letter", "set aside at", "state", "bytes", "reason", box=None, pad_edge=False)
    for letter, state in letters[:limit]:
        when = f"{letter.died_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(letter.name, when, state.value, number(len(letter.value)), Text(_reason(letter, state)))
    if letters:
        out.print(table)
    rest = len(letters) - min(limit, len(letters))
    out.print(f"{number(len(letters))} dead letter(s){f', {number(rest)} not shown' if rest else ''}")


@dlq.command()
def show(letter: Annotated[str, typer.Argument(help="partition:offset, as `dlq list` shows it.")]) -> None:
    """Show a dead letter: where it came from, its headers, its value as it was. Of an erased user: only its place."""
    from infra.kafka.permissions import LETTER_READER

    shown = [(found, state) for found, state in _letters("", LETTER_READER) if found.name == letter]
    if not shown:
        raise Failure(f"there is no dead letter {letter}; `convergio dlq list` shows them all")
    for found, state in shown:
        typer.echo(f"source   {found.source.topic} partition {found.source.partition} offset {found.source.offset}")
        typer.echo(f"time     {found.died_at:%Y-%m-%d %H:%M:%S} UTC")
        typer.echo(f"state    {state.value}")
        typer.echo(f"reason   {_reason(found, state)}")
        if state is State.ERASED:
            typer.echo("\nIts user was erased after sending it: the rest is not shown, and it is never sent again.")
            continue
        typer.echo(f"key      {_text(found.key or b'')}")
        for name, value in found.headers:
            typer.echo(f"header   {name}: {_text(value)}")
        typer.echo("")
        typer.echo(_text(found.value))


@dlq.command()
def redrive(
    letters: Annotated[list[str] | None, typer.Argument(help="partition:offset of some; all by default.")] = None,
    reason: Reason = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would be sent.")] = False,
) -> None:
    """Send dead letters to the processors once more, after what was wrong has been put right.

    The original goes to its user's partition again, acknowledged by Kafka. A letter is sent again once, unless it is
    set aside again; one of a user who was erased after sending it is not sent. No event is counted twice.
    """
    from infra.kafka.dead_letters import redrive as send_again
    from infra.kafka.permissions import LETTER_READER, REDRIVER
    from infra.settings import load

    found = _letters(reason, LETTER_READER if dry_run else REDRIVER)
    if letters:
        unknown = set(letters) - {letter.name for letter, _ in found}
        if unknown:
            raise Failure(f"there is no dead letter {', '.join(sorted(unknown))}; `convergio dlq list` shows them all")
        found = [(letter, state) for letter, state in found if letter.name in letters]
    waiting = [letter for letter, state in found if state is State.WAITING][:limit]
    left_out = "".join(
        f", {number(count)} {words} left out"
        for state, words in ((State.REDRIVEN, "sent again before"), (State.ERASED, "of erased users"))
        if (count := sum(1 for _, each in found if each is state))
    )
    if dry_run:
        for letter in waiting:
            typer.echo(f"{letter.name} {letter.reason}")
        out.print(f"{number(len(waiting))} dead letter(s) would be sent again{left_out}")
        return
    count = asyncio.run(send_again(load(), waiting))
    out.print(
        f"{number(count)} dead letter(s) sent again and acknowledged{left_out}; "
        "events stored before are not counted twice"
    )


def _letters(reason: str, needed: Sequence[Permission]) -> list[tuple[DeadLetter, State]]:
    return [(letter, state) for letter, state in asyncio.run(_read(needed)) if reason in _reason(letter, state)]


async def _read(needed: Sequence[Permission]) -> list[tuple[DeadLetter, State]]:
    from infra.erased_letters import erased
    from infra.kafka.dead_letters import dead_letters
    from infra.kafka.requirements import require
    from infra.settings import load

    settings = load()
    await require(settings, needed)
    letters = await dead_letters(settings)
    gone = await erased(settings, letters)
    return [
        (letter, State.ERASED if letter.source in gone else State.REDRIVEN if letter.redriven else State.WAITING)
        for letter in letters
    ]


def _reason(letter: DeadLetter, state: State) -> str:
    """Why it was set aside; without what the reason may quote if its user was erased."""
    return letter.reason.partition(":")[0] if state is State.ERASED else letter.reason


def _facts(letter: DeadLetter, state: State) -> dict[str, str | int]:
    return {
        "letter": letter.name,
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.source.offset,
        "key": "" if state is State.ERASED else _text(letter.key or b""),
        "reason": _reason(letter, state),
        "set_aside_at": letter.died_at.isoformat(),
        "bytes": len(letter.value),
        "state": state.value,
    }


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
