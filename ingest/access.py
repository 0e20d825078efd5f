"""Who may call: write keys, the operator's token, and origins (CORS)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hmac import compare_digest

from pydantic import SecretStr

from ingest.problems import Headers, Problem
from schemas.origins import AllowedOrigins, is_own_page
from schemas.requests import bearer_token


class WriteKeys:
    """The keys one of which a client must show to post events; none configured means none needed."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys = tuple(key.get_secret_value().encode() for key in keys)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises a 401 problem without a key and a 403 problem with a wrong one."""
        if not self._keys:
            return
        shown = headers.get(b"x-write-key") or bearer_token(headers)
        if not shown:
            raise Problem(
                "write-key-missing",
                "Send a write key as `Authorization: Bearer …` or `X-Write-Key`.",
                headers=((b"www-authenticate", b"Bearer"),),
            )
        # All are compared, so the time taken says nothing about which one fits.
        if sum(compare_digest(shown, key) for key in self._keys) == 0:
            raise Problem("write-key-wrong", "This write key is unknown; ask the operator for a current one.")


class OperatorToken:
    """The token that speaks for any user; without one configured nobody does."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = None if token is None else token.get_secret_value().encode()

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises a 401 problem without a token and a 403 problem with a wrong one."""
        shown = bearer_token(headers)
        if not shown:
            raise Problem(
                "token-missing",
                "Naming a user takes the operator's token as `Authorization: Bearer …`.",
                headers=((b"www-authenticate", b"Bearer"),),
            )
        if self._token is None or not compare_digest(shown, self._token):
            raise Problem("token-wrong", "This token may not act for a user.")


class Origins:
    """Which pages may call from a browser, and the headers that let them read the answer."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = AllowedOrigins(allowed)

    def admit(self, headers: Mapping[bytes, bytes]) -> Headers:
        """The CORS headers for the answer, empty for a call from the gateway's own host or no browser.

        Raises an `origin-not-allowed` problem when origins are configured and this is none of them.
        """
        cors = self._allowed.response_headers(headers)
        if not cors and self._allowed and b"origin" in headers and not is_own_page(headers):
            raise Problem("origin-not-allowed", "Pages of this origin may not call; ask the operator to allow it.")
        return cors

    def preflight(self, headers: Mapping[bytes, bytes], methods: bytes) -> Headers:
        """The headers of the answer to a browser's OPTIONS request; raises as `admit` does."""
        self.admit(headers)
        return self._allowed.preflight_headers(headers, methods)
