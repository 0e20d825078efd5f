"""Accept headers as Prometheus and browsers send them."""

from __future__ import annotations

import pytest

from schemas.negotiation import preferred

TEXT, OPENMETRICS = 0, 1
OFFERS = ("text/plain", "application/openmetrics-text")
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("image/png", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.4", TEXT),
        ("text/plain;q=0.4 , application/openmetrics-text; q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("text/plain,application/openmetrics-text", TEXT),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("application/openmetrics-text,*/*", OPENMETRICS),
        ("APPLICATION/OPENMETRICS-TEXT;Q=1", OPENMETRICS),
        ("application/openmetrics-text;q=nonsense", OPENMETRICS),
        (",,;;,", TEXT),
        ("text/plain;q=0", TEXT),
        ("text/plain;q=0,*/*;q=0.1", OPENMETRICS),
        ("text/*;q=0,*/*", OPENMETRICS),
        ("application/*", OPENMETRICS),
        ("application/*,text/plain;q=0.9", OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0,text/plain,application/openmetrics-text;version=0.0.1",
            OPENMETRICS,
        ),
        ('text/plain;note="a,b;q=0";q=0.2,application/openmetrics-text;q=0.1', TEXT),
        ('text/plain;note="\\",application/openmetrics-text;q=0', TEXT),
        ("text/plain;q=0.4;version=abc,application/openmetrics-text;version=abc;q=0.5", OPENMETRICS),
        ("text/plain;q=nan,application/openmetrics-text;q=0.9", TEXT),
        ("text/plain;q=1e-3,application/openmetrics-text;q=0.9", TEXT),
    ],
)
def test_the_format_the_client_likes_best_is_chosen(accept: str, chosen: int) -> None:
    assert preferred(accept, OFFERS) == chosen


@pytest.mark.parametrize(
    ("accept_encoding", "compressed"),
    [("", False), ("gzip", True), ("gzip, deflate, br", True), ("gzip;q=0", False), ("identity", False), ("*", False)],
)
def test_bodies_are_compressed_for_clients_that_name_gzip(accept_encoding: str, compressed: bool) -> None:
    assert preferred(accept_encoding, ("identity", "gzip")) == compressed
