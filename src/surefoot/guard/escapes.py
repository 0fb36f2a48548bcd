"""Escapes in a text: percent signs, those of JSON and of programs, HTML's numbers, backslashes before marks."""

from __future__ import annotations

import re
from typing import Final

from surefoot.guard.glance import Sign
from surefoot.guard.normalize import Places

MAX_ROUNDS: Final = 4
"""Escapes of escapes are undone as often."""
SIGNS: Final[tuple[Sign, ...]] = (("%", "[0-9A-Fa-f]{2}"), ("\\", r"[ux!-/:-@\[-`{-~]"), ("&", "#"))
_ESCAPE: Final = re.compile(
    r"%(?P<percent>[0-7][0-9A-Fa-f])|\\u(?P<json>00[0-7][0-9A-Fa-f])|\\x(?P<hex>[0-7][0-9A-Fa-f])"
    r"|&#(?:[xX]0{0,6}(?P<entity>[0-9A-Fa-f]{2})|0{0,6}(?P<number>[0-9]{2,3}))(?:;|(?![0-9A-Fa-f]))|\\(?P<mark>[!-/:-@\[-`{-~])"
)


def undo(text: str) -> str:
    """``text`` with its escapes of ASCII undone, once."""
    return _ESCAPE.sub(_read, text)


def find_places(text: str) -> Places:
    """Where the characters of ``undo(text)`` come from."""
    places = Places()
    at = 0
    for match in _ESCAPE.finditer(text):
        places.keep(at, match.start())
        places.put(1, *match.span())
        at = match.end()
    places.keep(at, len(text))
    return places


def _read(match: re.Match[str]) -> str:
    if match["mark"]:
        return match["mark"]
    if match["number"]:
        return chr(int(match["number"]))
    return chr(int(match[match.lastgroup or 0], 16))
