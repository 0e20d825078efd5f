"""Content negotiation (RFC 9110, section 12.5): which of a few offers a client likes best."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MEMBER: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETER: Final = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*"?)+')
_QUALITY: Final = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?")


def preferred(header: str, offers: Sequence[str]) -> int:
    """The index of the offer with the highest quality in an Accept or Accept-Encoding header.

    The first offer is the default: it wins ties with wildcards, and when nothing matches or there is no header.
    Among offers that are named with equal quality, the one the header names first wins, which is what Prometheus
    means by its order. Parameters other than `q` are not compared; a `q` that is no quality counts as 1.
    """
    ranges = [_range(part, place) for place, part in enumerate(_MEMBER.findall(header)) if part.strip()]
    best, best_rank = 0, (0.0, float("-inf"))
    for index, offer in enumerate(offers):
        matches = [(_specificity(name, offer), quality, -place) for name, quality, place in ranges]
        specificity, quality, order = max(matches, default=(-1, 0.0, 0))
        if specificity < 0:
            continue
        rank = (quality, float(order) if specificity == 2 else float("-inf"))
        if quality > 0 and rank > best_rank:
            best, best_rank = index, rank
    return best


def _range(part: str, place: int) -> tuple[str, float, int]:
    name, *parameters = (piece.strip().lower() for piece in _PARAMETER.findall(part) or [""])
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, _quality(value.strip()), place
    return name, 1.0, place


def _quality(text: str) -> float:
    return float(text) if _QUALITY.fullmatch(text) else 1.0


def _specificity(name: str, offer: str) -> int:
    """2: named; 1: its whole type; 0: anything; -1: not meant."""
    if name == offer:
        return 2
    if name == offer.partition("/")[0] + "/*":
        return 1
    return 0 if name in ("*/*", "*") else -1
