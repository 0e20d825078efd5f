"""Addresses that services listen on: how they are written in URLs, and where a client on this machine connects."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them: `127.0.0.1:8000`, `[::]:8000`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url(host: str, port: int, *, tls: bool = False) -> str:
    """The URL of a service that listens on the host, as its log has it."""
    return f"{'https' if tls else 'http'}://{authority(host, port)}"


def local_url(host: str, port: int) -> str:
    """The URL at which this machine reaches a service that listens on the host."""
    return url(reachable(host), port)


def reachable(host: str) -> str:
    """The host to connect to from this machine: a loopback address for one that means all addresses."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1"}.get(host, "::1" if is_all_ipv6(host) else host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a service that listens on the host."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_all_ipv6(host: str) -> bool:
    """Whether a service that listens on the host takes connections to every address, of IPv6 and IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return isinstance(address, IPv6Address) and address.is_unspecified
