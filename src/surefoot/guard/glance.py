"""One glance at a text: whether anything may be in it that has to go. Nearly always the answer is no.

What is looked for has a sign: a piece of it, from a character on that is rare in prose. One pattern holds all signs by
their first characters, so that `re` tests each character of a text against one table and stops at few of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

Sign = tuple[str, str]
"""The first character, and a pattern for what follows (looking back at it, maybe)."""
Search = Callable[[str], re.Match[str] | None]

_FROM_RARE: Final = 'QXZVqjxzJG-_/KWYkBbPpCcUHFNMDLORvTSEIA7938465201wgyfmuldhrsinoate.,:" '
"""Those that are rare in prose and JSON, or begin other signs, come first; what is not here is as rare as the first."""
_RANK: Final = {letter: place for place, letter in enumerate(_FROM_RARE)}
_LEAST_SIGN_CHARS: Final = 6
_SIGN_CHARS: Final = 10


def compile_signs(signs: Iterable[Sign]) -> Search:
    """What searches a text for any of ``signs``."""
    groups: dict[str, list[str]] = {}
    for first, rest in signs:
        group = groups.setdefault(first, [])
        if rest not in group:
            group.append(rest)
    if not groups:
        return re.compile("(?!)").search
    return re.compile("|".join([f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in groups.items()])).search


def make_sign(text: str) -> Sign:
    """The sign of a text that is looked for as it is: it holds the sign wherever it stands."""
    last = max(1, len(text) - _LEAST_SIGN_CHARS + 1)
    at = min(range(last), key=lambda place: _RANK.get(text[place], 0))
    return text[at], re.escape(text[at + 1 : at + _SIGN_CHARS])
