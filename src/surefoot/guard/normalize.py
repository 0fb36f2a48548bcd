"""Text as a model takes it: invisible characters out, compatibility forms and lookalikes folded, and the way back.

The original stays whole for the audit, and each character of the result knows where in the original it comes from.
One pass; the result is at most `MAX_GROWTH` times as long: the few ligatures that stand for more letters stay.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
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

    def copy(self, before: Places | None, start: int, end: int) -> None:
        """As `keep`, of a text whose own characters come from ``before``."""
        if before is None:
            self.keep(start, end)
        else:
            self.starts.extend(before.starts[start:end])
            self.ends.extend(before.ends[start:end])

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
        places: Where each character comes from; None where each stands where it stood.
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
    seen, taken = _strip(text, unseen)
    pieces: list[str] = []
    places = Places()
    at = 0
    for start, end in _clusters(seen):
        pieces.append(seen[at:start])
        places.copy(taken, at, start)
        at = end
        kept = min(end, start + 1 + MAX_MARKS)
        shown = seen[start:kept]
        whole = unicodedata.normalize("NFKC", shown)
        plain = _cap_marks(whole)
        if kept < end or plain != whole:  # a letter may bring marks of its own
            cut = kept if kept < end else start
            _note(unseen, Unseen(_place(taken, cut), _place(taken, end - 1) + 1, "marks"))
        plain = plain if len(plain) <= MAX_GROWTH * len(shown) else shown
        pieces.append(plain)
        if len(plain) == kept - start:
            places.copy(taken, start, kept)
        else:
            places.put(len(plain), _place(taken, start), _place(taken, kept - 1) + 1)
    pieces.append(seen[at:])
    if at or taken is not None:
        places.copy(taken, at, len(seen))
    made = latinize_mixed("".join(pieces))
    return Normalized(text, made, fold(made), tuple(unseen), places if at or taken is not None else None)


def _strip(text: str, unseen: list[Unseen]) -> tuple[str, Places | None]:
    """The characters that are seen, and the place of each: None where all are."""
    pieces: list[str] = []
    places = Places()
    at = 0
    for gap in UNSEEN.finditer(text):
        pieces.append(text[at : gap.start()])
        places.keep(at, gap.start())
        at = gap.end()
        if len(unseen) < MAX_UNSEEN:
            unseen.append(Unseen(gap.start(), at, _kind(gap[0]), _spelt(gap[0])))
    if not at:
        return text, None
    pieces.append(text[at:])
    places.keep(at, len(text))
    return "".join(pieces), places


def _place(taken: Places | None, at: int) -> int:
    return at if taken is None else taken.starts[at]


def _note(unseen: list[Unseen], found: Unseen) -> None:
    if len(unseen) < MAX_UNSEEN:
        unseen.append(found)


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """The ranges that NFKC may change, each a character with all that may join it; what is between stays as it is."""
    return (cluster.span() for cluster in _CLUSTER.finditer(text.translate(_SHAPE)))


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


def _joins(letter: str) -> bool:
    """Whether NFKC may put ``letter`` together with what is before it."""
    if letter < "\u0300":
        return False
    first = unicodedata.normalize("NFKD", letter)[0]
    return unicodedata.combining(first) != 0 or first in _SECOND_STARTERS or "\u1161" <= first <= "\u11ff"


class _Shape(dict[int, str]):
    """For `str.translate`: what NFKC makes of each character; one look-up in C instead of a turn of our own loop."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        stays = unicodedata.normalize("NFKC", letter) == letter
        shape = _JOINS if _joins(letter) else _STAYS if stays else _CHANGES
        if len(self) < _CACHED:
            self[code] = shape
        return shape


_CACHED: Final = 65_536
_STAYS, _CHANGES, _JOINS = "a", "c", "j"
_CLUSTER: Final = re.compile(f".{_JOINS}+|[{_CHANGES}{_JOINS}]")
"""In a text's shape. A text may begin with what would join."""
_SHAPE: Final = _Shape()


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
