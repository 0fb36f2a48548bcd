"""The shipped classifier: a linear model over hashed features, judged sentence by sentence. A risk signal, not a wall.

A text is judged by its worst window (a sentence, or two), and the threshold rises with the number of words: the
highest of many harmless scores is higher than one of them, and a long README must not add up to an attack. What a
window repeats counts a few times: a small weight a thousand times over its root would be thirty of it. Two tables
of weights: what a *user* writes may ask for deeds, what a *tool* returns may not. ``training/`` makes the file, byte
for byte; no pickle.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from functools import cache
from math import exp, inf, log, log2, sqrt
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from surefoot.guard.features import FEATURES, KIND_REACH, cap_repeats, end_sentences, list_features, list_windows
from surefoot.guard.tokens import find_words
from surefoot.guard.word_weights import PAIRS_OF_A_WORD, Weighed, WordWeights

Channel = Literal["user", "tool"]

FILE: Final = Path(__file__).parent / "classifier.bin"
MAGIC: Final = b"surefoot guard classifier 3\n"
_SMOOTHING: Final = 2.0
"""Added to the count of a window's features, so that one word alone is no verdict."""
FREE_WORDS: Final = 24
"""A text that is shorter has no more chances to look like an attack than one sentence."""


class Scale(Struct, frozen=True):
    """What turns a channel's whole numbers into a risk.

    Attributes:
        unit: Weight of 1 in the table.
        bias: Score of a window without features.
        threshold: Document score that 1 % of harmless documents reach: risk 0.5.
        per_doubling: What each doubling of the number of words takes off, from `FREE_WORDS` on.
        slope: Log-odds per score.
        with_pieces: Whether pieces of words count.
        repeats: How often a window that is over the threshold may count one feature.
    """

    unit: float
    bias: float
    threshold: float
    per_doubling: float
    slope: float
    with_pieces: bool
    repeats: int

    def weigh(self, total: int, count: int) -> float:
        """The score of a window with so many features of this weight in all."""
        return self.bias + self.unit * total / sqrt(count + _SMOOTHING)

    def fence(self, words: int) -> float:
        """What the worst window of a text of so many words has to score for risk 0.5.

        Words and not windows: JSON is cut into many small ones, and an attack in it must not be forgiven for that.
        """
        return self.threshold + self.per_doubling * log2(max(1.0, words / FREE_WORDS))


class Verdict(Struct, frozen=True):
    """What the classifier makes of a text.

    Attributes:
        risk: 0 to 1; 0.5 is reached by one harmless document in a hundred.
        windows: Start, end (characters of the folded text) and risk of the windows at `WINDOW_RISK` or more, the
            worst first.
    """

    risk: float
    windows: tuple[tuple[int, int, float], ...] = ()


_LONG_SENTENCE: Final = 8
"""Words from which on it takes less to weigh a sentence once more than to look up what its pairs weigh."""
_ROUNDING: Final = 1e-9
"""More than floating-point numbers make of a score."""
WINDOW_RISK: Final = 0.5
MAX_WINDOWS: Final = 20
HARMLESS: Final = Verdict(0.0)


class Classifier:
    """The tables of a file; cheap to share between threads, never changed."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(MAGIC), "a file that training/train.py has written"
        head, _, packed = data[len(MAGIC) :].partition(b"\n")
        scales = msgspec.json.decode(head, type=dict[Channel, Scale])
        tables = zlib.decompress(packed)
        assert len(tables) == FEATURES * len(scales), "written for these features"
        self._channels: dict[Channel, tuple[Scale, WordWeights]] = {}
        for number, (channel, scale) in enumerate(scales.items()):
            table = array("b", tables[number * FEATURES : (number + 1) * FEATURES])
            self._channels[channel] = scale, WordWeights(table, with_pieces=scale.with_pieces)

    def judge(
        self, words: Sequence[str], folded: str, channel: Channel, copies: int = 1, least: float = 0.0
    ) -> Verdict:
        """Judge a text by its words, all of them; linear in their number.

        ``copies`` is the number of chunks that the text is one of: all their words are among the many. Once the risk is
        seen to be below ``least``, if pairs that were not looked at yet count as much as any pair can, no more is
        looked up, and the text is `HARMLESS`. Short sentences are done sooner than bounded.
        """
        if not words:
            return HARMLESS
        scale, table = self._channels[channel]
        weighed = Weighed(words, table)
        ends = end_sentences(words, folded, weighed.stops)
        fence = scale.fence(len(words) * copies)
        counts, totals = weighed.add_up(ends)
        enough = fence + log(least / (1.0 - least)) / scale.slope - _ROUNDING if 0.0 < least < 1.0 else -inf
        if least and len(words) >= _LONG_SENTENCE * len(ends):
            for lacks in weighed.weigh_pairs():
                if max(_score(totals, counts, scale)) < enough:
                    return HARMLESS
                _take(lacks, totals, ends)
        else:
            _take(weighed.weigh_all_pairs(), totals, [PAIRS_OF_A_WORD * end for end in ends])
        scores = _score(totals, counts, scale)
        best = max(scores)
        if best < enough:
            return HARMLESS
        if best < fence:
            return Verdict(_risk(best - fence, scale.slope))
        hot = [place for place, score in enumerate(scores) if score >= fence]
        windows = list_windows(ends)
        _lower_repeats(scores, hot, windows, words, (scale, table))
        best = max(scores)
        if best < fence:
            return Verdict(_risk(best - fence, scale.slope))
        places = find_words(folded)
        worst = sorted([(-score, place) for place, score in enumerate(scores) if score >= fence])[:MAX_WINDOWS]
        spans = [(*_span(places, windows[place]), _risk(-score - fence, scale.slope)) for score, place in worst]
        return Verdict(_risk(best - fence, scale.slope), tuple(spans))


def _take(lacks: Sequence[int], totals: list[int], ends: Sequence[int]) -> None:
    start = 0
    for place, end in enumerate(ends):
        totals[place] -= sum(lacks[start:end])
        start = end


def _score(totals: list[int], counts: list[int], scale: Scale) -> list[float]:
    """The scores of all windows, in the order of `list_windows`: `Scale.weigh`, without a call for each."""
    bias, unit = scale.bias, scale.unit
    of_one: list[float] = []
    of_two: list[float] = []
    last_total = last_count = 0
    for place, total in enumerate(totals):
        count = counts[place]
        of_one.append(bias + unit * total / sqrt(count + _SMOOTHING))
        if place:
            of_two.append(bias + unit * (last_total + total) / sqrt(last_count + count + _SMOOTHING))
        last_total, last_count = total, count
    return of_one + of_two


def _lower_repeats(
    scores: list[float],
    hot: list[int],
    windows: list[tuple[int, int]],
    words: Sequence[str],
    judge: tuple[Scale, WordWeights],
) -> None:
    """Lower the scores at ``hot`` that repetition alone has raised; windows of the same words are weighed once."""
    scale, table = judge
    known: dict[tuple[str, ...], float] = {}
    for place in hot:
        start, end = windows[place]
        said = tuple(words[start:end])
        if said not in known:
            before = max(0, start - KIND_REACH)
            rows = list_features(words[before:end], with_pieces=table.with_pieces)[start - before :]
            capped = cap_repeats(rows, scale.repeats)
            total = sum([table.weight_of(row) * count for row, count in capped.items()])
            known[said] = scale.weigh(total, sum(capped.values()))
        scores[place] = min(scores[place], known[said])


def _risk(margin: float, slope: float) -> float:
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, slope * margin))))


def _span(words: Sequence[tuple[str, int]], window: tuple[int, int]) -> tuple[int, int]:
    last, at = words[window[1] - 1]
    return words[window[0]][1], at + len(last)


@cache
def load_classifier() -> Classifier:
    """The classifier of this version, read once."""
    return Classifier(FILE.read_bytes())
