"""The letters and digits of a text alone: what stands between them makes no difference to who reads it."""

from __future__ import annotations

import re
from array import array
from typing import Final

_GAPS: Final = re.compile(r"[\W_]+")
_LETTERS: Final = re.compile(r"[^\W_]+")
_NO_LETTERS: Final = bytes([code for code in range(128) if not chr(code).isalnum()])

_PIECE_CHARS: Final = 8_000
"""What `re` looks at in one go: it lets no other thread run."""


def drop_gaps(folded: str) -> str:
    """The letters and digits of a text."""
    if folded.isascii():
        return folded.encode().translate(None, _NO_LETTERS).decode()
    if len(folded) <= _PIECE_CHARS:
        return _GAPS.sub("", folded)
    return "".join([_GAPS.sub("", folded[at : at + _PIECE_CHARS]) for at in range(0, len(folded), _PIECE_CHARS)])


def find_letters(folded: str) -> tuple[str, array[int]]:
    """The letters and digits of a text, and the place of each."""
    places = array("L")
    for match in _LETTERS.finditer(folded):
        places.extend(range(*match.span()))
    return drop_gaps(folded), places
