"""Threats in characters that nobody sees: text in tags, directions that turn letters round, joiners in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from surefoot.guard.normalize import Normalized, Unseen
from surefoot.guard.threats import Threat, ThreatClass

_RTL: Final = (range(0x590, 0x900), range(0xFB1D, 0xFE00), range(0xFE70, 0xFEFF))
_SHOWN_CHARS: Final = 60


def find_unseen(text: Normalized) -> Iterator[Threat]:
    """What the characters that nobody sees are a sign of."""
    joiners = [unseen for unseen in text.unseen if unseen.kind == "zero-width"]
    for unseen in text.unseen:
        score, why = _judge_unseen(unseen, text, len(joiners))
        if score:
            yield Threat(ThreatClass.HIDDEN_TEXT, unseen.start, unseen.end, score, why)


def _judge_unseen(unseen: Unseen, text: Normalized, joiners: int) -> tuple[float, str]:
    if unseen.message and (unseen.kind == "tags" or len(unseen.message) >= _LEAST_MESSAGE):
        said = ascii(unseen.message[:_SHOWN_CHARS])
        return (0.3 if _is_flag(unseen, text) else 0.85), f"unseen characters that spell {said}"
    if unseen.kind == "bidi":
        is_rtl = any(ord(letter) in block for letter in text.text[:_SAMPLE_CHARS] for block in _RTL)
        return (0.1, "direction marks") if is_rtl else (0.4, "direction marks that show letters in another order")
    if unseen.kind == "zero-width" and _is_between_letters(unseen, text.original):
        return (0.45 if joiners >= _MANY_JOINERS else 0.2), "unseen characters inside words"
    if unseen.kind == "marks":
        return 0.3, "heaps of marks on a letter"
    return 0.0, ""


_LEAST_MESSAGE: Final = 4
_MANY_JOINERS: Final = 3
_SAMPLE_CHARS: Final = 20_000


def _is_flag(unseen: Unseen, text: Normalized) -> bool:
    """Flags of England and the like are a black flag with tags."""
    return text.original[unseen.start - 1 : unseen.start] == "\U0001f3f4" and len(unseen.message) <= _FLAG_CHARS


_FLAG_CHARS: Final = 6


def _is_between_letters(unseen: Unseen, original: str) -> bool:
    before, after = original[unseen.start - 1 : unseen.start], original[unseen.end : unseen.end + 1]
    return before.isascii() and before.isalpha() and after.isascii() and after.isalpha()
