"""The formats of a scrape, and which one it gets."""

from __future__ import annotations

from typing import Final

from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from schemas.negotiation import preferred

TEXT: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS: Final = openmetrics.CONTENT_TYPE_LATEST


def wants_openmetrics(accept: str) -> bool:
    """Whether a scrape with this Accept header gets OpenMetrics; the text format is the default."""
    return preferred(accept, ("text/plain", "application/openmetrics-text")) == 1


def text_of(collector: Collector) -> bytes:
    """The metrics in the text format."""
    return exposition.generate_latest(collector)


def openmetrics_of(collector: Collector) -> bytes:
    """The metrics as OpenMetrics."""
    return bytes(openmetrics.generate_latest(collector))  # type: ignore[no-untyped-call]


def exposed(collector: Collector, accept: str) -> tuple[bytes, str]:
    """The metrics in the format that the Accept header asks for, and its content type."""
    return (openmetrics_of(collector), OPENMETRICS) if wants_openmetrics(accept) else (text_of(collector), TEXT)
