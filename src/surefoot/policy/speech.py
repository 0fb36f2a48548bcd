"""Reported speech: "tell her that you've seen it" asks for the words "I've seen it".

Who hears it may take it for the other way round ("I owe you"): a text decides nothing, so that is no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# Whom such a word means depends on who speaks. No normal text has the marks that stand for them
_WORDS: Final = {
    **dict.fromkeys(["i", "you", "he", "she", "we", "they", "me", "him", "us", "them"], "<person>"),
    **dict.fromkeys(["my", "your", "his", "our", "their"], "<person's>"),
    **dict.fromkeys(["mine", "yours", "ours", "theirs"], "<person's own>"),
    **dict.fromkeys(["am", "are", "is", "m", "re"], "<is>"),
    **dict.fromkeys(["was", "were"], "<was>"),
    **dict.fromkeys(["have", "has", "ve"], "<has>"),
    "ll": "<will>",
    "will": "<will>",
}


def fold_speech(text: str) -> str:
    """A normal text in which it makes no difference who speaks; nothing else is left out or changed."""
    words = [_WORDS.get(part, part) for word in text.split() for part in word.split("'")]
    return f" {' '.join(words)} "


def says(said: Sequence[str], text: str) -> bool:
    """Whether one of some normal texts has another one whole, as it is or as it is reported."""
    if not text:
        return False
    folded = fold_speech(text)
    return any(text in one or folded in fold_speech(one) for one in said)
