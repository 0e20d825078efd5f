"""Origins of pages: one spelling for each, and what pages of allowed origins may do (CORS)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_FIELD_NAMES: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
MAX_REQUESTED_HEADERS: Final = 4096
"""Bytes of `Access-Control-Request-Headers` that are looked at."""

OUR_HEADERS: Final = b"authorization, content-encoding, content-type, x-write-key"
EXPOSED_HEADERS: Final = b"retry-after"
PREFLIGHT_SECONDS: Final = b"600"

Headers = list[tuple[bytes, bytes]]


def canonical_origin(text: str) -> str | None:
    """The origin in lower case and without its scheme's default port; None for what is no origin, such as `null`."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    if port is not None and int(port) > 65535:
        return None
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


def is_own_page(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the page that sends the request is of the very host that the request is sent to."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    scheme = origin.partition("://")[0]
    host = headers.get(b"host", b"").decode("latin-1")
    page = canonical_origin(origin)
    # A proxy may have ended TLS, so the page's scheme is taken for the service's.
    return page is not None and page == canonical_origin(f"{scheme}://{host}")


class AllowedOrigins:
    """The origins whose pages may send requests and read the responses; `allowed` are canonical."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def response_headers(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What a response needs for the page to read it; empty unless the page is of an allowed origin."""
        origin = headers.get(b"origin")
        if origin is None or not self._allows(origin):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
            (b"vary", b"origin"),
        ]

    def preflight_headers(self, headers: Mapping[bytes, bytes], methods: bytes) -> Headers:
        """The same for the response to a browser's OPTIONS request.

        The page may send whatever headers it asks for: the instrumentation of pages adds its own to every request
        (`traceparent`, `sentry-trace`), and whom we trust is decided by origin.
        """
        cors = self.response_headers(headers)
        if cors:
            asked = headers.get(b"access-control-request-headers", b"")
            valid = len(asked) <= MAX_REQUESTED_HEADERS and _FIELD_NAMES.fullmatch(asked)
            cors += [
                (b"access-control-allow-methods", methods),
                (b"access-control-allow-headers", asked if valid else OUR_HEADERS),
                (b"access-control-max-age", PREFLIGHT_SECONDS),
                (b"vary", b"access-control-request-headers"),
            ]
        return cors

    def _allows(self, origin: bytes) -> bool:
        if origin in self._allowed:
            return True
        canonical = canonical_origin(origin.decode("latin-1"))
        return canonical is not None and canonical.encode() in self._allowed
