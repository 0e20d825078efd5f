"""How gateway and exporter read an HTTP request: headers that come in several lines, tokens, and HEAD."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Final

_SEPARATORS: Final = {
    b"accept": b", ",
    b"accept-encoding": b", ",
    b"access-control-request-headers": b", ",
    b"content-encoding": b", ",
    # HTTP/2 splits cookies into lines of their own, and a balancer that speaks HTTP/1 to us may leave them apart.
    b"cookie": b"; ",
    b"x-forwarded-for": b", ",
    b"x-forwarded-proto": b", ",
}
"""The headers of ours that are lists, and what joins their lines (RFC 9110, section 5.3; RFC 9113, section 8.2.3)."""


def request_headers(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """One value for each name, from ASGI's header lines.

    The lines of a list are joined in their order. Of any other header the last line counts.
    """
    headers = dict(lines)
    if len(headers) != len(lines):
        for name, separator in _SEPARATORS.items():
            if name in headers:
                headers[name] = separator.join([value for other, value in lines if other == name])
    return headers


def header_text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """A header's value as text; empty if there is none."""
    return headers.get(name, b"").decode("latin-1")


def bearer_token(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The token of `Authorization: Bearer …`, or None if there is no header of that scheme."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def head_as_get(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The scope for an application, which then answers HEAD as it answers GET.

    The server knows the method of the request, and leaves the body out.
    """
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
