"""Keys that show themselves to nobody, and all of them that this process has: what must never be said."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

LEAST_SECRET_CHARS: Final = 6
"""Shorter ones ("none", "x") are placeholders, and would blot out ordinary words."""
LEAST_RANDOM_CHARS: Final = 12
MAX_KNOWN: Final = 1_024
"""Secrets that one process remembers; of more, those it met first are forgotten."""
FORGOTTEN_AT_ONCE: Final = 32
"""So many of them: whoever looks for them in groups keeps the groups of the others."""

_HEX: Final = re.compile(r"%[0-9A-F]{2}")


class Secret:
    """A key that shows itself to nobody unless asked by name. From here on it is not said anywhere: see `KNOWN`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    def reveal(self) -> str:
        """The key itself, for a request header and nothing else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"


def remember(value: str) -> None:
    """From here on this value is a secret of the process; one that is too short to be told from a word is not."""
    known = KNOWN.values
    if len(value) >= LEAST_SECRET_CHARS and value not in known:
        KNOWN.values = (*(known if len(known) < MAX_KNOWN else known[FORGOTTEN_AT_ONCE:]), value)


def holds_secret(text: str) -> bool:
    """Whether a name, say, holds a secret of the process as it is."""
    if len(text) >= LEAST_SECRET_CHARS:
        for value in KNOWN.values:
            if value in text:
                return True
    return False


class Known:
    """The secrets of the process.

    Attributes:
        values: All of them, in the order in which it met them; another tuple when there is another one.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: tuple[str, ...] = ()


KNOWN: Final = Known()


def looks_random(value: str) -> bool:
    """Whether a value is hardly a word or a name: letters and digits, 12 characters or more."""
    return len(value) >= LEAST_RANDOM_CHARS and any(map(str.isdecimal, value)) and any(map(str.isalpha, value))


def spell(secret: str) -> set[str]:
    """The spellings in which a program may repeat a secret: as it is, percent-encoded, escaped for JSON, hex, Base64.

    Base64 whatever stands before and after, as ``Authorization: Basic`` has it.
    """
    percent = {
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    }
    percent |= {_HEX.sub(lambda found: found[0].lower(), one) for one in percent}
    escaped = msgspec.json.encode(secret.encode("utf-8", "replace").decode())[1:-1].decode()
    data = secret.encode("utf-8", "replace")
    encoded = {one for offset in range(3) for one in _encode_base64(data, offset)} | {data.hex(), data.hex().upper()}
    return {secret, *percent, escaped, escaped.replace("/", "\\/"), *encoded}


def _encode_base64(data: bytes, offset: int) -> list[str]:
    """What Base64 makes of ``data`` behind ``offset`` other bytes (modulo 3), less the ends that depend on them."""
    first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
    whole = base64.b64encode(bytes(offset) + data).decode()[first:last]
    return [whole, whole.replace("+", "-").replace("/", "_")]
