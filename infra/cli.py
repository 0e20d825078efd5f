"""The command line `convergio`; also `python -m infra.cli`.

Exit codes: 0 done · 1 something was found wrong · 2 wrong use or a bad setting · 3 a server does not answer ·
4 something on this machine is in the way · 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from infra.commands import audit, config, demo, dlq, erase, migrate, services, simulate, up
from infra.commands.console import err
from infra.errors import Failure

app = typer.Typer(
    name="convergio",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help=(
        "Self-hosted telemetry for a learning app: every event answered 202 is counted exactly once.\n\n"
        "Start with **convergio demo**: the whole pipeline on this machine, with traffic. "
        "**convergio up** is the same without traffic and keeps its data."
    ),
    epilog=(
        "Settings: CONVERGIO_* variables, or a TOML file named by CONVERGIO_CONFIG; see **convergio config**.\n\n"
        "Exit codes: 0 done, 1 something was found wrong, 2 wrong use or a bad setting, 3 a server does not answer, "
        "4 something on this machine is in the way, 130 interrupted."
    ),
)

_HERE = "On this machine"
_SERVICES = "Services"
_OPERATIONS = "Operations"

app.command(rich_help_panel=_HERE)(demo.demo)
app.command(rich_help_panel=_HERE)(up.up)
app.command(rich_help_panel=_HERE)(simulate.simulate)
app.command(rich_help_panel=_SERVICES)(services.ingest)
app.command(rich_help_panel=_SERVICES)(services.process)
app.command(rich_help_panel=_SERVICES)(services.export)
app.command(rich_help_panel=_OPERATIONS)(migrate.migrate)
app.command(rich_help_panel=_OPERATIONS)(audit.audit)
app.add_typer(dlq.dlq, name="dlq", rich_help_panel=_OPERATIONS)
app.command(rich_help_panel=_OPERATIONS)(erase.erase)
app.command(rich_help_panel=_OPERATIONS)(config.config)


@app.command(rich_help_panel=_OPERATIONS)
def version() -> None:
    """Show the version."""
    from importlib.metadata import version as installed_version

    typer.echo(f"convergio-telemetry {installed_version('convergio-telemetry')}")


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _before_any_command(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Only carries the options that stand before a command."""


def main() -> None:
    """Runs the command line; what can be expected to go wrong becomes one line and an exit code."""
    try:
        app()
    except Failure as failure:
        err.print(f"convergio: {failure}", style="red", markup=False, highlight=False)
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
