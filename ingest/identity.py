"""Who a request is from: first-party cookies, and nothing else about the person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from schemas import cookies
from schemas.cookies import OPT_OUT_COOKIE, UID_COOKIE
from schemas.proxies import Peers


def mint() -> str:
    """A new user id: a random UUID v4, derived from nothing."""
    return str(uuid.uuid4())


def opted_out(headers: Mapping[bytes, bytes], respect_gpc: bool) -> bool:
    """Whether the person said no: by our cookie, or by the browser's own signal when that counts."""
    if respect_gpc and (headers.get(b"sec-gpc") == b"1" or headers.get(b"dnt") == b"1"):
        return True
    return cookies.opted_out(headers)


class Cookies:
    """Writes the gateway's cookies.

    The id is HttpOnly: requests carry it by themselves, and no script has reason to read it. The opt-out is
    readable, so that a page can show the state of its switch.
    """

    def __init__(self, *, secure: str, max_age_days: int, peers: Peers) -> None:
        self._secure = secure
        self._max_age = max_age_days * 24 * 3600
        self._peers = peers

    def identify(self, user_id: str, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> bytes:
        """`Set-Cookie` that makes the browser this user. Sent once, so that its life is not prolonged."""
        return self._write(UID_COOKIE, user_id, self._max_age, scope, headers, http_only=True)

    def forget(self, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> bytes:
        """`Set-Cookie` that removes the id."""
        return self._write(UID_COOKIE, "", 0, scope, headers, http_only=True)

    def consent(self, opt_out: bool, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> bytes:
        """`Set-Cookie` that records an opt-out, or removes it."""
        value, age = ("1", self._max_age) if opt_out else ("", 0)
        return self._write(OPT_OUT_COOKIE, value, age, scope, headers, http_only=False)

    def _write(
        self,
        name: str,
        value: str,
        max_age: int,
        scope: Mapping[str, object],
        headers: Mapping[bytes, bytes],
        *,
        http_only: bool,
    ) -> bytes:
        secure = self._secure == "always" or (self._secure == "auto" and self._peers.over_tls(scope, headers))
        text = f"{name}={value}; Path=/; Max-Age={max_age}; SameSite=Lax"
        if http_only:
            text += "; HttpOnly"
        if secure:
            text += "; Secure"
        return text.encode()
