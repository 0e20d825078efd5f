"""What a trusted proxy says about the client: its address and whether it came over TLS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import cast


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _host(hop: str) -> str:
    """The address in an entry of `X-Forwarded-For`, to which some proxies add the port: `[2001:db8::1]:443`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


class Peers:
    """Knows which peers are proxies of ours; anyone else's forwarding headers are ignored."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = tuple(ip_network(network) for network in trusted)
        self._is_trusted = lru_cache(maxsize=4096)(self._look_up)

    def client_key(self, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> str:
        """What rate limits count an address under: IPv4 as it is, IPv6 by its /64, in memory only."""
        peer = self._peer(scope)
        if self._networks and self._is_trusted(peer):
            peer = self._forwarded_for(headers) or peer
        if ":" not in peer:
            return peer
        address = _address(peer)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, 64), strict=False))
        return peer if address is None else str(address)

    def over_tls(self, scope: Mapping[str, object], headers: Mapping[bytes, bytes]) -> bool:
        """Whether the client's own connection was TLS, as far as can be believed."""
        if scope.get("scheme") == "https":
            return True
        if not self._networks or not self._is_trusted(self._peer(scope)):
            return False
        # The proxy next to us writes last.
        return headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower() == b"https"

    def _forwarded_for(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The last address that is not a proxy of ours: everything before it can be made up."""
        for hop in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            if not hop.strip():
                # An empty member of a list means nothing (RFC 9110, section 5.6.1).
                continue
            text = _host(hop.strip())
            if _address(text) is None:
                return None
            if not self._is_trusted(text):
                return text
        return None

    def _look_up(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    @staticmethod
    def _peer(scope: Mapping[str, object]) -> str:
        client = cast("tuple[str, int] | None", scope.get("client"))
        return "" if client is None else client[0]
