"""Texts of settings that have a form of their own, checked before anything connects or listens."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_HOST = re.compile(r"[^\s/@,\[\]]+")
_LONGEST_TOPIC = 239
"""Kafka's own bound is 249; the retention topic's name is ten characters longer than the events topic's."""


def check_host(text: str) -> str:
    """A host name or an IP address, without the brackets of a URL. Raises `ValueError` for anything else, in words."""
    host = text.strip()
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    # One colon is a port; an IPv6 address has at least two.
    if _HOST.fullmatch(host) is None or host.count(":") == 1:
        raise ValueError("must be a host name or an address alone, without a scheme, a port or spaces")
    return host


def check_brokers(text: str) -> str:
    """`host:port`, several separated by commas, as the list without spaces. Raises `ValueError`, in words."""
    brokers = [piece.strip() for piece in text.split(",")]
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if _HOST.fullmatch(bare) is None or (":" in host) != (bare != host) or not _is_port(port):
            raise ValueError(
                f"must be brokers as host:port, comma-separated, without a scheme or spaces; {broker!r} is none"
            )
    return ",".join(brokers)


def check_topic(text: str) -> str:
    """A topic name that Kafka takes. Raises `ValueError`, in words."""
    if re.fullmatch(r"[A-Za-z0-9._-]+", text) is None or text in (".", "..") or len(text) > _LONGEST_TOPIC:
        raise ValueError(f"must be a topic name: at most {_LONGEST_TOPIC} letters, digits, '.', '_' and '-'")
    return text


def check_database(text: str) -> str:
    """A database name that needs no quotes in SQL. Raises `ValueError`, in words."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is None:
        raise ValueError("must be letters, digits and '_', and not begin with a digit")
    return text


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535


Host = Annotated[str, AfterValidator(check_host)]
Brokers = Annotated[str, AfterValidator(check_brokers)]
TopicName = Annotated[str, AfterValidator(check_topic)]
DatabaseName = Annotated[str, AfterValidator(check_database)]
