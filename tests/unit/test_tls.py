"""A context whose files are replaced: new connections use the new ones, a file that cannot be used changes nothing."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

import pytest

from schemas.tls import CertificateFile, ClientContext, TlsFiles, refusal_of
from tests.certificates import Authority, put_authorities

HOST = "localhost"


def context(ca: Path, pair: Path | None = None) -> ClientContext:
    own = CertificateFile("CERT", str(pair)) if pair else None
    return ClientContext(TlsFiles(CertificateFile("CA", str(ca)), own))


def connects(client: ssl.SSLContext, server: ssl.SSLContext) -> bool:
    """Whether a handshake in memory succeeds, on both sides."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=HOST),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = set()
    for _ in range(5):
        for side in sides:
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return len(done) == 2


def test_a_new_connection_uses_what_the_file_holds_then(tmp_path: Path) -> None:
    old, new, ca = Authority(tmp_path / "old"), Authority(tmp_path / "new"), tmp_path / "ca.pem"
    of_old, of_new = old.context(old.server()), new.context(new.server())
    put_authorities(ca, [old])
    client = context(ca)
    assert (connects(client, of_old), connects(client, of_new)) == (True, False)
    put_authorities(ca, [old, new])
    assert (connects(client, of_old), connects(client, of_new)) == (True, True)
    put_authorities(ca, [new])
    assert (connects(client, of_old), connects(client, of_new)) == (False, True)


def test_a_link_that_is_pointed_elsewhere_is_a_new_file(tmp_path: Path) -> None:
    """Kubernetes replaces a secret by one link for all of its files."""
    old, new, link = Authority(tmp_path / "old"), Authority(tmp_path / "new"), tmp_path / "current"
    link.symlink_to("old")
    client = context(link / "ca.pem")
    assert connects(client, old.context(old.server()))
    (tmp_path / "next").symlink_to("new")
    os.rename(tmp_path / "next", link)  # noqa: PTH104 - a Path would follow the link
    assert connects(client, new.context(new.server()))


@pytest.mark.parametrize("broken", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", None], ids=["empty", "half", "gone"])
def test_while_a_new_file_cannot_be_used_the_earlier_one_is_and_the_log_says_so_once(
    broken: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, new, ca = Authority(tmp_path / "authority"), Authority(tmp_path / "new"), tmp_path / "ca.pem"
    put_authorities(ca, [authority])
    client, server = context(ca), authority.context(authority.server())
    if broken is None:
        ca.unlink()
    else:
        ca.write_bytes(broken)
    assert connects(client, server)
    assert connects(client, server)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "CA=" in line.__dict__["reason"] or "No such file" in line.__dict__["reason"]
    put_authorities(ca, [new])
    assert connects(client, new.context(new.server()))


def test_a_certificate_without_its_key_waits_for_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    server = authority.context(authority.server())
    server.load_verify_locations(authority.file)
    server.verify_mode = ssl.CERT_REQUIRED
    pair = tmp_path / "own.pem"
    whole = authority.client("convergio-gateway").read_bytes()
    pair.write_bytes(whole)
    client = context(authority.file, pair)
    assert connects(client, server)
    renewed = authority.client("convergio-gateway").read_bytes()
    key, _, chain = renewed.partition(b"-----END PRIVATE KEY-----\n")
    pair.write_bytes(whole.partition(b"-----END PRIVATE KEY-----\n")[0] + b"-----END PRIVATE KEY-----\n" + chain)
    assert connects(client, server)
    pair.write_bytes(key + b"-----END PRIVATE KEY-----\n" + chain)
    assert connects(client, server)


def test_an_error_that_has_nothing_to_do_with_tls_is_none_of_it() -> None:
    try:
        raise ConnectionRefusedError from OSError("no")
    except ConnectionRefusedError as error:
        assert refusal_of(error, "CA", "HOST", "TLS") is None
