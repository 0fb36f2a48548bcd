"""What words weigh: the features of `list_features`, looked up and added up in columns instead of word by word.

What a word has by itself is remembered. Pairs of words are hashed all at once, by one addition of two long numbers
that hold a part of every word in 32 bits each.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import compress, count
from operator import itemgetter
from struct import Struct
from sys import byteorder
from typing import Final

from surefoot.guard.features import FAR, HASHED, KIND_REACH, MASK, REMEMBERED, STOPS, describe_word, list_kinds

_BLOCK_WORDS: Final = 1_000
"""Words that are looked up together: no operation holds other threads for long, whatever the text."""
_PAIRS: Final = 3
"""Features that a word makes with those before it."""
_PARTS: Final = Struct("=3I")
_PART_BITS: Final = 31
"""Two parts make no more than 32; the row of a pair is in 20 of them, from `_ROW_AT` on, whatever the pair."""
_ROW_AT: Final = 11
_ROWS: Final = int.from_bytes(MASK.to_bytes(4, byteorder) * (_PAIRS * _BLOCK_WORDS), byteorder)
_ZERO: Final = 128
"""What no weight counts as, for bytes have no sign."""
_WEIGHT_BITS: Final = 20
"""Of packed features: their number is above. Those of a sentence (`WINDOW_WORDS`) have room enough."""
_WEIGHT: Final = (1 << _WEIGHT_BITS) - 1
_KIND_BITS: Final = 5
_STOP: Final = 1 << _KIND_BITS
"""The kind of a word that may end a sentence."""
_START: Final = ["", ""]
"""Stand before the first word."""

_Known = tuple[bytes, bytes, int, int]
"""What is remembered of a word: its parts of pairs as the first of two words (with the next word, by words and by
stems; with the one after that) and as the second (with the word before the last; with the last, by words and by stems),
its own features, packed, and its kind."""


class Weighed:
    """Words with their weights.

    Attributes:
        stops: The places of the words that may end a sentence.
    """

    __slots__ = ("_own", "_pairs", "stops")

    def __init__(self, own: list[int], pairs: Sequence[int], stops: list[int]) -> None:
        self._own = own
        self._pairs = pairs
        self.stops = stops

    def add_up(self, start: int, end: int) -> tuple[int, int]:
        """The weight, and the number, of the features of a sentence."""
        packed = sum(self._own[start:end])
        number = packed >> _WEIGHT_BITS
        return (packed & _WEIGHT) + sum(self._pairs[_PAIRS * start : _PAIRS * end]) - _ZERO * number, number


class WordWeights:
    """The weights of a channel, and what they make of the words that were seen; any thread may use them."""

    def __init__(self, weights: Sequence[int], *, with_pieces: bool) -> None:
        self.with_pieces = with_pieces
        self._weights = weights
        self._hashed = bytes([weight + _ZERO for weight in weights[:HASHED]])
        self._words: dict[str, _Known] = {}
        self._kinds: dict[int, int] = {}

    def weight_of(self, row: int) -> int:
        """The weight of one row of `list_features`."""
        return self._weights[row]

    def weigh(self, words: Sequence[str]) -> Weighed:
        """Look up all that ``words``, at least one, have."""
        padded = [*_START, *words]
        if len(words) <= _BLOCK_WORDS:
            return self._weigh_kinds(*self._look_up(padded))
        own: list[int] = []
        kinds: list[int] = []
        pairs: list[int] = []
        for at in range(0, len(words), _BLOCK_WORDS):
            of_words, of_kinds, of_pairs = self._look_up(padded[at : at + _BLOCK_WORDS + 2])
            own += of_words
            kinds += of_kinds
            pairs += of_pairs
        return self._weigh_kinds(own, kinds, pairs)

    def _look_up(self, words: list[str]) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
        """Own features and kinds of all words but the first two, and the weights of their pairs."""
        try:
            known = itemgetter(*words)(self._words)
        except KeyError:
            known = [self._words.get(word) or self._describe(word) for word in words]
        firsts, seconds, own, kinds = zip(*known, strict=True)
        size = _PARTS.size * (len(words) - 2)
        before = int.from_bytes(b"".join(firsts)[8 : 8 + size], byteorder)
        sums = before + int.from_bytes(b"".join(seconds)[2 * _PARTS.size :], byteorder)
        rows = array("I", (sums >> _ROW_AT & _ROWS).to_bytes(size, byteorder))
        return own[2:], kinds[2:], itemgetter(*rows)(self._hashed)

    def _describe(self, text: str) -> _Known:
        word, stem, kind, rows, pieces = describe_word(text) if text else (7, 7, 0, (), ())
        if self.with_pieces:
            rows += pieces
        parts = word * 0x9E3779B1 << 8, stem * 0x85EBCA6B << 6, stem * 0xC2B2AE35 << 4, stem << 4, word << 8, stem << 6
        lanes = [part % (1 << _PART_BITS) for part in parts]
        own = self._pack(rows) + (_PAIRS << _WEIGHT_BITS)
        made = _PARTS.pack(*lanes[:3]), _PARTS.pack(*lanes[3:]), own, _STOP if text in STOPS else kind
        if len(self._words) >= REMEMBERED:
            self._words.clear()
        self._words[text] = made
        return made

    def _pack(self, rows: Sequence[int]) -> int:
        """Weight and number of ``rows`` in one number that can be added up."""
        return (len(rows) << _WEIGHT_BITS) + sum(map(self.weight_of, rows)) + _ZERO * len(rows)

    def _weigh_kinds(self, own: Sequence[int], kinds: Sequence[int], pairs: Sequence[int]) -> Weighed:
        own = list(own)
        stops: list[int] = []
        kind_1 = kind_2 = kind_3 = 0
        at_1 = at_2 = at_3 = FAR
        for place in compress(count(), kinds):
            kind = kinds[place]
            if kind == _STOP:
                stops.append(place)
                continue
            near = kind
            if place - at_1 <= KIND_REACH:
                near |= kind_1 << _KIND_BITS
                if place - at_2 <= KIND_REACH:
                    near |= kind_2 << 2 * _KIND_BITS
                    if place - at_3 <= KIND_REACH:
                        near |= kind_3 << 3 * _KIND_BITS
            known = self._kinds.get(near)
            own[place] += self._learn_kinds(near) if known is None else known
            kind_3, at_3, kind_2, at_2, kind_1, at_1 = kind_2, at_2, kind_1, at_1, kind, place
        return Weighed(own, pairs, stops)

    def _learn_kinds(self, near: int) -> int:
        """The features of a kind with up to three that are before it and near, packed; see `list_kinds`."""
        kind, *before = [near >> at & (_STOP - 1) for at in range(0, 4 * _KIND_BITS, _KIND_BITS)]
        made = self._pack(list_kinds(kind, 0, [(other, 0) for other in before if other]))
        if len(self._kinds) >= REMEMBERED:
            self._kinds.clear()
        self._kinds[near] = made
        return made


assert array("I").itemsize == _PARTS.size // _PAIRS, "a part is one item of an array"
