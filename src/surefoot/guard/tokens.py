"""Words of folded text, with their places: what the phrases and the classifier read.

A word is a run of ASCII letters, a run of digits, one character of a script without spaces, or a mark such as ``<``
or ``:``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

MAX_WORD_CHARS: Final = 24
"""A longer run of letters is several words: nothing that we look for is so long, and hashing stays linear."""
STEM_CHARS: Final = 5
_WORD: Final = re.compile(r"[a-z]{1,24}|[0-9]{1,24}|[^\s\x00-\x20]")
_BREAK: Final = frozenset(".!?。！？;；\n|{}")


class Word(NamedTuple):
    """A word of folded text at ``start`` (characters)."""

    text: str
    start: int


def find_words(folded: str) -> list[tuple[str, int]]:
    """All words of ``folded`` with the place of each, in order; linear in its length."""
    return [(match[0], match.start()) for match in _WORD.finditer(folded)]


@lru_cache(maxsize=32_768)
def hash_word(word: str) -> tuple[int, int]:
    """The hash of a word and of its stem, 32 bits each; numbers are all alike."""
    if word.isdecimal():
        word = "0"
    return (
        crc32(word.encode("utf-8", "surrogatepass")),
        crc32(b"~" + word[:STEM_CHARS].encode("utf-8", "surrogatepass")),
    )
