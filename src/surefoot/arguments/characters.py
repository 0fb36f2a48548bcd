"""Characters that are not what they look like, or that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls but tab, line feed and carriage return
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\uffff\ufdd0-\ufdef\ud800-\udfff"  # specials, non-characters, lone surrogates
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # private use: nobody knows what they show
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # shorthand, music and tags, all unseen
)
_JOINERS: Final = re.compile("[\u200c\u200d]")
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f]")
_KEYCAPS: Final = frozenset("0123456789#*")
_LINES: Final = re.compile(r"[\t\n\r]")
_MOST_MARKS: Final = 4
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5}"  # one more than that
)


def refuse_hidden(text: str, *, lines: bool = False) -> None:
    """Refuse controls, direction marks, characters of no width and of no meaning.

    Joiners stay where scripts need them, between two letters that are not ASCII, as in Persian, in Hindi and in emoji.

    Args:
        text: Any text.
        lines: Tabs and ends of lines are allowed.

    Raises:
        ValueError: There is one; it is named.
    """
    if text.isascii() and text.isprintable():
        return
    found = _HIDDEN.search(text) or _find_stray(text) or (None if lines else _LINES.search(text))
    if found is not None:
        raise ValueError(f"has the character {_name(found[0])}, which is not allowed: leave it out")
    if _MARKS.search(text):
        raise ValueError(f"has more than {_MOST_MARKS} accents on one letter: leave them out")


def _find_stray(text: str) -> re.Match[str] | None:
    """A joiner that joins nothing, or a selector of variants after what has none."""
    for found in _JOINERS.finditer(text):
        before, after = _before(text, found), text[found.end() : found.end() + 1]
        if before.isascii() or after.isascii() or _JOINERS.match(after):
            return found
    for found in _SELECTORS.finditer(text):
        before = _before(text, found)
        if (before.isascii() and before not in _KEYCAPS) or _SELECTORS.match(before):
            return found
    return None


def _before(text: str, found: re.Match[str]) -> str:
    return text[found.start() - 1 : found.start()]


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def fold(text: str) -> str:
    """The text with compatible forms made plain (NFKC): fullwidth signs become ASCII ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)
