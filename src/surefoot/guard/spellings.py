"""Words of phrases that are spelt with digits, or in pieces, and the quick "no" for ids, hyphens and times.

`may_be_leet` and `may_be_split` are for texts in ASCII: passes over bytes in C, and look-ups of whole rows of words.
They say "perhaps" too often, and "no" never wrongly.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Final

from surefoot.guard.phrases import known_words
from surefoot.guard.shapes import DIGITS, GAPS, LETTERS, make_table

MAX_LEET_CHARS: Final = 40
"""A longer row of letters, digits and marks is several words."""
_SPELT: Final = "013457@$!|89"
_AS_I, _AS_L = "oieastasilbg", "oleastasilbg"
LEET_I: Final = str.maketrans(_SPELT, _AS_I)
LEET_L: Final = str.maketrans(_SPELT, _AS_L)
MAX_PIECE_CHARS: Final = 24
"""So is a longer piece; more than two marks end a word."""
_LEAST_LEET: Final = 3
_LEET_WORD: Final = re.compile(rf"[a-z0-9@$!|]{{{_LEAST_LEET},{MAX_LEET_CHARS}}}")
_TO_LEET: Final = make_table((LETTERS + DIGITS + b"@$!|", b""), other=b" ")
_TO_PIECES: Final = make_table((LETTERS, b""), (GAPS, b"-"), other=b" ")
_LEET_I_BYTES: Final = bytes.maketrans(_SPELT.encode(), _AS_I.encode())
_LEET_L_BYTES: Final = bytes.maketrans(_SPELT.encode(), _AS_L.encode())


def has_leet(folded: str) -> bool:
    """Whether words of phrases are spelt with digits: ``1gn0r3``, but not ``4th`` or ``i18n``."""
    if folded.isascii() and not may_be_leet(folded):
        return False
    known = known_words()
    for match in _LEET_WORD.finditer(folded):
        word = match[0]
        if (
            not word.isalpha()
            and not word.isdecimal()
            and (word.translate(LEET_I) in known or word.translate(LEET_L) in known)
        ):
            return True
    return False


def unleet(folded: str, table: dict[int, int]) -> str:
    """``folded`` with letters for digits, as ``table`` has them, in the words that are not of one kind."""
    return _LEET_WORD.sub(partial(_unleet, table), folded)


def _unleet(table: dict[int, int], match: re.Match[str]) -> str:
    word = match[0]
    return word if word.isalpha() or word.isdecimal() else word.translate(table)


def may_be_leet(folded: str) -> bool:
    """Whether a word of letters, digits and ``@$!|`` may be one of a phrase."""
    data = folded.encode().translate(_TO_LEET)
    if _has_longer(data, MAX_LEET_CHARS):
        return True
    if not _has_known(data):
        return False
    rows = [row for row in data.split() if len(row) >= _LEAST_LEET and not row.isalpha() and not row.isdigit()]
    return _has_known(b" ".join(rows))


def _has_known(rows: bytes) -> bool:
    known = _known()
    return not (
        known.isdisjoint(rows.translate(_LEET_I_BYTES).split())
        and known.isdisjoint(rows.translate(_LEET_L_BYTES).split())
    )


def may_be_split(folded: str) -> bool:
    """Whether letters with marks between them may be a word of a phrase."""
    data = folded.encode().translate(_TO_PIECES)
    if b"---" in data or (
        _has_longer(data, MAX_PIECE_CHARS) and _has_longer(data.replace(b"-", b" "), MAX_PIECE_CHARS)
    ):
        return True
    known = _known()
    if known.isdisjoint(data.translate(None, b"-").split()):
        return False
    rows = [row for row in data.split() if b"-" in row]
    return not known.isdisjoint(b" ".join(rows).translate(None, b"-").split())


def _has_longer(rows: bytes, size: int) -> bool:
    return len(rows) > size and len(max(rows.split(), key=len, default=b"")) > size


@cache
def _known() -> frozenset[bytes]:
    """The words that are looked for: all that are long enough to be spelt so."""
    return frozenset([word.encode() for word in known_words() if len(word) >= _LEAST_LEET])
