"""The shipped classifier: a linear model over hashed features, judged sentence by sentence. A risk signal, not a wall.

A text is judged by its worst window (a sentence, or two), and the threshold rises with the number of windows: the
highest of many harmless scores is higher than one of them, and a long README must not add up to an attack. Two tables
of weights: what a *user* writes may ask for deeds, what a *tool* returns may not. ``training/`` makes the file, byte
for byte; no pickle.
"""

from __future__ import annotations

import zlib
from array import array
from functools import cache
from math import exp, log2, sqrt
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from surefoot.guard.features import FEATURES, Words, find_sentences, list_features, list_windows

Channel = Literal["user", "tool"]

FILE: Final = Path(__file__).parent / "classifier.bin"
MAGIC: Final = b"surefoot guard classifier 1\n"
_SMOOTHING: Final = 2.0
"""Added to the count of a window's features, so that one word alone is no verdict."""


class Scale(Struct, frozen=True):
    """What turns a channel's whole numbers into a risk.

    Attributes:
        unit: Weight of 1 in the table.
        bias: Score of a window without features.
        threshold: Document score that 1 % of harmless documents reach: risk 0.5.
        per_doubling: What each doubling of the number of windows takes off.
        slope: Log-odds per score.
    """

    unit: float
    bias: float
    threshold: float
    per_doubling: float
    slope: float


class Verdict(Struct, frozen=True):
    """What the classifier makes of a text.

    Attributes:
        risk: 0 to 1; 0.5 is reached by one harmless document in a hundred.
        windows: Start, end (characters of the folded text) and risk of the windows at `WINDOW_RISK` or more, the
            worst first.
    """

    risk: float
    windows: tuple[tuple[int, int, float], ...] = ()


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
        self._channels: dict[Channel, tuple[Scale, array[int]]] = {}
        for number, (channel, scale) in enumerate(scales.items()):
            table = array("b", tables[number * FEATURES : (number + 1) * FEATURES])
            self._channels[channel] = scale, table

    def judge(self, words: Words, folded: str, channel: Channel) -> Verdict:
        """Judge a text by its words; linear in their number."""
        if not words:
            return HARMLESS
        scale, table = self._channels[channel]
        weight = table.__getitem__
        sums, counts = [0], [0]
        total = count = 0
        for rows in list_features(words):
            total += sum(map(weight, rows))
            count += len(rows)
            sums.append(total)
            counts.append(count)
        windows = list_windows(find_sentences(words, folded))
        scores = [
            scale.bias + scale.unit * (sums[end] - sums[start]) / sqrt(counts[end] - counts[start] + _SMOOTHING)
            for start, end in windows
        ]
        fence = scale.threshold + scale.per_doubling * log2(len(windows))
        best = max(scores)
        if best < fence:
            return Verdict(_risk(best - fence, scale.slope))
        worst = sorted([(-score, place) for place, score in enumerate(scores) if score >= fence])[:MAX_WINDOWS]
        spans = [(*_span(words, windows[place]), _risk(-score - fence, scale.slope)) for score, place in worst]
        return Verdict(_risk(best - fence, scale.slope), tuple(spans))


def _risk(margin: float, slope: float) -> float:
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, slope * margin))))


def _span(words: Words, window: tuple[int, int]) -> tuple[int, int]:
    last, at = words[window[1] - 1]
    return words[window[0]][1], at + len(last)


@cache
def load_classifier() -> Classifier:
    """The classifier of this version, read once."""
    return Classifier(FILE.read_bytes())
