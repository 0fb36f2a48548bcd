"""Cheap tests on a text in ASCII: which kinds of marks and disguises it cannot have, so that nobody looks for them.

Each is a pass over bytes in C. A sign says "perhaps"; that there is none is certain. Other texts have every sign.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.guard.shapes import DIGITS, GAPS, LETTERS, SPACES, make_table
from surefoot.guard.tokens import MAX_WORD_CHARS, list_words
from surefoot.guard.word_kinds import KIND_OF

_TO_WORDS: Final = make_table((LETTERS, b""), other=b" ")
_TO_BLOCKS: Final = make_table((LETTERS + DIGITS + b"+/_-", b"a"), other=b"?")
_TO_HEX: Final = make_table((b"abcdef" + DIGITS, b"a"), (b" ", b" "), other=b"?")
_TO_SPACED: Final = make_table((LETTERS + DIGITS + b"@$!", b"a"), (b" ._*|/\\\n-", b" "), other=b"?")
_TO_SPLIT: Final = make_table((LETTERS, b"a"), (GAPS, b"-"), other=b"?")
_TO_SHAPE: Final = make_table(
    (LETTERS, b"a"),
    (b"013457@!", b"0"),
    (SPACES, b" "),
    (b"-._*^", b"-"),
    (b"\"'", b"q"),
    (b"{](", b"b"),
    (b"=", b"="),
    (b"2689,:;?)[}>", b"."),
    other=b"r",
)
"""What a text is told by that has no sign at all; ``r`` are the characters that few such texts have."""
_BLOCK: Final = "a" * 16
_LONG: Final = "a" * (MAX_WORD_CHARS + 1)
MARK_WORDS: Final = frozenset(
    """
    system developer assistant human instruction instructions response responses inst thought action observation
    final onerror onload onclick onmouseover
    """.split()  # noqa: SIM905 - a table
)
"""Words that turns of other speakers, and of a ReAct run, begin with, and those that have a page run a script."""


class Signs(Struct, frozen=True):
    """What a text may have.

    Attributes:
        words: Those of the words in question that it has.
        has_marks: Marks (`surefoot.guard.markup`), beside those that begin with one of `MARK_WORDS`.
        has_blocks: A block of base64 or hex.
        has_escapes: An escape.
        is_spaced: A row of letters apart that may be words.
        is_split: A word in pieces.
        is_glued: Strings that are put together.
        is_leet: A digit for a letter.
        is_rare: A character that few texts have.
    """

    words: frozenset[str]
    has_marks: bool = False
    has_blocks: bool = False
    has_escapes: bool = False
    is_spaced: bool = False
    is_split: bool = False
    is_glued: bool = False
    is_leet: bool = False
    is_rare: bool = False


_NONE: Final = frozenset[str]()
_ALL: Final = (True,) * 8
NO_SIGNS: Final = Signs(_NONE)
ALPHABET: Final = frozenset(LETTERS.decode())
_ALONE: Final = ALPHABET - KIND_OF.keys()
LEAST_LETTERS: Final = 4
"""Different ones, in a row of letters that may be words."""


def read_signs(folded: str, wanted: frozenset[str], said: frozenset[str] | None = None) -> Signs:
    """The signs of a folded text, `NO_SIGNS` itself for most without; ``wanted`` are words, and `ALPHABET` for rows.

    ``said`` are the words of the text, if they are known already.
    """
    if not folded.isascii():
        return Signs(wanted.intersection(list_words(folded) if said is None else said), *_ALL)
    data = folded.encode()
    shape = data.translate(_TO_SHAPE).decode()
    has_long = has_blocks = False
    if len(shape) >= len(_BLOCK):
        has_long = _BLOCK in data.translate(_TO_BLOCKS).decode()
        has_blocks = has_long or (" " in shape and _has_hex(data.translate(_TO_HEX).decode()))
    if said is not None:
        found = wanted & said
    elif has_long and _LONG in shape:
        found = wanted.intersection(list_words(folded))
    else:
        found = wanted.intersection(data.translate(_TO_WORDS).decode().split())
    is_spaced = False
    if found and not found.isdisjoint(ALPHABET):
        is_spaced = len(found & ALPHABET) >= LEAST_LETTERS and _has_row(data.translate(_TO_SPACED).decode())
        found -= _ALONE
    if (
        "r" in shape
        or ("0" in shape and ("0a" in shape or "u00" in folded))
        or ("-" in shape and "-a" in shape)
        or ("b" in shape and "bb" in shape)
        or ("q" in shape and ("=" in shape or "q-" in shape or "q -" in shape))
        or is_spaced
        or has_blocks
        or "javascript:" in folded
    ):
        return _read_closely(folded, shape, found, has_blocks=has_blocks, is_spaced=is_spaced)
    return Signs(found) if found else NO_SIGNS


def _read_closely(folded: str, shape: str, words: frozenset[str], *, has_blocks: bool, is_spaced: bool) -> Signs:
    """The same of a text that has a sign of something else than words."""
    is_rare = "r" in shape
    split = folded.encode().translate(_TO_SPLIT).decode() if is_rare else shape
    return Signs(
        words,
        has_any(folded, _MARKS) if is_rare or "bb" in shape else "javascript:" in folded,
        has_blocks,
        "u00" in folded or (is_rare and ("%" in folded or "&" in folded or "\\" in folded)),
        is_spaced,
        "a-a" in split or "a--a" in split,
        ("q" in shape and ("=" in shape or "q-" in shape or "q -" in shape))
        or (is_rare and has_any(folded, ("+", "=", "&", "`.", "` ."))),
        "0a" in shape or (is_rare and ("|" in folded or "$" in folded)),
        is_rare,
    )


_MARKS: Final = ("<", "`", "#", "~~~", "{{", "{%", "${", "](", "[/", "javascript:")


def has_any(folded: str, signs: tuple[str, ...]) -> bool:
    """Whether a text has one of some signs."""
    for sign in signs:  # noqa: SIM110 - any() over a generator takes three times the instructions
        if sign in folded:
            return True
    return False


def _has_hex(shape: str) -> bool:
    """Where no block stands without a gap, there is one between two bytes."""
    return "aa aa" in shape and _BLOCK in shape.replace(" ", "")


def may_have_hex(folded: str) -> bool:
    """Whether a folded text may have a block of hex."""
    return not folded.isascii() or _BLOCK in folded.encode().translate(_TO_HEX).replace(b" ", b"").decode()


def _has_row(shape: str) -> bool:
    return " a a " in shape or " a  a " in shape or " a   a " in shape


assert len(_BLOCK) <= MAX_WORD_CHARS, "a word that is cut in pieces has to be taken for a block"
