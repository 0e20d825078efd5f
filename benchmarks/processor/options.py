"""Command-line options that the benchmarks of the processor share."""

from __future__ import annotations

import argparse


def numbers(text: str) -> list[int]:
    """Positive whole numbers, comma-separated, each once."""
    found = list(dict.fromkeys(int(part) for part in text.split(",")))
    if min(found) < 1:
        raise ValueError("numbers must be positive")
    return found


def add_runs(parser: argparse.ArgumentParser) -> None:
    """How often, and for how long at most."""
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=1800, metavar="SECONDS", help="longest time of one run")
