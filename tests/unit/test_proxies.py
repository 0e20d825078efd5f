"""What is believed of `X-Forwarded-For`, in the forms that proxies write."""

from __future__ import annotations

import pytest

from schemas.proxies import Peers

PEERS = Peers(["10.0.0.0/8", "fd00::/8"])


def key(forwarded: str, peer: str = "10.0.0.1") -> str:
    return PEERS.client_key({"client": (peer, 1)}, {b"x-forwarded-for": forwarded.encode()})


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:49152", "198.51.100.7"),
        ("203.0.113.1, 198.51.100.7:49152", "198.51.100.7"),
        ("198.51.100.7:49152, 10.0.0.2:80", "198.51.100.7"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]:49152", "2001:db8:1:2::/64"),
        ("198.51.100.7, [fd00::2]:443", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_an_address_counts_as_itself_in_every_form_that_proxies_write(forwarded: str, counted: str) -> None:
    assert key(forwarded) == counted


@pytest.mark.parametrize("forwarded", ["", "unknown", "_hidden", "a:b", "1.2.3.4.5", "[]:80", "198.51.100.7, unknown"])
def test_without_an_address_the_proxy_counts(forwarded: str) -> None:
    assert key(forwarded) == "10.0.0.1"


def test_a_stranger_is_not_believed() -> None:
    assert key("198.51.100.7:1", peer="203.0.113.9") == "203.0.113.9"
