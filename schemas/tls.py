"""TLS towards Kafka and ClickHouse: contexts whose certificate files may be replaced while a service runs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

log = logging.getLogger(__name__)

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED, as the other codes from OpenSSL's x509_vfy.h
_NOT_YET_VALID = 9
_OTHER_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_UNKNOWN_CA = {18, 19, 20, 21}  # self-signed, or issued by nobody who is known


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A PEM file that a setting names."""

    setting: str
    path: str

    @classmethod
    def of(cls, setting: str, path: str) -> CertificateFile | None:
        """The file, if the setting names one."""
        return cls(setting, path) if path else None

    def stamp(self) -> tuple[int, int, int]:
        """What changes when the file is replaced. Raises `OSError`."""
        found = Path(self.path).stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one client: CA certificates (`None`: those of the system), its own certificate and its key."""

    ca: CertificateFile | None = None
    cert: CertificateFile | None = None
    key: CertificateFile | None = None

    def stamps(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when any of the files is replaced. Raises `OSError`."""
        return tuple(file.stamp() for file in (self.ca, self.cert, self.key) if file is not None)

    def context(self) -> ssl.SSLContext:
        """A context of what the files hold now. Raises `ValueError` that names the setting of a bad file."""
        with _naming(self.ca):
            context = ssl.create_default_context(cafile=self.ca.path if self.ca else None)
        if self.cert is not None:
            with _naming(self.cert, self.key):
                context.load_cert_chain(self.cert.path, self.key.path if self.key else None)
        return context


class ClientContext(ssl.SSLContext):
    """A client's context that uses, for each new connection, what its files hold then.

    While a new file cannot be used (it is half written, or its key is not there yet) the earlier one stays in use.
    """

    _files: TlsFiles
    _current: ssl.SSLContext
    _stamps: tuple[tuple[int, int, int], ...]
    _complained: bool

    def __new__(cls, files: TlsFiles) -> Self:
        """Raises `ValueError` that names the setting of a bad file."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        self._files, self._complained = files, False
        self._current = files.context()
        # Unknown until the first connection: stamps taken now may be of files that were replaced after the reading.
        self._stamps = ()
        return self

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """As `ssl.SSLContext`; asyncio's connections begin here."""
        return self._renewed().wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """As `ssl.SSLContext`; blocking connections begin here."""
        return self._renewed().wrap_socket(*args, **kwargs)

    def _renewed(self) -> ssl.SSLContext:
        try:
            stamps = self._files.stamps()
            if stamps != self._stamps:
                self._current = self._files.context()
                # The stamps from before the reading: a file that was replaced in between is read again.
                self._stamps, self._complained = stamps, False
        except (OSError, ValueError) as error:
            if not self._complained:
                log.error("certificate files cannot be used, the earlier ones stay", extra={"reason": str(error)})
                self._complained = True
        return self._current


def refusal_of(error: BaseException, ca_setting: str, host_setting: str, tls_setting: str) -> str | None:
    """Why TLS failed with a server, in words that name the setting to look at; `None` if it was not TLS that failed.

    `tls_setting` is the one that decides whether TLS is spoken.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_code"):
            return _verification(cause, ca_setting, host_setting)
        # aiohttp's own subclasses have no reason.
        # A connection that ends in the middle of a handshake is that of a server, or of a balancer's, that is away.
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) and not _is_end(cause):
            reason = cause.reason.lower().replace("_", " ")
            return f"does not complete a TLS handshake ({reason}); is {tls_setting} right?"
    return None


def _is_end(error: ssl.SSLError) -> bool:
    return isinstance(error, ssl.SSLEOFError) or "UNEXPECTED_EOF" in error.reason


def alert_of(error: BaseException) -> str | None:
    """What a server said when it ended a connection over TLS, for example because of the client's certificate."""
    reasons = (getattr(cause, "reason", None) for cause in _causes(error) if isinstance(cause, ssl.SSLError))
    return next((reason.lower().replace("_", " ") for reason in reasons if reason and "ALERT" in reason), None)


def _verification(error: ssl.SSLCertVerificationError, ca_setting: str, host_setting: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "shows a certificate that has expired; renew it on the server"
    if code == _NOT_YET_VALID:
        return "shows a certificate that is not valid yet; are the clocks right?"
    if code in _OTHER_NAME:
        return f"shows a certificate for another host; does {host_setting} name the host that it was made for?"
    if code in _UNKNOWN_CA:
        return f"shows a certificate of an unknown CA; does {ca_setting} name the file with the right one?"
    return f"shows a certificate that cannot be verified ({error.verify_message}); is {ca_setting} right?"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that led to it, however its library wrapped it."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]


@contextmanager
def _naming(*files: CertificateFile | None) -> Iterator[None]:
    """Turns what reading PEM files raises into a `ValueError` that names their settings."""
    given = [file for file in files if file is not None]
    try:
        yield
    except OSError as error:
        for file in given:
            try:
                Path(file.path).read_bytes()
            except OSError as unreadable:
                raise ValueError(f"{file.setting}={file.path} cannot be read: {unreadable.strerror}") from error
        named = " and ".join(f"{file.setting}={file.path}" for file in given)
        reason = str(getattr(error, "reason", None) or error)
        raise ValueError(f"{named} cannot be used: {reason.lower().replace('_', ' ')}") from error
