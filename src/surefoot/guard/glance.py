"""One glance at a text: whether anything may be in it that has to go. Nearly always the answer is no.

What is looked for has a sign: a piece of it, from a character on that is rare in prose. One pattern holds all signs by
their first characters, so that `re` tests each character of a text against one table and stops at few of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

Sign = tuple[str, str]
"""The first character, and a pattern for what follows (looking back at it, maybe)."""


class Search(Protocol):
    """The ``search`` of a compiled pattern."""

    def __call__(self, string: str, pos: int = ..., endpos: int = ..., /) -> re.Match[str] | None: ...  # noqa: D102


_FROM_RARE: Final = 'QXZVqjxzJG-_/KWYkBbPpCcUHFNMDLORvTSEIA7938465201wgyfmuldhrsinoate.,:" '
"""Those that are rare in prose and JSON, or begin other signs, come first; what is not here is as rare as the first."""
_RANK: Final = {letter: place for place, letter in enumerate(_FROM_RARE)}
PIECE_CHARS: Final = 8_000
LONGEST_SIGN: Final = 400
"""Characters of a sign, with all that it looks at before and behind."""
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


def find_by_pieces(pattern: re.Pattern[str], text: str, longest: int) -> Iterator[re.Match[str]]:
    """As ``finditer``, of matches of ``longest`` characters at most with what is looked at behind them.

    `re` looks at a long text a piece at a time, for meanwhile no other thread runs.
    """
    at = 0
    while len(text) - at > PIECE_CHARS:
        end = at + PIECE_CHARS
        found = pattern.search(text, at, end + longest)
        if found is None or found.start() >= end:
            at = end
        else:
            yield found
            at = found.end()
    yield from pattern.finditer(text, at)


def search_by_pieces(search: Search, text: str) -> bool:
    """Whether a search finds anything in a long text, looked at as in `find_by_pieces`."""
    return any(
        search(text, at, at + PIECE_CHARS + LONGEST_SIGN) is not None for at in range(0, len(text) or 1, PIECE_CHARS)
    )


def make_sign(text: str) -> Sign:
    """The sign of a text that is looked for as it is: it holds the sign wherever it stands."""
    last = max(1, len(text) - _LEAST_SIGN_CHARS + 1)
    at = min(range(last), key=lambda place: _RANK.get(text[place], 0))
    return text[at], re.escape(text[at + 1 : at + _SIGN_CHARS])
