"""Ids as text: UUIDs in their canonical form, lower case with hyphens."""

from __future__ import annotations

from collections.abc import Sequence


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
