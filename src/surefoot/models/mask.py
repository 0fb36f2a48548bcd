"""Keys out of messages: in every spelling that an error answer may repeat them in, whole or cut off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from surefoot.secret import LEAST_SECRET_CHARS, spell

MASK: Final = "[key]"

_MIN_PREFIX_CHARS: Final = 8  # as much of a key as tells something about it
_SECRET_NAME: Final = re.compile(r"auth|key|token|secret|cookie|sig|pass", re.IGNORECASE)


def mask(text: str, secrets: Iterable[str]) -> str:
    """``text`` without the secrets.

    They are looked for as they are, percent-encoded, escaped for JSON and in Base64 (as ``Authorization: Basic`` has
    them, whatever stands before and after). What stands at the end of the text may be cut off: from 8 characters on.
    """
    spellings = {one for secret in secrets if len(secret) >= LEAST_SECRET_CHARS for one in spell(secret)}
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


def _find_cut(text: str, spelling: str) -> int:
    """How many characters at the end of ``text`` are the beginning of ``spelling``, 0 if too few to matter."""
    lengths = range(min(len(spelling), len(text)), _MIN_PREFIX_CHARS - 1, -1)
    return next((length for length in lengths if text.endswith(spelling[:length])), 0)
