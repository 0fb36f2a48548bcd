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

from surefoot.guard.letters import drop_gaps, find_letters
from surefoot.guard.normalize import normalize
from surefoot.guard.redact import Finding

LEAK_LETTERS: Final = 48
"""Letters in a row that an answer has from the instructions by leak, and hardly by chance: some ten words."""
LEAK_SIGNS: Final = 20
"""The same for scripts of which a character is a word or a syllable."""
LEAST_LETTERS: Final = 16
"""Shorter instructions are nothing that could leak."""
MAX_INSTRUCTIONS: Final = 64
"""Agents whose instructions are remembered as letters; of others they are read anew."""
_STRIDE: Final = 4
_MOST_PLACES: Final = 8
"""Of one piece in the instructions: around each of them a stretch may be the same."""
_BLOCK: Final = re.compile(r"[A-Za-z0-9+/_-]{64,16384}={0,2}")
_BLOCK_SHAPE: Final = b"a" * 64
_TO_SHAPE: Final = bytes([97 if chr(code).isalnum() or chr(code) in "+/_-" else 32 for code in range(128)]) + bytes(128)


class Instructions(Struct, frozen=True):
    """What must not be repeated.

    Attributes:
        forms: Their letters, as they are and in disguise.
        pieces: Every fourth piece of ``size`` letters of each form.
        size: Letters of a piece: a third of ``least``.
        least: Letters in a row that are a leak; 0 if there is nothing that could leak.
    """

    forms: tuple[str, ...]
    pieces: frozenset[str]
    size: int
    least: int


NO_INSTRUCTIONS: Final = Instructions((), frozenset(), 0, 0)


@lru_cache(maxsize=MAX_INSTRUCTIONS)
def read_instructions(prompt: str) -> Instructions:
    """The letters of an agent's instructions, and where to look for them."""
    letters = drop_gaps(normalize(prompt).folded)
    if len(letters) < LEAST_LETTERS:
        return NO_INSTRUCTIONS
    is_latin = sum(letter < "\u0250" for letter in letters) * 2 > len(letters)
    least = min(LEAK_LETTERS if is_latin else LEAK_SIGNS, len(letters))
    forms = (letters, codecs.encode(letters, "rot13"), letters[::-1])
    size = least // 3
    pieces = {form[at : at + size] for form in forms for at in range(0, len(form) - size + 1, _STRIDE)}
    return Instructions(forms, frozenset(pieces), size, least)


def find_leak(answer: str, instructions: Instructions) -> Iterator[Finding]:
    """The stretches of ``answer`` that repeat the instructions."""
    if not instructions.least or (len(answer) < instructions.least and answer.isascii()):
        return
    plain = normalize(answer)
    letters = drop_gaps(plain.folded)
    places: array[int] | None = None
    for start, end in _find_common(letters, instructions):
        if places is None:
            places = find_letters(plain.folded)[1]
        yield *plain.span(places[start], places[end - 1] + 1), "prompt", "[removed]"
    if _BLOCK_SHAPE not in answer.encode("utf-8", "replace").translate(_TO_SHAPE):
        return
    for match in _BLOCK.finditer(answer):
        for decoded in _decode(match[0]):
            if next(_find_common(drop_gaps(normalize(decoded).folded), instructions), None):
                yield *match.span(), "prompt", "[removed]"
                break


def find_leak_start(answer: str, instructions: Instructions) -> int:
    """Where the end of an unfinished ``answer`` begins to repeat the instructions; its length if it does not."""
    plain = normalize(answer)
    letters, places = find_letters(plain.folded)
    longest = 0
    for form in instructions.forms:
        longest = max(longest, _longest(min(len(letters), len(form)), lambda more: letters[-more:] in form))  # noqa: B023 - called at once
    return plain.span(places[-longest], places[-longest] + 1)[0] if longest else len(answer)


def _find_common(letters: str, instructions: Instructions) -> Iterator[tuple[int, int]]:
    """Stretches of ``letters`` that are in the instructions, too, in order.

    Each has ``least - size + 1`` places at which a piece may begin, and so all of a group of `_STRIDE` places in a row,
    wherever the groups are so many places apart. One of a group's places is one of the instructions' pieces.
    """
    pieces, size, least = instructions.pieces, instructions.size, instructions.least
    step = least - size + 1 - (_STRIDE - 1)
    first, after = 0, 0
    ends: dict[tuple[str, int], int] = {}  # of the stretch that two texts have in common when laid so upon each other
    for group in range(0, len(letters) - size + 1, step):
        for at in range(group, group + _STRIDE):
            piece = letters[at : at + size]
            if piece not in pieces:
                continue
            for form in instructions.forms:
                for place in _find_places(form, piece):
                    if at < ends.get((form, place - at), 0):
                        continue
                    start, end = _extend(letters, at, form, place)
                    ends[form, place - at] = end
                    if end - start >= least and (start < first or end > after):
                        yield start, end
                        first, after = start, end


def _find_places(form: str, piece: str) -> Iterator[int]:
    place = form.find(piece)
    for _ in range(_MOST_PLACES):
        if place < 0:
            return
        yield place
        place = form.find(piece, place + 1)


def _extend(letters: str, at: int, form: str, place: int) -> tuple[int, int]:
    """The stretch around ``at`` that is the same as that around ``place`` of ``form``: by halves."""
    ahead = _longest(
        min(len(letters) - at, len(form) - place),
        lambda more: letters.startswith(form[place : place + more], at),
    )
    back = _longest(
        min(at, place),
        lambda more: letters.startswith(form[place - more : place], at - more),
    )
    return at - back, at + ahead


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
