"""What the classifier sees of a text: for each word the features that end at it, and the windows that are judged.

Features are words, stems, pairs of them and pairs and triples of *kinds* of words, hashed into one table; training
uses this module, too, so the two cannot drift apart. Everything is linear: each word looks back at a fixed number of
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from surefoot.guard.tokens import hash_word
from surefoot.guard.word_kinds import KIND_OF

HASHED: Final = 1 << 18
KIND_RANGE: Final = 32
_PAIRS: Final = HASHED + KIND_RANGE
_TRIPLES: Final = _PAIRS + KIND_RANGE**2
FEATURES: Final = _TRIPLES + KIND_RANGE**3
"""Rows of the table of weights."""
WINDOW_WORDS: Final = 40
"""A sentence that is longer is several: an attack must not drown in one."""
KIND_REACH: Final = 8
"""Words between two kinds that still belong together."""
_MASK: Final = HASHED - 1
_FAR: Final = -1 - KIND_REACH
_ENDS: Final = frozenset(".!?。！？;；|")
_QUOTES: Final = frozenset("\"'`”’")
_AROUND_FIELDS: Final = frozenset(",:{}[]()")

Words = Sequence[tuple[str, int]]


def list_features(words: Words) -> list[list[int]]:
    """For each word the rows of the table that it and the words before it have."""
    found: list[list[int]] = []
    word_1 = stem_1 = stem_2 = 7
    kind_1 = kind_2 = kind_3 = 0
    at_1 = at_2 = at_3 = _FAR
    kind_of = KIND_OF.get
    for place, (text, _) in enumerate(words):
        word, stem = hash_word(text)
        here = [
            word & _MASK,
            stem & _MASK,
            (word_1 * 0x9E3779B1 + word >> 3) & _MASK,
            (stem_1 * 0x85EBCA6B + stem >> 5) & _MASK,
            (stem_2 * 0xC2B2AE35 + stem >> 7) & _MASK,
        ]
        word_1, stem_2, stem_1 = word, stem_1, stem
        kind = kind_of(text)
        if kind is not None:
            here.append(HASHED + kind)
            row = _PAIRS + kind * KIND_RANGE
            if place - at_1 <= KIND_REACH:
                here.append(row + kind_1)
                if place - at_2 <= KIND_REACH:
                    here.append(row + kind_2)
                    here.append(_TRIPLES + (kind * KIND_RANGE + kind_1) * KIND_RANGE + kind_2)
                    if place - at_3 <= KIND_REACH:
                        here.append(row + kind_3)
            kind_3, at_3, kind_2, at_2, kind_1, at_1 = kind_2, at_2, kind_1, at_1, kind, place
        found.append(here)
    return found


def find_sentences(words: Words, folded: str) -> list[tuple[int, int]]:
    """Sentences, fields of JSON and the like as ranges of words; they follow each other and leave no word out."""
    found: list[tuple[int, int]] = []
    start = 0
    for place, (text, at) in enumerate(words):
        end = at + len(text)
        after = folded[end : end + 2]
        if (
            place + 1 - start >= WINDOW_WORDS
            or (text in _ENDS and (not after or after[0].isspace() or text > "~" or after[0] in _QUOTES))
            or after == "\n\n"
            or (text in _QUOTES and (after[:1] in _AROUND_FIELDS or folded[at - 2 : at].strip() in _AROUND_FIELDS))
        ):
            found.append((start, place + 1))
            start = place + 1
    if start < len(words):
        found.append((start, len(words)))
    return found


def list_windows(sentences: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges of words that are judged: each sentence, and each with the one after it."""
    pairs = [(first[0], second[1]) for first, second in pairwise(sentences)]
    return [*sentences, *pairs]
