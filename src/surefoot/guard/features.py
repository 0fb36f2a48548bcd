"""What the classifier sees of a text: for each word the features that end at it, and the windows that are judged.

Features are words, stems, pieces of words, pairs of words and pairs and triples of *kinds* of words, hashed into one
table; training uses this module, too, so the two cannot drift apart. What a word is by itself is remembered, so that
only pairs are hashed anew. Everything is linear: each word looks back at a fixed number of words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final, NamedTuple
from zlib import crc32

from surefoot.guard.tokens import find_words
from surefoot.guard.word_kinds import KIND_OF

HASHED: Final = 1 << 20
KIND_RANGE: Final = 32
PAIRS: Final = HASHED + KIND_RANGE
TRIPLES: Final = PAIRS + KIND_RANGE**2
FEATURES: Final = TRIPLES + KIND_RANGE**3
"""Rows of the table of weights."""
WINDOW_WORDS: Final = 40
"""A sentence that is longer is several: an attack must not drown in one."""
KIND_REACH: Final = 8
"""Words between two kinds that still belong together."""
STEM_CHARS: Final = 5
PIECE_CHARS: Final = (3, 4, 5)
"""Sizes of the pieces of words: they know a word in another form, or with a slip."""
REMEMBERED: Final = 16_384
"""Words."""
MASK: Final = HASHED - 1
FAR: Final = -1 - KIND_REACH
_ENDS: Final = frozenset(".!?。！？;；|")
_QUOTES: Final = frozenset("\"'`”’")
STOPS: Final = _ENDS | _QUOTES
"""Words that may end a sentence."""
_AROUND_FIELDS: Final = frozenset(",:{}[]()")


class WordFeatures(NamedTuple):
    """What a word is by itself.

    Attributes:
        word: Its hash, for pairs.
        stem: The hash of its stem.
        kind: Its kind, 0 if it has none.
        rows: Rows of the table: the word, its stem and its kind.
        pieces: Rows of its pieces.
    """

    word: int
    stem: int
    kind: int
    rows: tuple[int, ...]
    pieces: tuple[int, ...]


@lru_cache(maxsize=REMEMBERED)
def describe_word(text: str) -> WordFeatures:
    """The features of one word; numbers are all alike."""
    kind = KIND_OF.get(text, 0)
    if text.isdecimal():
        text = "0"
    word = crc32(text.encode("utf-8", "surrogatepass"))
    stem = crc32(b"~" + text[:STEM_CHARS].encode("utf-8", "surrogatepass"))
    rows = [word & MASK, stem & MASK]
    if kind:
        rows.append(HASHED + kind)
    return WordFeatures(word, stem, kind, tuple(rows), tuple(_pieces(text)))


def _pieces(text: str) -> Iterator[int]:
    if len(text) < PIECE_CHARS[0] or not text.isascii():
        return
    fenced = f"<{text}>".encode()
    for size in PIECE_CHARS:
        for at in range(len(fenced) - size + 1):
            yield crc32(b"#" + fenced[at : at + size]) & MASK


def list_features(words: Sequence[str], *, with_pieces: bool) -> list[list[int]]:
    """For each word the rows of the table that it and the words before it have.

    Pieces help where words are bent, as users bend them; on what tools return they only find accidents.
    The classifier adds up the weights of the same rows without making lists, see `Classifier.judge`.
    """
    found: list[list[int]] = []
    word_1 = stem_1 = stem_2 = 7
    kinds: list[tuple[int, int]] = [(0, FAR)] * 3
    for place, text in enumerate(words):
        word, stem, kind, rows, pieces = describe_word(text)
        here = [
            *rows,
            *(pieces if with_pieces else ()),
            (word_1 * 0x9E3779B1 + word >> 3) & MASK,
            (stem_1 * 0x85EBCA6B + stem >> 5) & MASK,
            (stem_2 * 0xC2B2AE35 + stem >> 7) & MASK,
        ]
        word_1, stem_2, stem_1 = word, stem_1, stem
        if kind:
            here += list_kinds(kind, place, kinds)
            kinds = [(kind, place), *kinds[:2]]
        found.append(here)
    return found


def cap_repeats(rows: Iterable[Iterable[int]], most: int) -> dict[int, int]:
    """How often each row of a window counts: at most ``most`` times, and once if more than half of all are repeats.

    What is said a hundred times is not ten times as sure, but this is what a sum over its root makes of it.
    """
    counts = Counter(chain.from_iterable(rows))
    limit = 1 if 2 * len(counts) < counts.total() else most
    return {row: min(count, limit) for row, count in counts.items()}


def list_kinds(kind: int, place: int, before: Sequence[tuple[int, int]]) -> list[int]:
    """The rows of a kind at a place with the three kinds before it, each with its place, the last one first."""
    row = PAIRS + kind * KIND_RANGE
    near = [other for other, at in before if place - at <= KIND_REACH]
    rows = [row + other for other in near]
    if len(near) > 1:
        rows.append(TRIPLES + (kind * KIND_RANGE + near[0]) * KIND_RANGE + near[1])
    return rows


def end_sentences(words: Sequence[str], folded: str, stops: Iterable[int]) -> list[int]:
    """How many words there are to the end of each sentence, field of JSON and the like; they leave no word out.

    ``words`` are those of ``folded``, and ``stops`` the places of `STOPS` among them; what is between is not looked at:
    each is a word wherever it stands.
    """
    ends: list[int] = []
    at = -1
    for place in stops:
        word = words[place]
        at = folded.index(word, at + 1)
        if _is_end(word, at, folded):
            ends.append(place + 1)
    ends.append(len(words))
    if "\n\n" in folded:
        ends = sorted([*ends, *_end_blocks(folded)])
    found: list[int] = []
    start = 0
    for end in ends:
        while end - start > WINDOW_WORDS:
            start += WINDOW_WORDS
            found.append(start)
        if start < end:
            found.append(end)
            start = end
    return found


def _end_blocks(folded: str) -> set[int]:
    """How many words there are to the end of each paragraph."""
    places = enumerate(find_words(folded), 1)
    return {after for after, (text, at) in places if folded.startswith("\n\n", at + len(text))}


def _is_end(text: str, at: int, folded: str) -> bool:
    after = folded[at + 1 : at + 2]
    if text in _ENDS:
        return after == " " or not after or after.isspace() or text > "~" or after in _QUOTES
    return after in _AROUND_FIELDS or folded[at - 2 : at].strip() in _AROUND_FIELDS


def list_windows(ends: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges of words that are judged: each sentence (`end_sentences`), and each with the one after it."""
    sentences = list(pairwise([0, *ends]))
    pairs = [(first[0], second[1]) for first, second in pairwise(sentences)]
    return [*sentences, *pairs]
