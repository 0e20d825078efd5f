"""Ids as text: UUIDs in their canonical form, lower case with hyphens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_HYPHENS: Final = (8, 13, 18, 23)
_HEX: Final = "0123456789abcdef"


def canonical_uuid(text: str) -> str | None:
    """The UUID in lower case, or None if `text` is not one written as 8-4-4-4-12 digits."""
    lower = text.lower()
    if len(lower) != 36 or any(lower[at] != "-" for at in _HYPHENS):
        return None
    digits = lower.replace("-", "")
    if len(digits) != 32 or digits.strip(_HEX):
        return None
    return lower


def are_canonical(ids: Sequence[str]) -> bool:
    """Whether every text is a lower-case UUID.

    Looks at all of them at once, which is cheaper than a regular expression or UUID objects for each; that is what
    makes it fit for the hot path.
    """
    count = len(ids)
    joined = "".join(ids)
    hyphens = "-" * count
    return (
        len(joined) == 36 * count
        and joined.encode("utf-8", "surrogatepass").translate(None, b"0123456789abcdef") == b"-" * (4 * count)
        and joined[8::36] == hyphens
        and joined[13::36] == hyphens
        and joined[18::36] == hyphens
        and joined[23::36] == hyphens
    )
