"""Addresses of services, as URLs have them and as this machine reaches them."""

from __future__ import annotations

import pytest

from schemas.addresses import authority, is_all_ipv6, local_url


@pytest.mark.parametrize(
    ("host", "written", "url"),
    [
        ("127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("::", "[::]:8000", "http://[::1]:8000"),
        ("0:0:0:0:0:0:0:0", "[0:0:0:0:0:0:0:0]:8000", "http://[::1]:8000"),
        ("::1", "[::1]:8000", "http://[::1]:8000"),
        ("2001:db8::7", "[2001:db8::7]:8000", "http://[2001:db8::7]:8000"),
        ("gateway.example.org", "gateway.example.org:8000", "http://gateway.example.org:8000"),
    ],
)
def test_ipv6_addresses_have_brackets_and_all_addresses_are_reached_at_loopback(
    host: str, written: str, url: str
) -> None:
    assert authority(host, 8000) == written
    assert local_url(host, 8000) == url


@pytest.mark.parametrize(
    ("host", "every"), [("::", True), ("0::0", True), ("::1", False), ("0.0.0.0", False), ("x", False)]
)
def test_only_the_unspecified_address_of_ipv6_means_every_address(host: str, every: bool) -> None:
    assert is_all_ipv6(host) is every
