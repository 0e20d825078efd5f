"""One spelling for each origin, and what a page of an allowed origin may do."""

from __future__ import annotations

import pytest

from schemas.origins import MAX_REQUESTED_HEADERS, AllowedOrigins, canonical_origin, is_own_page

APP = b"https://app.example.org"
INSTRUMENTATION = (
    b"content-type,traceparent,tracestate,baggage,sentry-trace,x-request-id,b3,x-b3-traceid,x-b3-spanid,x-b3-sampled,"
    b"x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin,x-datadog-sampling-priority,newrelic"
)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("https://app.example.org", "https://app.example.org"),
        ("HTTPS://App.Example.org:443", "https://app.example.org"),
        ("http://app.example.org:80", "http://app.example.org"),
        ("https://app.example.org:80", "https://app.example.org:80"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("app://-", "app://-"),
        ("app://.", "app://."),
        ("chrome-extension://abcdefghijklmnopabcdefghijklmnop", "chrome-extension://abcdefghijklmnopabcdefghijklmnop"),
        (
            "moz-extension://0f6ad1e0-7d1f-4a39-a0f5-6f7dd0d2ab4b",
            "moz-extension://0f6ad1e0-7d1f-4a39-a0f5-6f7dd0d2ab4b",
        ),
        ("capacitor://localhost:443", "capacitor://localhost:443"),
    ],
)
def test_an_origin_has_one_spelling(given: str, canonical: str) -> None:
    assert canonical_origin(given) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "null",
        "",
        "*",
        "app.example.org",
        "https://",
        "https://*.example.org",
        "https://app.example.org/",
        "https://app.example.org/app",
        "https://app.example.org:",
        "https://app.example.org:65536",
        "https://app.example.org:0443",
        "https://user@app.example.org",
        "https://app.example.org?x",
        "https://app.example.org https://b.example.org",
        "file:///index.html",
        "1app://localhost",
        "https://m\u00fcller.example",
        "https://app.example.org\n",
    ],
)
def test_what_is_no_origin_has_none(given: str) -> None:
    assert canonical_origin(given) is None


@pytest.mark.parametrize("origin", [APP, b"https://app.example.org:443", b"HTTPS://APP.EXAMPLE.ORG"])
def test_a_page_is_allowed_however_its_origin_is_written_and_reads_its_own_spelling(origin: bytes) -> None:
    headers = dict(AllowedOrigins(["https://app.example.org"]).response_headers({b"origin": origin}))
    assert headers[b"access-control-allow-origin"] == origin
    assert headers[b"access-control-allow-credentials"] == b"true"


@pytest.mark.parametrize(
    "origin", [b"null", b"https://evil.example", b"http://app.example.org", b"\xff", b"app.example.org"]
)
def test_no_other_page_is_allowed(origin: bytes) -> None:
    allowed = AllowedOrigins(["https://app.example.org"])
    assert allowed.response_headers({b"origin": origin}) == []
    assert allowed.preflight_headers({b"origin": origin, b"access-control-request-headers": b"b3"}, b"POST") == []


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        (b"https://app.example.org", b"app.example.org", True),
        (b"https://app.example.org", b"App.Example.org:443", True),
        (b"http://app.example.org", b"app.example.org:80", True),
        (b"http://app.example.org:8080", b"app.example.org:8080", True),
        (b"http://[::1]:8000", b"[::1]:8000", True),
        (b"https://app.example.org", b"app.example.org:8443", False),
        (b"https://app.example.org", b"", False),
        (b"null", b"null", False),
    ],
)
def test_a_page_of_the_services_own_host_is_known(origin: bytes, host: bytes, own: bool) -> None:
    assert is_own_page({b"origin": origin, b"host": host}) is own


def allowed_headers(asked: bytes | None) -> bytes:
    headers = {b"origin": APP} | ({} if asked is None else {b"access-control-request-headers": asked})
    return dict(AllowedOrigins([APP.decode()]).preflight_headers(headers, b"POST, OPTIONS"))[
        b"access-control-allow-headers"
    ]


@pytest.mark.parametrize("asked", [INSTRUMENTATION, b"b3", b"Content-Type , X-Custom", b"authorization"])
def test_a_page_may_send_the_headers_it_asks_for(asked: bytes) -> None:
    assert allowed_headers(asked) == asked


@pytest.mark.parametrize(
    "asked", [None, b"", b"a b", b"a,,b", b"a:b", b"a\x00b", b"\xff", b"a" * (MAX_REQUESTED_HEADERS + 1)]
)
def test_what_are_no_names_of_headers_or_too_many_is_not_repeated(asked: bytes | None) -> None:
    assert b"content-encoding" in allowed_headers(asked)
