"""Other ways to read a text: decoded, letters put back together, digits as letters, backwards.

Each reading knows where in the plain text its characters come from. All of it is bounded: `MAX_READINGS`,
`MAX_DECODED_CHARS` in all, `MAX_DEPTH` layers; what is beyond is told, because decoys could fill the room. A reading
that can bring no word of a phrase is not made, and each kind has a cheap sign without which it is not tried. Patterns
have no nested repetition that could match one text in two ways, so the work grows with the text and no faster.
"""

from __future__ import annotations

import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from msgspec.structs import replace

from surefoot.guard.normalize import Normalized, Places, normalize
from surefoot.guard.phrases import first_words, known_words
from surefoot.guard.signs import LEAST_LETTERS, NO_SIGNS, Signs, may_have_hex
from surefoot.guard.spellings import LEET_I, LEET_L, has_leet, may_be_leet, may_be_split, unleet

MAX_READINGS: Final = 48
MAX_DECODED_CHARS: Final = 65_536
MAX_DEPTH: Final = 3
MAX_BLOCK_CHARS: Final = 16_384
"""Of one base64 or hex block, from its beginning."""


class Reading(Struct, frozen=True):
    """A text as it may be read.

    Attributes:
        text: The text, plain and folded (see `Normalized`).
        via: What it was disguised as.
        places: Where its characters come from in the plain text that was read, or None where all of it comes from one
            block.
        block: That block, start and end; of characters that were taken out, in the original, otherwise in the plain
            text.
        is_prose: Whether it is a text of its own, and not the same text with some characters changed.
        is_unseen: Whether it comes from characters that were taken out.
    """

    text: Normalized
    via: str
    places: Places | None = None
    block: tuple[int, int] = (0, 0)
    is_prose: bool = False
    is_unseen: bool = False

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The place in the text that was read of ``text.folded[start:end]``; see ``block``."""
        return self.block if self.places is None else self.places.span(*self.text.span(start, end))


def find_readings(text: Normalized, signs: Signs, *, has_phrase: bool) -> tuple[list[Reading], bool]:
    """The readings of a text with ``signs``, at most `MAX_READINGS`, and whether there would be more.

    Those of a text without disguise are none.
    """
    if signs is NO_SIGNS and not text.unseen and not has_phrase:
        return [], False
    room = MAX_DECODED_CHARS
    found: list[Reading] = []
    for reading in _all_readings(text, signs, has_phrase=has_phrase):
        room -= len(reading.text.text) if reading.is_prose else 0
        if room < 0 or len(found) >= MAX_READINGS:
            return found, True
        found.append(reading)
    return found, False


def may_have_readings(text: str, folded: str, signs: Signs) -> bool:
    """Whether a text in ASCII may have any, beside those that its words are a sign of: ids and times have none."""
    return (
        signs.has_escapes
        or signs.is_spaced
        or signs.is_glued
        or (signs.is_split and may_be_split(folded))
        or (signs.is_leet and may_be_leet(folded))
        or (signs.has_blocks and next(_blocks(text, folded), None) is not None)
    )


def _all_readings(text: Normalized, signs: Signs, *, has_phrase: bool) -> Iterator[Reading]:
    for unseen in text.unseen:
        if unseen.message:
            yield Reading(
                normalize(unseen.message), unseen.kind, block=(unseen.start, unseen.end), is_prose=True, is_unseen=True
            )
    if signs.has_blocks:
        yield from _blocks(text.text, text.folded)
    if signs.has_escapes and any(map(text.text.__contains__, _ESCAPE_SIGNS)) and _ESCAPE.search(text.text) is not None:
        yield _unescape(text.text)
    yield from _regrouped(text, signs, has_phrase=has_phrase)
    yield from _respelt(text, signs)


# ------------------------------------------------------------------------------------------------------------- blocks

_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2} ?){8,}")
_TEXT_SHARE: Final = 0.9


def _blocks(text: str, folded: str) -> Iterator[Reading]:
    for via, pattern, decode in (("base64", _BASE64, _decode_base64), ("hex", _HEX, _decode_hex)):
        if pattern is _HEX and not may_have_hex(folded):
            continue
        for match in pattern.finditer(text):
            decoded = decode(match[0][:MAX_BLOCK_CHARS])
            if decoded:
                yield Reading(normalize(decoded), via, block=match.span(), is_prose=True)


def _decode_hex(block: str) -> str:
    digits = block.replace(" ", "")
    return _readable(bytes.fromhex(digits[: len(digits) & ~1]))


def _decode_base64(block: str) -> str:
    """The text of a block, "" if it has none; the padding may be missing, and of a letter too many nobody can tell."""
    body = block.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    return _readable(binascii.a2b_base64(body + "=" * (-len(body) % 4)))


def _readable(data: bytes) -> str:
    """``data`` if it is text with words, else ""."""
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        return ""
    letters = sum([letter.isalpha() or letter == " " for letter in decoded])
    seen = sum([letter.isprintable() or letter.isspace() for letter in decoded])
    return decoded if decoded and seen >= _TEXT_SHARE * len(decoded) and letters * 2 >= len(decoded) else ""


# ------------------------------------------------------------------------------------------------------------ escapes


def _percent(escaped: str) -> str:
    return unquote_to_bytes(escaped).decode("utf-8", "replace")


def _backslash(escaped: str) -> str:
    return chr(int(escaped.lstrip("\\xuU{").rstrip("}"), 16) % 0x110000)


_KINDS_OF_ESCAPES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("URL encoding", _percent),
    ("HTML entities", html.unescape),
    ("escapes", _backslash),
    ("bare escapes", _backslash),
)
"""Name, and what one stands for, by the group of `_ESCAPE`."""
_ESCAPE_SIGNS: Final = ("%", "&", "\\", "u00")
_ESCAPE: Final = re.compile(
    r"((?:%[0-9a-fA-F]{2})+)|(&(?:#[xX]?[0-9a-fA-F]{1,6}|[a-zA-Z]{2,24});)"
    r"|(\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}))|(\bu00[2-7][0-9a-fA-F])"
)


def _unescape(text: str) -> Reading:
    """All escapes of a layer at once: kind by kind there would be a reading for each order of the kinds."""
    kinds: set[int] = set()

    def decode(match: re.Match[str]) -> str:
        kind = (match.lastindex or 1) - 1
        kinds.add(kind)
        return _KINDS_OF_ESCAPES[kind][1](match[0])

    made = _substitute(text, _ESCAPE, decode, "")
    return replace(made, via=", ".join([_KINDS_OF_ESCAPES[kind][0] for kind in sorted(kinds)]))


def _substitute(text: str, pattern: re.Pattern[str], decode: Callable[[re.Match[str]], str], via: str) -> Reading:
    """``text`` with what ``pattern`` finds decoded; a character decoded from an escape comes from all of it."""
    pieces: list[str] = []
    places = Places()
    at = 0
    for match in pattern.finditer(text):
        decoded = decode(match)
        pieces += [text[at : match.start()], decoded]
        places.keep(at, match.start())
        places.put(len(decoded), *match.span())
        at = match.end()
    pieces.append(text[at:])
    places.keep(at, len(text))
    return Reading(normalize("".join(pieces)), via, places)


# --------------------------------------------------------------------------------------------------------- regrouping

_SPACED: Final = re.compile(r"(?<![a-z0-9])[a-z0-9@$!](?:[ ._*|/\\\n-]{1,3}[a-z0-9@$!](?![a-z0-9])){5,}")
_SPLIT_WORD: Final = re.compile(r"(?<=[a-z])[-._*~^|/\\+\u0300-\u036f]{1,2}(?=[a-z])")
_SPLIT_WORDS: Final = re.compile(r"[a-z]{1,24}(?:[-._*~^|/\\+\u0300-\u036f]{1,2}[a-z]{1,24})+")
_LEAST_SPLIT: Final = 4
_GLUE: Final = re.compile(
    r"""["'`]\s{0,4}[+.&]{1,2}\s{0,4}["'`]|["'`]\s{0,4}[;,]?\s{0,4}\w{1,20}\s{0,3}=\s{0,3}["'`]"""
)
_GLUE_SIGNS: Final = ("+", "=", "&", '".', "'.", "`.", '" .', "' .", "` .")
_VALUE: Final = re.compile(r"""(?<=[:,\[{]\s|.[:,\[{])"([^"\n]{1,4000})"(?!\s{0,4}:)""")
_MAX_KNOWN: Final = 16


def _regrouped(text: Normalized, signs: Signs, *, has_phrase: bool) -> Iterator[Reading]:
    folded = text.folded
    for match in _SPACED.finditer(folded) if signs.is_spaced else ():
        if _is_worded(match[0]):
            yield _join_letters(match)
    if signs.is_split and _has_split_word(folded):
        yield _substitute(folded, _SPLIT_WORD, lambda _: "", "split words")
    if signs.is_glued and _has_glue(folded):
        yield _substitute(folded, _GLUE, lambda _: "", "joined strings")
    if has_phrase and may_have_fields(folded):
        values = list(_VALUE.finditer(folded))
        if len(values) > 1:
            places = Places()
            for value in values:
                places.keep(value.start(1), value.end(1) + 1)
            yield Reading(normalize("".join([f"{value[1]} " for value in values])), "split over fields", places)


def may_have_fields(folded: str) -> bool:
    """Whether a text may be of fields that a phrase is split over."""
    return '":' in folded or '", "' in folded


def _has_glue(folded: str) -> bool:
    for sign in _GLUE_SIGNS:
        if sign in folded:
            return _GLUE.search(folded) is not None
    return False


def _has_split_word(folded: str) -> bool:
    """Whether a word of a phrase is in pieces; most hyphens, dots and slashes are only that."""
    if (folded.isascii() and not may_be_split(folded)) or _SPLIT_WORD.search(folded) is None:
        return False
    known = known_words()
    for match in _SPLIT_WORDS.finditer(folded):
        word = _SPLIT_WORD.sub("", match[0])
        if len(word) >= _LEAST_SPLIT and word in known:
            return True
    return False


def _is_worded(spaced: str) -> bool:
    """Whether letters apart may be words: a row of figures, or of one letter, is none."""
    letters = [letter for letter in spaced if letter.isalpha()]
    figures = sum([letter.isdecimal() for letter in spaced])
    return figures < len(letters) and len(set(letters)) >= LEAST_LETTERS


def _join_letters(match: re.Match[str]) -> Reading:
    """``i g n o r e`` as a word; where words are not told apart by wider gaps, known words are looked for."""
    places = [at for at in range(match.start(), match.end()) if match.string[at].isalnum() or match.string[at] in "@$!"]
    gaps = [after - at for at, after in pairwise(places)]
    wide = max(gaps) if min(gaps) < max(gaps) else 0
    letters = "".join([match.string[at] for at in places]).translate(LEET_I)
    ends = {number + 1 for number, gap in enumerate(gaps) if gap == wide} or _word_ends(letters)
    pieces: list[str] = []
    joined = Places()
    for number, at in enumerate(places):
        if number in ends:
            pieces.append(" ")
            joined.keep(at, at + 1)
        pieces.append(letters[number])
        joined.keep(at, at + 1)
    return Reading(normalize("".join(pieces)), "spaced letters", joined)


def _word_ends(letters: str) -> set[int]:
    """Where the longest known words end and begin."""
    known = known_words()
    ends: set[int] = set()
    at = 0
    while at < len(letters):
        size = next((size for size in range(_MAX_KNOWN, 1, -1) if letters[at : at + size] in known), 0)
        if size:
            ends |= {at, at + size}
        at += size or 1
    return ends


# --------------------------------------------------------------------------------------------------------- respelling

_LEET_MARKS: Final = re.compile(r"[013457@$!|](?:(?<=[a-z].)[013457@$!|]*[a-z]|(?<!\w.)[a-z]{2})")
_LONG_WORD: Final = 5


def _respelt(text: Normalized, signs: Signs) -> Iterator[Reading]:
    folded = text.folded
    if signs.is_leet and has_leet(folded) and _LEET_MARKS.search(folded) is not None:
        for table in (LEET_I, LEET_L):
            yield _same_length(unleet(folded, table), "leet")
    if not signs.words.isdisjoint(_encoded_words()):
        yield _same_length(codecs.encode(folded, "rot13"), "rot13")
    if not signs.words.isdisjoint(_reversed_words()):
        yield Reading(normalize(folded[::-1]), "backwards", block=(0, len(folded)))


def _same_length(folded: str, via: str) -> Reading:
    places = Places()
    places.keep(0, len(folded))
    return Reading(normalize(folded), via, places)


def turned_words() -> frozenset[str]:
    """The words that a text in ROT13, or written backwards, is known by."""
    return _encoded_words() | _reversed_words()


@cache
def _encoded_words() -> frozenset[str]:
    return frozenset([codecs.encode(word, "rot13") for word in _long_words()])


@cache
def _reversed_words() -> frozenset[str]:
    return frozenset([word[::-1] for word in _long_words()])


def _long_words() -> list[str]:
    """Words that phrases begin with."""
    return [word for word in first_words() if len(word) >= _LONG_WORD and word.isascii()]
