"""Keys out of messages: in every spelling that an error answer may repeat them in, whole or cut off."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus

import msgspec

MASK: Final = "[key]"

_MIN_SECRET_CHARS: Final = 6  # shorter ones ("none", "x") are placeholders, and would blot out ordinary words
_MIN_PREFIX_CHARS: Final = 8  # as much of a key as tells something about it
_SECRET_NAME: Final = re.compile(r"auth|key|token|secret|cookie|sig|pass", re.IGNORECASE)
_HEX: Final = re.compile(r"%[0-9A-F]{2}")


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` without the secrets.

    They are looked for as they are, percent-encoded, escaped for JSON and in Base64 (as ``Authorization: Basic`` has
    them, whatever stands before and after). What stands at the end of the text may be cut off: from 8 characters on.
    """
    spellings = {one for secret in secrets if len(secret) >= _MIN_SECRET_CHARS for one in _spell(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):  # one may hold another
        text = text.replace(spelling, MASK)
    rests = [_find_cut(text, spelling) for spelling in spellings]
    longest = max(rests, default=0)
    return text[:-longest] + MASK if longest else text


def find_secrets(fields: Iterable[tuple[str, str]]) -> list[str]:
    """The values of those headers, or fields of a query, that seem by their name to hold a secret."""
    found: list[str] = []
    for name, value in fields:
        if value and _SECRET_NAME.search(name):
            found += [value, value.rpartition(" ")[2]]  # "Bearer KEY", and KEY
    return found


def find_query_secrets(query: str) -> list[str]:
    """The query as a whole, and what in it seems to be a secret."""
    return [query, *find_secrets(parse_qsl(query))] if query else []


def find_header_secrets(headers: Mapping[str, str]) -> list[str]:
    """The headers' values that seem to be secrets."""
    return find_secrets(headers.items())


def _spell(secret: str) -> set[str]:
    percent = {
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
    }
    percent |= {_HEX.sub(lambda found: found[0].lower(), one) for one in percent}
    escaped = msgspec.json.encode(secret.encode("utf-8", "replace").decode())[1:-1].decode()
    data = secret.encode("utf-8", "replace")
    encoded = {one for offset in range(3) for one in _encode_base64(data, offset)}
    return {secret, *percent, escaped, escaped.replace("/", "\\/"), *encoded}


def _encode_base64(data: bytes, offset: int) -> list[str]:
    """What Base64 makes of ``data`` behind ``offset`` other bytes (modulo 3), less the ends that depend on them."""
    first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
    whole = base64.b64encode(bytes(offset) + data).decode()[first:last]
    return [whole, whole.replace("+", "-").replace("/", "_")]


def _find_cut(text: str, spelling: str) -> int:
    """How many characters at the end of ``text`` are the beginning of ``spelling``, 0 if too few to matter."""
    lengths = range(min(len(spelling), len(text)), _MIN_PREFIX_CHARS - 1, -1)
    return next((length for length in lengths if text.endswith(spelling[:length])), 0)
