"""What words weigh: the features of `list_features`, looked up and added up in columns instead of word by word.

What a word has by itself is remembered in a record of a few bytes. The records of a text stand one after another, a
column is every so many bytes of them, and the pairs of all neighbours are hashed at once, by the addition of two long
numbers that hold a part of every word in 32 bits each.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import compress, count
from operator import itemgetter
from struct import Struct
from sys import byteorder
from typing import Final

from surefoot.guard.features import FAR, KIND_REACH, MASK, REMEMBERED, STOPS, describe_word, list_kinds

_BLOCK_WORDS: Final = 1_000
"""Words that are looked up together: no operation holds other threads for long, whatever the text."""
_RECORD: Final = Struct("=7IB3x")
"""Of a word: its parts of the pairs as the first word and as the second, its own features, packed, and its kind."""
_LANES: Final = 8
_OWN: Final = 6
_KIND: Final = 28
_PAIRS: Final = ((0, 3, 1), (1, 4, 1), (2, 5, 2))
"""Pairs of words, of stems, of stems with a word between: places of both parts, and how far back the first one is."""
PAIRS_OF_A_WORD: Final = len(_PAIRS)
_PART_BITS: Final = 31
"""Two parts make no more than 32; the row of a pair is in 20 of them, from `_ROW_AT` on, whatever the pair."""
_ROW_AT: Final = 11
_ROWS: Final = int.from_bytes(MASK.to_bytes(4, byteorder) * _BLOCK_WORDS, byteorder)
_MOST: Final = 127
"""No weight is above. How far a weight is below takes a byte, and adds up to a bound while some are not known yet."""
_LACK_BITS: Final = 20
"""Of packed features; their number is above. Those of a sentence (`WINDOW_WORDS`) have room enough."""
_LACK: Final = (1 << _LACK_BITS) - 1
_KIND_BITS: Final = 5
_STOP: Final = 1 << _KIND_BITS
"""The kind of a word that may end a sentence."""
_START: Final = ["", ""]
"""Stand before the first word."""


class WordWeights:
    """The weights of a channel, and what they make of the words that were seen; any thread may use them."""

    def __init__(self, weights: Sequence[int], *, with_pieces: bool) -> None:
        self.with_pieces = with_pieces
        self.lacks = bytes([_MOST - weight for weight in weights])
        self._records: dict[str, bytes] = {}
        self.kinds: dict[int, int] = {}
        """What was learnt of kinds, see `learn_kinds`."""

    def weight_of(self, row: int) -> int:
        """The weight of one row of `list_features`."""
        return _MOST - self.lacks[row]

    def find_records(self, words: Sequence[str]) -> bytes:
        """The records of some words, after two that stand for the start."""
        said = [*_START, *words]
        try:
            return b"".join(itemgetter(*said)(self._records))
        except KeyError:
            return b"".join([self._records.get(word) or self._describe(word) for word in said])

    def _describe(self, text: str) -> bytes:
        word, stem, kind, rows, pieces = describe_word(text) if text else (7, 7, 0, (), ())
        if self.with_pieces:
            rows += pieces
        parts = word * 0x9E3779B1 << 8, stem * 0x85EBCA6B << 6, stem * 0xC2B2AE35 << 4, word << 8, stem << 6, stem << 4
        lanes = [part % (1 << _PART_BITS) for part in parts]
        own = self._pack(rows) + (PAIRS_OF_A_WORD << _LACK_BITS)
        made = _RECORD.pack(*lanes, own, _STOP if text in STOPS else kind)
        if len(self._records) >= REMEMBERED:
            self._records.clear()
        self._records[text] = made
        return made

    def _pack(self, rows: Sequence[int]) -> int:
        """The number of ``rows``, and how far their weights are below the most, in one number that can be added up."""
        return (len(rows) << _LACK_BITS) + sum([self.lacks[row] for row in rows])

    def learn_kinds(self, near: int) -> int:
        """The features of a kind with one to three that are before it and near (see `list_kinds`), packed."""
        kind, *before = [near >> at & (_STOP - 1) for at in range(0, 4 * _KIND_BITS, _KIND_BITS)]
        made = self._pack(list_kinds(kind, 0, [(other, 0) for other in before if other]))
        if len(self.kinds) >= REMEMBERED:
            self.kinds.clear()
        self.kinds[near] = made
        return made


class Weighed:
    """A text's words, at least one, with their weights.

    Attributes:
        stops: The places of the words that may end a sentence.
    """

    __slots__ = ("_lacks", "_lanes", "_own", "stops")

    def __init__(self, words: Sequence[str], weights: WordWeights) -> None:
        self._lacks = weights.lacks
        records = weights.find_records(words[:_BLOCK_WORDS])
        if len(words) > _BLOCK_WORDS:
            blocks = [words[at : at + _BLOCK_WORDS] for at in range(_BLOCK_WORDS, len(words), _BLOCK_WORDS)]
            records += b"".join([weights.find_records(block)[2 * _RECORD.size :] for block in blocks])
        self._lanes = array("I", records)
        self._own = self._lanes[2 * _LANES + _OWN :: _LANES].tolist()
        self.stops = _add_kinds(self._own, records[2 * _RECORD.size + _KIND :: _RECORD.size], weights)

    def add_up(self, ends: Sequence[int]) -> tuple[list[int], list[int]]:
        """The number of the features of each sentence, and its weight if all pairs weigh as much as any can."""
        counts: list[int] = []
        bounds: list[int] = []
        start = 0
        for end in ends:
            packed = sum(self._own[start:end])
            number = packed >> _LACK_BITS
            counts.append(number)
            bounds.append(_MOST * number - (packed & _LACK))
            start = end
        return counts, bounds

    def weigh_pairs(self) -> Iterator[list[int]]:
        """How far the weight of each word's pair is below the most: all of one kind, then of the next, as asked for."""
        for first, second, back in _PAIRS:
            yield self._weigh_pair(first, second, back)

    def weigh_all_pairs(self) -> list[int]:
        """The same, all pairs of a word together: three for each."""
        found = [0] * (PAIRS_OF_A_WORD * len(self._own))
        for number, lacks in enumerate(self.weigh_pairs()):
            found[number::PAIRS_OF_A_WORD] = lacks
        return found

    def _weigh_pair(self, first: int, second: int, back: int) -> list[int]:
        lacks: list[int] = []
        for at in range(2 * _LANES, len(self._lanes), _LANES * _BLOCK_WORDS):
            seconds = self._lanes[at + second : at + _LANES * _BLOCK_WORDS : _LANES]
            before = at - _LANES * back
            firsts = self._lanes[before + first : before + _LANES * len(seconds) : _LANES]
            sums = int.from_bytes(firsts, byteorder) + int.from_bytes(seconds, byteorder)
            rows = array("I", (sums >> _ROW_AT & _ROWS).to_bytes(4 * len(seconds), byteorder))
            lacks += itemgetter(*rows, 0)(self._lacks)[:-1]  # of one row alone it would make no tuple
        return lacks


def _add_kinds(own: list[int], kinds: bytes, weights: WordWeights) -> list[int]:
    """Add the features of kinds to the words' ``own``; the places of words that may end a sentence."""
    stops: list[int] = []
    known = weights.kinds.get
    kind_1 = kind_2 = kind_3 = 0
    at_1 = at_2 = at_3 = FAR
    for place in compress(count(), kinds):
        kind = kinds[place]
        if kind == _STOP:
            stops.append(place)
            continue
        if place - at_1 <= KIND_REACH:
            near = kind | kind_1 << _KIND_BITS
            if place - at_2 <= KIND_REACH:
                near |= kind_2 << 2 * _KIND_BITS
                if place - at_3 <= KIND_REACH:
                    near |= kind_3 << 3 * _KIND_BITS
            own[place] += known(near) or weights.learn_kinds(near)
        kind_3, at_3, kind_2, at_2, kind_1, at_1 = kind_2, at_2, kind_1, at_1, kind, place
    return stops


assert array("I").itemsize * _LANES == _RECORD.size, "a part is one item of an array"
