"""Certificates for tests: a CA, what it issues for servers and clients, and the PEM files of both."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
YESTERYEAR = datetime(2021, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Authority:
    """A CA whose files stand in a folder of its own."""

    folder: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca.cert_pem.write_to_path(str(self.file))

    @property
    def file(self) -> Path:
        """The CA's certificate."""
        return self.folder / "ca.pem"

    def server(self, *hosts: str, not_after: datetime | None = None) -> Path:
        """Key and chain of a server in one file, for 127.0.0.1 by default."""
        start = LONG_AGO if not_after else None
        issued = self.ca.issue_cert(*(hosts or ("127.0.0.1", "localhost")), not_before=start, not_after=not_after)
        return self._write(issued, f"server-{len(list(self.folder.iterdir()))}.pem")

    def expired(self) -> Path:
        """A server whose certificate has expired."""
        return self.server(not_after=YESTERYEAR)

    def client(self, name: str, not_after: datetime | None = None) -> Path:
        """Key and chain of a client with this common name, in one file."""
        issued = self.ca.issue_cert(
            f"{name}@example.org",
            common_name=name,
            not_before=LONG_AGO if not_after else None,
            not_after=not_after,
        )
        return self._write(issued, f"{name}.pem")

    def context(self, server: Path) -> ssl.SSLContext:
        """For a server of the tests' own."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(server)
        return context

    def _write(self, issued: trustme.LeafCert, name: str) -> Path:
        # Kafka reads keys in PKCS #8 only.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self.folder / name
        file.write_bytes(text + b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return file


def put_authorities(file: Path, authorities: Iterable[Authority]) -> None:
    """Puts CAs into a file as a renewal does: it is there, whole, at every moment."""
    new = file.with_suffix(".new")
    new.write_bytes(b"".join(authority.file.read_bytes() for authority in authorities))
    new.rename(file)
