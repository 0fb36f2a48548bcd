"""Names of hosts: one spelling for each, and none that stands for something else."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_FOUR_NUMBERS: Final = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")
_MOST_CHARACTERS: Final = 253
_LOOKALIKES: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Alphabets with the same shapes; a label of two of them is a disguise."""

CLOSED_NAMES: Final = (
    "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "arpa", "onion",
    "test", "invalid", "consul", "svc", "cluster",
)  # fmt: skip
"""Last labels of names that only a private network knows (RFC 6761, RFC 6762, RFC 8375 and custom)."""


def read_host(text: str) -> str:
    """The host in its one spelling: lower case, punycode, no dot at the end; IPv6 in brackets.

    Raises:
        ValueError: It is no name of a host and no address in its usual notation.
    """
    if text.startswith("["):
        return _read_ipv6(text)
    text = text.removesuffix(".")
    labels = [_read_label(label) for label in text.split(".")]
    host = ".".join(labels)
    if len(host) > _MOST_CHARACTERS:
        raise ValueError(f"has a host of more than {_MOST_CHARACTERS} characters")
    if _NUMBER.fullmatch(labels[-1]):
        return _read_ipv4(host)
    return host


def is_closed_name(host: str) -> bool:
    """Whether the name can only stand for a machine of a private network."""
    last = host.rpartition(".")[2]
    return last in CLOSED_NAMES or last == host


def matches(host: str, allowed: str) -> bool:
    """Whether the host is the allowed one; ``*.example.com`` allows every name below ``example.com``."""
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _read_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text[1:-1] if text.endswith("]") else "")
    except ValueError:
        raise ValueError("has a wrong IPv6 address as its host") from None
    if address.scope_id is not None:
        raise ValueError("has a zone in its IPv6 address: leave it out")
    return f"[{address}]"


def _read_ipv4(host: str) -> str:
    if not _FOUR_NUMBERS.fullmatch(host):
        raise ValueError("has an unusual spelling of an IP address: write four decimal numbers, or the host's name")
    try:
        return str(IPv4Address(host))
    except ValueError:
        raise ValueError("has a wrong IP address as its host") from None


def _read_label(label: str) -> str:
    if not label.isascii():
        return _encode_label(label)
    label = label.lower()
    if not _LABEL.fullmatch(label):
        raise ValueError("has a host that is no name: only letters, digits, hyphens and dots are allowed")
    if label[2:4] == "--":
        _check_encoded(label)
    return label


def _check_encoded(label: str) -> None:
    """Punycode that stands for one spelling of something allowed."""
    try:
        is_same = label == _encode_label(label.removeprefix("xn--").encode().decode("punycode"))
    except (OverflowError, ValueError):  # a UnicodeError is a ValueError
        is_same = False
    if not is_same:
        raise ValueError("has a host with wrong punycode: write its name in its own letters")


def _encode_label(label: str) -> str:
    lower = label.lower()
    if unicodedata.normalize("NFKC", lower) != lower or lower.casefold() != lower or lower.isascii():
        raise ValueError("has a host with characters that stand for others: write its plain letters")
    for character in lower:
        if unicodedata.category(character)[0] not in "LM" and not (character.isdecimal() or character == "-"):
            raise ValueError("has a host that is no name: only letters, digits, hyphens and dots are allowed")
    scripts = {unicodedata.name(character, "").partition(" ")[0] for character in lower}
    if len(scripts & _LOOKALIKES) > 1:
        raise ValueError("has a host that mixes alphabets which look alike: write it in one")
    encoded = f"xn--{lower.encode('punycode').decode()}"
    if len(encoded) > 63 or encoded.startswith("xn---"):
        raise ValueError("has a host with too long a name, or one that begins with a hyphen")
    return encoded
