"""Who may read what: scrapes by token or password, statistics by the user's own cookie or the operator's token."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from exporter.settings import ExporterSettings

UID_COOKIE = "convergio_uid"
"""The gateway's first-party cookie; its value is the user's id."""


class Denied(Exception):
    """A request that names nobody (401) or a secret that is wrong (403 where a token was sent in vain)."""

    def __init__(self, status: int, detail: str, challenge: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose statistics may be read: one user's, or everybody's when `user` is None."""

    user: UUID | None


def admit_scrape(settings: ExporterSettings, authorization: str | None) -> None:
    """Raises `Denied` (401) unless the header carries one of the configured credentials, or none is configured."""
    token, user, password = settings.exporter_token, settings.exporter_user, settings.exporter_password
    if token is None and user is None:
        return
    scheme, credentials = _split(authorization)
    if scheme == "bearer" and token is not None and _same(credentials, token):
        return
    if scheme == "basic" and user is not None and password is not None:
        sent_user, _, sent_password = _decode_basic(credentials).partition(":")
        # Both are compared whatever the first says, so that the time taken tells nothing.
        if _same(sent_user, SecretStr(user)) & _same(sent_password, password):
            return
    realm = 'realm="convergio metrics"'
    schemes = [name for name, known in (("Bearer", token), ("Basic", user)) if known is not None]
    raise Denied(
        401,
        "this scrape needs the exporter's token or password",
        ", ".join(f"{scheme} {realm}" for scheme in schemes),
    )


def admit_operator(operator_token: SecretStr | None, authorization: str | None) -> None:
    """Raises `Denied` unless the header carries the operator token: 401 without a token, 403 with a wrong one."""
    scheme, credentials = _split(authorization)
    if scheme != "bearer":
        raise Denied(401, "this needs the operator token", 'Bearer realm="convergio"')
    if operator_token is None or not _same(credentials, operator_token):
        raise Denied(403, "the token is not the operator token")


def audience(operator_token: SecretStr | None, authorization: str | None, cookies: Mapping[str, str]) -> Audience:
    """Whose statistics a request may read: everybody's with the operator token, else the cookie's user's.

    Raises `Denied`: 403 for a wrong token, 401 with neither token nor a cookie that holds an id.
    """
    if _split(authorization)[0] == "bearer":
        admit_operator(operator_token, authorization)
        return Audience(None)
    user = _user(cookies.get(UID_COOKIE))
    if user is None:
        raise Denied(401, f"statistics need the cookie {UID_COOKIE} or an operator token", 'Bearer realm="convergio"')
    return Audience(user)


def _user(cookie: str | None) -> UUID | None:
    try:
        user = UUID(cookie)
    except (TypeError, ValueError):
        return None
    # Python reads more spellings than the gateway ever writes.
    return user if str(user) == (cookie or "").lower() else None


def _split(authorization: str | None) -> tuple[str, str]:
    scheme, _, credentials = (authorization or "").partition(" ")
    return scheme.lower(), credentials.strip()


def _decode_basic(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(sent: str, secret: SecretStr) -> bool:
    return hmac.compare_digest(sent.encode(), secret.get_secret_value().encode())
