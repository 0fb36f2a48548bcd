"""Text as a model takes it: invisible characters out, compatibility forms and lookalikes folded, and the way back.

The original stays whole for the audit, and each character of the result knows where in the original it comes from.
One pass; the result is at most `MAX_GROWTH` times as long: the few ligatures that stand for more letters stay.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from surefoot.guard.confusables import fold, latinize_mixed

MAX_GROWTH: Final = 4
MAX_MARKS: Final = 4
"""Combining marks that one letter keeps; Vietnamese needs two. More would make NFKC quadratic."""

_UNSEEN: Final = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # soft hyphen, joiners and fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi, annotation
    "\ufe00-\ufe0f\U000e0100-\U000e01ef\U000e0000-\U000e007f\U0001d173-\U0001d17a"  # variation, tags, musical
)
_SEEN: Final = bytes([*b"\t\n\r", *range(32, 127)])
"""Of ASCII: a table is quicker than a pattern."""
UNSEEN: Final = re.compile(f"[{_UNSEEN}]+")
"""Runs of characters that nobody sees."""
_TAGS: Final = range(0xE0020, 0xE007F)
_BYTES_LOW: Final = range(0xFE00, 0xFE10)
_BYTES_HIGH: Final = range(0xE0100, 0xE01F0)
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NO_MARK: Final = re.compile(r"[ -~\t\n\r]+")
_SECOND_STARTERS: Final = frozenset(
    "\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1b35"
    "\U00011127\U0001133e\U00011357\U000114b0\U000114ba\U000114bd\U000115af\U00011930"
    "\U000113b8\U000113bb\U000113c2\U000113c5\U000113c7\U000113c9\U0001611e\U0001611f\U00016120\U00016129"
    "\U00016d63\U00016d67"
)
"""Characters of combining class 0 that compose with the one before them, beside the vowels and finals of Hangul."""


class Unseen(Struct, frozen=True):
    """Characters that were taken out.

    Attributes:
        start: Where they begin in the original, in characters.
        end: Where they end.
        kind: ``control``, ``zero-width``, ``bidi``, ``tags``, ``variation`` or ``marks``.
        message: The text that they spell, if they are tags or bytes in variation selectors; else "".
    """

    start: int
    end: int
    kind: str
    message: str = ""


class Places:
    """Where the characters of a changed text come from: the stretch of each in the text before."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: array[int] = array("L")
        self.ends: array[int] = array("L")

    def keep(self, start: int, end: int) -> None:
        """The next characters are those from ``start`` to ``end``, one by one."""
        self.starts.extend(range(start, end))
        self.ends.extend(range(start + 1, end + 1))

    def put(self, count: int, start: int, end: int) -> None:
        """The next ``count`` characters come from all that is between ``start`` and ``end``."""
        self.starts.extend([start] * count)
        self.ends.extend([end] * count)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch that ``[start:end]`` of the changed text comes from."""
        if start >= end:
            at = self.starts[start] if start < len(self.starts) else self.ends[-1] if self.ends else 0
            return at, at
        return self.starts[start], max(self.ends[start], self.ends[end - 1])


class Normalized(Struct, frozen=True):
    """A text made plain.

    Attributes:
        original: What came in, for the audit.
        text: NFKC, without unseen characters, words of mixed scripts in Latin: what a model may be given.
        folded: ``text`` in lower case without marks, character by character: what is searched.
        unseen: What was taken out, in order; at most `MAX_UNSEEN` of them.
        places: Where each character comes from; None where nothing was changed.
    """

    original: str
    text: str
    folded: str
    unseen: tuple[Unseen, ...] = ()
    places: Places | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of ``text[start:end]``."""
        return (start, end) if self.places is None else self.places.span(start, end)


MAX_UNSEEN: Final = 1_000


def normalize(text: str) -> Normalized:
    """Make ``text`` plain; never raises, whatever the string holds, also lone surrogates."""
    if text.isascii() and (text.isprintable() or not text.encode().translate(None, _SEEN)):
        return Normalized(text, text, text.lower())
    unseen: list[Unseen] = []
    seen, kept_places = _strip(text, unseen)
    pieces: list[str] = []
    places = Places()
    for start, end in _clusters(seen):
        kept, plain = end, seen[start:end]
        if not plain.isascii():
            kept = min(end, start + 1 + MAX_MARKS)
            shown = plain[: kept - start]
            plain = _cap_marks(unicodedata.normalize("NFKC", shown))
            plain = plain if len(plain) <= MAX_GROWTH * len(shown) else shown
            if kept < end:
                _note(unseen, Unseen(kept_places[kept], kept_places[end - 1] + 1, "marks"))
        pieces.append(plain)
        if len(plain) == kept - start:
            places.starts.extend(kept_places[start:kept])
            places.ends.extend([place + 1 for place in kept_places[start:kept]])
        else:
            places.put(len(plain), kept_places[start], kept_places[kept - 1] + 1)
    made = latinize_mixed("".join(pieces))
    return Normalized(text, made, fold(made), tuple(unseen), places)


def _strip(text: str, unseen: list[Unseen]) -> tuple[str, array[int]]:
    """The characters that are seen, and the place of each."""
    pieces: list[str] = []
    places: array[int] = array("L")
    at = 0
    for gap in UNSEEN.finditer(text):
        pieces.append(text[at : gap.start()])
        places.extend(range(at, gap.start()))
        at = gap.end()
        _note(unseen, Unseen(gap.start(), at, _kind(gap[0]), _spelt(gap[0])))
    pieces.append(text[at:])
    places.extend(range(at, len(text)))
    return "".join(pieces), places


def _note(unseen: list[Unseen], found: Unseen) -> None:
    if len(unseen) < MAX_UNSEEN:
        unseen.append(found)


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """``text`` in ranges that NFKC treats by themselves: plain stretches, and a character with all that may join it."""
    at = 0
    while at < len(text):
        plain = _NO_MARK.match(text, at)
        if plain is not None and plain.end() == len(text):
            yield at, len(text)
            return
        if plain is not None and plain.end() - at > 1:  # the last one may carry a mark
            yield at, plain.end() - 1
            at = plain.end() - 1
        after = at + 1
        while after < len(text) and _joins(text[after]):
            after += 1
        yield at, after
        at = after


def _cap_marks(plain: str) -> str:
    """``plain`` without the marks beyond `MAX_MARKS` of one letter: one character may stand for several marks."""
    if len(plain) <= MAX_MARKS + 1:
        return plain
    kept: list[str] = []
    marks = 0
    for letter in plain:
        marks = marks + 1 if _joins(letter) else 0
        if marks <= MAX_MARKS:
            kept.append(letter)
    return "".join(kept)


@lru_cache(maxsize=65_536)
def _joins(letter: str) -> bool:
    """Whether NFKC may put ``letter`` together with what is before it."""
    if letter < "\u0300":
        return False
    first = unicodedata.normalize("NFKD", letter)[0]
    return unicodedata.combining(first) != 0 or first in _SECOND_STARTERS or "\u1161" <= first <= "\u11ff"


def _kind(run: str) -> str:
    code = ord(run[0])
    if code in range(0xE0000, 0xE0080):
        return "tags"
    if code in _BYTES_LOW or code in _BYTES_HIGH:
        return "variation"
    if not _BIDI.isdisjoint(run):
        return "bidi"
    return "control" if code < 0xA0 else "zero-width"


def _spelt(run: str) -> str:
    """What a run of tags or variation selectors says."""
    tags = "".join([chr(ord(letter) - 0xE0000) for letter in run if ord(letter) in _TAGS])
    if tags:
        return tags
    values = [_selected(ord(letter)) for letter in run]
    data = bytes([value for value in values if value >= 0])
    return data.decode("utf-8", "replace") if len(data) > 1 else ""


def _selected(code: int) -> int:
    if code in _BYTES_LOW:
        return code - 0xFE00
    return code - 0xE0100 + 16 if code in _BYTES_HIGH else -1
