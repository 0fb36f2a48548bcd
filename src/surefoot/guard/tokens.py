"""Words of folded text, with their places: what the phrases and the classifier read.

A word is a run of ASCII letters, a run of digits, one character of a script without spaces, or a mark such as ``<``
or ``:``.
"""

from __future__ import annotations

import re
from typing import Final

from surefoot.guard.shapes import DIGITS, LETTERS, SPACES, make_table

MAX_WORD_CHARS: Final = 24
"""A longer run of letters is several words: nothing that we look for is so long, and hashing stays linear."""
_NO_MARKS: Final = LETTERS + DIGITS + SPACES
_FEW_MARKS: Final = 8
_TO_SHAPE: Final = make_table((LETTERS, b"a"), (DIGITS, b"0"), (SPACES + bytes(range(33, 127)), b"."), other=b"?")
"""``?`` is what nobody sees."""
_LONG: Final = "a" * (MAX_WORD_CHARS + 1)
_FIGURES: Final = "0" * (MAX_WORD_CHARS + 1)
_PIECE_CHARS: Final = 8_000
"""What `re` looks at in one go: it lets no other thread run."""
_NO_WORD: Final = re.compile(r"[^a-z0-9]")
"""Where a text may be cut, no word goes on."""
_WORD: Final = re.compile(r"[a-z]{1,24}|[0-9]{1,24}|[^\s\x00-\x20]")


def list_words(folded: str) -> list[str]:
    """All words of ``folded``, in order: quicker than `find_words`, most of all where words are as those of prose."""
    if not folded.isascii():
        return _list_by_pieces(folded)
    data = folded.encode()
    shape = data.translate(_TO_SHAPE).decode()
    marks = set(data.translate(None, _NO_MARKS))
    has_figures = "0" in shape and ("0a" in shape or "a0" in shape or _FIGURES in shape)
    if len(marks) > _FEW_MARKS or "?" in shape or has_figures or _LONG in shape:
        return _list_by_pieces(folded)
    for code in marks:
        mark = chr(code)
        folded = folded.replace(mark, f" {mark} ")
    return folded.split()


def _list_by_pieces(folded: str) -> list[str]:
    words: list[str] = []
    at = 0
    while at < len(folded):
        gap = _NO_WORD.search(folded, at + _PIECE_CHARS)
        end = len(folded) if gap is None else gap.start()
        words += _WORD.findall(folded, at, end)
        at = end
    return words


def find_words(folded: str) -> list[tuple[str, int]]:
    """All words of ``folded`` with the place of each, in order; linear in its length."""
    return [(match[0], match.start()) for match in _WORD.finditer(folded)]
