"""Headers in several lines, cookies of one name, and tokens, as gateway and exporter read them."""

from __future__ import annotations

import uuid

import pytest

from schemas.cookies import cookie_user, opted_out
from schemas.proxies import Peers
from schemas.requests import bearer_token, request_headers

ANNA, BRUNO = str(uuid.uuid4()), str(uuid.uuid4())
PROXIES = Peers(["10.0.0.0/8"])


@pytest.mark.parametrize(
    "name", [b"x-forwarded-for", b"x-forwarded-proto", b"accept", b"access-control-request-headers"]
)
def test_the_lines_of_a_list_are_one_list_in_their_order(name: bytes) -> None:
    lines = [(name, b"first"), (b"host", b"x"), (name, b"second, third")]
    assert request_headers(lines) == {name: b"first, second, third", b"host": b"x"}


def test_lines_of_cookies_are_one_line() -> None:
    assert request_headers([(b"cookie", b"a=1"), (b"cookie", b"b=2; c=3")]) == {b"cookie": b"a=1; b=2; c=3"}


def test_of_several_lines_of_what_is_no_list_the_last_counts() -> None:
    assert request_headers([(b"dnt", b"0"), (b"dnt", b"1")]) == {b"dnt": b"1"}


@pytest.mark.parametrize(
    ("lines", "counted"),
    [
        # What a client makes up stands in front, whether the proxy adds to its line or writes another.
        (["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
        (["203.0.113.1, 203.0.113.2", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (["203.0.113.1", "198.51.100.7", "10.0.0.2", "10.0.0.3"], "198.51.100.7"),
        (["198.51.100.7", ""], "198.51.100.7"),
        (["198.51.100.7,", ", 10.0.0.2"], "198.51.100.7"),
    ],
)
def test_the_address_is_the_last_that_is_no_proxy_of_ours_in_all_lines(lines: list[str], counted: str) -> None:
    headers = request_headers([(b"x-forwarded-for", line.encode()) for line in lines])
    assert PROXIES.client_key({"client": ("10.0.0.1", 1)}, headers) == counted


@pytest.mark.parametrize(("lines", "tls"), [(["http", "https"], True), (["https", "http"], False)])
def test_the_last_proxy_says_whether_it_was_tls(lines: list[str], tls: bool) -> None:
    headers = request_headers([(b"x-forwarded-proto", line.encode()) for line in lines])
    assert PROXIES.over_tls({"client": ("10.0.0.1", 1)}, headers) is tls


@pytest.mark.parametrize(
    ("cookie", "user"),
    [
        (f"convergio_uid={ANNA}", ANNA),
        (f'a=b; convergio_uid="{ANNA}"', ANNA),
        (f"convergio_uid={ANNA.upper()}", ANNA),
        (f"convergio_uid={ANNA}; convergio_uid={BRUNO}", ANNA),
        (f"convergio_uid=; convergio_uid=anna; convergio_uid={BRUNO}; convergio_uid={ANNA}", BRUNO),
        (f"xconvergio_uid={BRUNO}; convergio_uid={ANNA}", ANNA),
        (f"convergio_uid_2={BRUNO}; Convergio_Uid={BRUNO}", None),
        ("convergio_uid", None),
        ("convergio_uid=\xff", None),
        ("", None),
    ],
)
def test_the_first_id_cookie_that_is_valid_names_the_user(cookie: str, user: str | None) -> None:
    assert cookie_user({b"cookie": cookie.encode("latin-1")}) == user


@pytest.mark.parametrize(
    ("cookie", "out"),
    [("convergio_optout=1", True), ("convergio_optout=; convergio_optout=1", True), ("convergio_optout=0", False)],
)
def test_any_opt_out_cookie_opts_out(cookie: str, out: bool) -> None:
    assert opted_out({b"cookie": cookie.encode()}) is out


@pytest.mark.parametrize(
    ("authorization", "token"),
    [("Bearer abc", b"abc"), ("bearer  abc", b"abc"), ("Bearer", b""), ("Basic abc", None), ("Bearerabc", None)],
)
def test_only_the_bearer_scheme_carries_a_token(authorization: str, token: bytes | None) -> None:
    assert bearer_token({b"authorization": authorization.encode()}) == token
