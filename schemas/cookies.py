"""The first-party cookies that gateway and exporter read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.ids import canonical_uuid

UID_COOKIE: Final = "convergio_uid"
"""Its value is the user's id."""
OPT_OUT_COOKIE: Final = "convergio_optout"
"""Its value is 1 while the person has opted out."""


def cookie_user(headers: Mapping[bytes, bytes]) -> str | None:
    """The user of the first id cookie that holds a valid id, or None.

    A browser sends several cookies of one name if they were set for several paths or domains; ours may be any of them.
    """
    for value in _values(headers, UID_COOKIE):
        user = canonical_uuid(value)
        if user is not None:
            return user
    return None


def opted_out(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a cookie says that the person has opted out."""
    return "1" in _values(headers, OPT_OUT_COOKIE)


def _values(headers: Mapping[bytes, bytes], name: str) -> Iterator[str]:
    wanted = name.encode()
    header = headers.get(b"cookie")
    if header is None or wanted not in header:
        return
    for pair in header.split(b";"):
        key, separator, value = pair.strip().partition(b"=")
        if separator and key == wanted:
            yield value.strip(b'" ').decode("latin-1")
