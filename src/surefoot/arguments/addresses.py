"""Which IP addresses a stranger's URL may reach: those of the public internet, and no others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

# IANA's special-purpose registries (RFC 6890 and later), written out: what `is_global` says differs between versions
# of Python, and 168.63.129.16, where Azure's machines ask their host, is in none of them.
_CLOSED_V4: Final = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
]  # fmt: skip
_OPEN_V6: Final = IPv6Network("2000::/3")
_CLOSED_V6: Final = [
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20", "5f00::/16")
]
_NAT64: Final = IPv6Network("64:ff9b::/96")
_6TO4: Final = IPv6Network("2002::/16")


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet: not private, loopback, link-local, metadata, multicast, reserved.

    IPv6 that carries IPv4 (mapped, NAT64, 6to4) is judged by what it carries; Teredo and the deprecated compatible form
    are refused.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _6TO4:
        return is_public(IPv4Address((int(address) >> 80) & 0xFFFFFFFF))
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


_METADATA: Final = [
    *(IPv4Network(text) for text in ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32")),
]
_METADATA_V6: Final = [IPv6Network(text) for text in ("fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128")]


def is_metadata(address: Address) -> bool:
    """Whether a cloud's metadata service may answer there, or anything link-local: closed even inside a network."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _METADATA)
    if address.ipv4_mapped is not None:
        return is_metadata(address.ipv4_mapped)
    return address.scope_id is not None or any(address in network for network in _METADATA_V6)
