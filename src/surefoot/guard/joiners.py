"""Unseen characters that make one sign of several: a family of four people, a red heart, a letter of Hindi.

Between other characters they are a disguise, and stay out.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from surefoot.guard.normalize import Normalized

_SIGN_JOIN: Final = re.compile("[\ufe0e\ufe0f]|\ufe0f?\u200d")
_FLAG_JOIN: Final = re.compile(
    "\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""Behind a black flag: those of England, Scotland and Wales, which alone are in use (Unicode's RGI set)."""
_LETTER_JOIN: Final = re.compile("[\u200c\u200d]")
_KEYCAP: Final = "\u20e3"
_FLAG: Final = "\U0001f3f4"
_JOINING: Final = re.compile("[\u0600-\u06ff\u0750-\u077f\u0900-\u0dff]")
"""Arabic and Persian, the scripts of India: there a joiner, or its contrary, is a part of the spelling."""


def find_joiners(text: Normalized) -> Iterator[tuple[int, str]]:
    """What belongs back into ``text.text``: before which of its characters, and what."""
    starts = text.places.starts if text.places is not None else ()
    for gap in text.unseen:
        run, at = text.original[gap.start : gap.end], bisect_left(starts, gap.end)
        before, after = text.text[max(0, at - 1) : at], text.text[at : at + 1]
        if _joins_signs(run, before, after) or _joins_letters(run, before, after):
            yield at, run


def _joins_signs(run: str, before: str, after: str) -> bool:
    if before == _FLAG and _FLAG_JOIN.fullmatch(run):
        return True
    if not _SIGN_JOIN.fullmatch(run):
        return False
    if "\u200d" in run:
        return _is_sign(before) and _is_sign(after)
    return _is_sign(before) or after == _KEYCAP


def _joins_letters(run: str, before: str, after: str) -> bool:
    return bool(_LETTER_JOIN.fullmatch(run) and _JOINING.match(before) and _JOINING.match(after))


def _is_sign(letter: str) -> bool:
    """A picture, or the colour of its skin."""
    return letter != "" and unicodedata.category(letter) in {"So", "Sk", "Sm"} and letter > "\u00a8"
