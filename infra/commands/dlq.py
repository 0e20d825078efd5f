"""`convergio dlq list|show|redrive`: messages that could not be processed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from infra.commands.console import Format, number, out
from infra.errors import Failure

if TYPE_CHECKING:
    from infra.kafka.dead_letters import DeadLetter

dlq = typer.Typer(
    no_args_is_help=True,
    help="Look at messages that could not be processed, and give them another try.",
)

Reason = Annotated[str, typer.Option("--reason", help="Only those whose reason contains this text.")]


@dlq.command("list")
def list_letters(
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 100,
    output: Annotated[Format, typer.Option("--format")] = Format.TABLE,
) -> None:
    """List dead letters, each once, with the reason it was set aside."""
    letters = _letters(reason)
    if output is Format.JSON:
        typer.echo(json.dumps([_facts(letter) for letter in letters[:limit]], indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("letter", "set aside at", "bytes", "reason", box=None, pad_edge=False)
    for letter in letters[:limit]:
        when = f"{letter.died_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(letter.name, when, number(len(letter.value)), Text(letter.reason))
    if letters:
        out.print(table)
    rest = len(letters) - min(limit, len(letters))
    out.print(f"{number(len(letters))} dead letter(s){f', {number(rest)} not shown' if rest else ''}")


@dlq.command()
def show(letter: Annotated[str, typer.Argument(help="partition:offset, as `dlq list` shows it.")]) -> None:
    """Show one dead letter: where it came from, its headers, and its value as it was."""
    for found in _letters(""):
        if found.name == letter:
            typer.echo(f"source   {found.source.topic} partition {found.source.partition} offset {found.source.offset}")
            typer.echo(f"time     {found.died_at:%Y-%m-%d %H:%M:%S} UTC")
            typer.echo(f"reason   {found.reason}")
            typer.echo(f"key      {_text(found.key or b'')}")
            for name, value in found.headers:
                typer.echo(f"header   {name}: {_text(value)}")
            typer.echo("")
            typer.echo(_text(found.value))
            return
    raise Failure(f"there is no dead letter {letter}; `convergio dlq list` shows them all")


@dlq.command()
def redrive(
    letters: Annotated[list[str] | None, typer.Argument(help="partition:offset of some; all by default.")] = None,
    reason: Reason = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would be sent.")] = False,
) -> None:
    """Send dead letters to the processors once more, after what was wrong has been put right.

    The original goes to its user's partition again, acknowledged by Kafka. Doing it twice does no harm: every event
    is known by its id and counted once. A letter stays in the list until Kafka's retention removes it.
    """
    from infra.kafka.dead_letters import redrive as send_again
    from infra.settings import load

    found = _letters(reason)
    if letters:
        unknown = set(letters) - {letter.name for letter in found}
        if unknown:
            raise Failure(f"there is no dead letter {', '.join(sorted(unknown))}; `convergio dlq list` shows them all")
        found = [letter for letter in found if letter.name in letters]
    found = found[:limit]
    if dry_run:
        for letter in found:
            typer.echo(f"{letter.name} {letter.reason}")
        out.print(f"{number(len(found))} dead letter(s) would be sent again")
        return
    count = asyncio.run(send_again(load(), found))
    out.print(f"{number(count)} dead letter(s) sent again and acknowledged; events stored before are not counted twice")


def _letters(reason: str) -> list[DeadLetter]:
    from infra.kafka.dead_letters import dead_letters
    from infra.settings import load

    return [letter for letter in asyncio.run(dead_letters(load())) if reason in letter.reason]


def _facts(letter: DeadLetter) -> dict[str, str | int]:
    return {
        "letter": letter.name,
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.source.offset,
        "key": _text(letter.key or b""),
        "reason": letter.reason,
        "set_aside_at": letter.died_at.isoformat(),
        "bytes": len(letter.value),
    }


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
