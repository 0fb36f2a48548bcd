"""Whether an answer repeats the agent's instructions: by their letters and digits alone, as they are or in disguise.

What stands between the letters, their case and characters that nobody sees make no difference, nor do ROT13, the
letters backwards, and a block of Base64 or hex. A paraphrase or a translation is not found.
"""

from __future__ import annotations

import base64
import codecs
import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Final

from msgspec import Struct

from surefoot.guard.normalize import normalize
from surefoot.guard.redact import Finding, Redacted, replace

LEAK_LETTERS: Final = 48
"""Letters in a row that an answer has from the instructions by leak, and hardly by chance: some ten words."""
LEAK_SIGNS: Final = 20
"""The same for scripts of which a character is a word or a syllable."""
LEAST_LETTERS: Final = 16
"""Shorter instructions are nothing that could leak."""
MAX_INSTRUCTIONS: Final = 256
"""Agents whose instructions are remembered as letters; of others they are read anew."""

_GAPS: Final = re.compile(r"[\W_]+")
_BLOCK: Final = re.compile(r"[A-Za-z0-9+/_-]{64,16384}={0,2}")


class Instructions(Struct, frozen=True):
    """What must not be repeated.

    Attributes:
        forms: Their letters, as they are and in disguise.
        anchors: Pieces of each form: whatever repeats ``least`` letters of it holds one of them whole.
        least: Letters in a row that are a leak; 0 if there is nothing that could leak.
    """

    forms: tuple[str, ...]
    anchors: tuple[tuple[int, str], ...]
    least: int


NO_INSTRUCTIONS: Final = Instructions((), (), 0)


@lru_cache(maxsize=MAX_INSTRUCTIONS)
def read_instructions(prompt: str) -> Instructions:
    """The letters of an agent's instructions, and where to look for them."""
    letters = _GAPS.sub("", normalize(prompt).folded)
    if len(letters) < LEAST_LETTERS:
        return NO_INSTRUCTIONS
    is_latin = sum(letter < "\u0250" for letter in letters) * 2 > len(letters)
    least = min(LEAK_LETTERS if is_latin else LEAK_SIGNS, len(letters))
    forms = (letters, codecs.encode(letters, "rot13"), letters[::-1])
    size = max(1, least // 2)
    anchors = [
        (number, form[at : at + size])
        for number, form in enumerate(forms)
        for at in range(0, len(form) - size + 1, max(1, least - size))
    ]
    return Instructions(forms, tuple(dict.fromkeys(anchors)), least)


def find_leak(answer: str, instructions: Instructions) -> Iterator[Finding]:
    """The stretches of ``answer`` that repeat the instructions."""
    if not instructions.least:
        return
    plain = normalize(answer)
    letters = _GAPS.sub("", plain.folded)
    places: array[int] | None = None
    for start, end in _find_common(letters, instructions):
        if places is None:
            places = _letters(plain.folded)[1]
        yield *plain.span(places[start], places[end - 1] + 1), "prompt", "[removed]"
    for match in _BLOCK.finditer(answer):
        for decoded in _decode(match[0]):
            if next(_find_common(_GAPS.sub("", normalize(decoded).folded), instructions), None):
                yield *match.span(), "prompt", "[removed]"
                break


def find_leak_start(answer: str, instructions: Instructions) -> int:
    """Where the end of an unfinished ``answer`` begins to repeat the instructions; its length if it does not."""
    plain = normalize(answer)
    letters, places = _letters(plain.folded)
    longest = 0
    for form in instructions.forms:
        while longest < len(letters) and letters[-longest - 1 :] in form:
            longest += 1
    return plain.span(places[-longest], places[-longest] + 1)[0] if longest else len(answer)


def redact_prompt(answer: str, prompt: str) -> Redacted:
    """``answer`` without what repeats the instructions ``prompt``."""
    return replace(answer, find_leak(answer, read_instructions(prompt)))


def _letters(folded: str) -> tuple[str, array[int]]:
    """The letters and digits of a text, and the place of each."""
    places = array("L")
    for match in re.finditer(r"[^\W_]+", folded):
        places.extend(range(*match.span()))
    return _GAPS.sub("", folded), places


def _find_common(letters: str, instructions: Instructions) -> Iterator[tuple[int, int]]:
    """Stretches of ``letters`` that are in the instructions, too: in order of their anchors."""
    if len(letters) < instructions.least:
        return
    for number, anchor in instructions.anchors:
        form = instructions.forms[number]
        at = letters.find(anchor)
        while at >= 0:
            start, end = _extend(letters, at, at + len(anchor), form)
            if end - start >= instructions.least:
                yield start, end
            at = letters.find(anchor, max(end - len(anchor) + 1, at + 1))


def _extend(letters: str, start: int, end: int, form: str) -> tuple[int, int]:
    """The longest stretch around one that is in ``form``: to where it is no more, by halves."""
    end += _longest(min(len(letters) - end, len(form)), lambda more: letters[start : end + more] in form)
    start -= _longest(min(start, len(form)), lambda more: letters[start - more : end] in form)
    return start, end


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``most`` that fits; whatever is smaller than one that fits does, too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _decode(block: str) -> Iterator[str]:
    body = block.rstrip("=").replace("-", "+").replace("_", "/")
    with suppress(ValueError):
        yield base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "ignore")
    with suppress(ValueError):
        yield bytes.fromhex(block).decode("utf-8", "ignore")
