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
from schemas.cookies import UID_COOKIE, cookie_user
from schemas.requests import bearer_token


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


def admit_scrape(settings: ExporterSettings, headers: Mapping[bytes, bytes]) -> None:
    """Raises `Denied` (401) unless the headers carry one of the configured credentials, or none is configured."""
    token, user, password = settings.exporter_token, settings.exporter_user, settings.exporter_password
    if token is None and user is None:
        return
    if token is not None and _same(bearer_token(headers), token):
        return
    if user is not None and password is not None:
        sent_user, _, sent_password = _basic(headers).partition(b":")
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


def admit_operator(operator_token: SecretStr | None, headers: Mapping[bytes, bytes]) -> None:
    """Raises `Denied` unless the headers carry the operator token: 401 without a token, 403 with a wrong one."""
    token = bearer_token(headers)
    if token is None:
        raise Denied(401, "this needs the operator token", 'Bearer realm="convergio"')
    if operator_token is None or not _same(token, operator_token):
        raise Denied(403, "the token is not the operator token")


def audience(operator_token: SecretStr | None, headers: Mapping[bytes, bytes]) -> Audience:
    """Whose statistics a request may read: everybody's with the operator token, else the cookie's user's.

    Any other `Authorization` is somebody else's, for example that of a proxy which protects a site, and says nothing
    about a user who has a cookie. Raises `Denied` without a cookie that holds an id: 403 for a wrong token, else 401.
    """
    token = bearer_token(headers)
    if operator_token is not None and _same(token, operator_token):
        return Audience(None)
    user = cookie_user(headers)
    if user is not None:
        return Audience(UUID(user))
    if token is not None:
        raise Denied(403, "the token is not the operator token")
    raise Denied(401, f"statistics need the cookie {UID_COOKIE} or an operator token", 'Bearer realm="convergio"')


def _basic(headers: Mapping[bytes, bytes]) -> bytes:
    """`user:password` of `Authorization: Basic …`; empty if there is none."""
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return b64decode(credentials.strip(), validate=True)
    except binascii.Error:
        return b""


def _same(sent: bytes | None, secret: SecretStr) -> bool:
    return sent is not None and hmac.compare_digest(sent, secret.get_secret_value().encode())
