"""Cheap tests on a text in ASCII: which kinds of marks and disguises it cannot have, so that nobody looks for them.

Each is a pass over bytes in C. A sign says "perhaps"; that there is none is certain. Other texts have every sign.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from surefoot.guard.tokens import MAX_WORD_CHARS, list_words

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = b"0123456789"
_SPACES: Final = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"


def _classes(*classes: tuple[bytes, bytes]) -> bytes:
    """A table for `bytes.translate`: each byte as the sign of the first class that has it, others as a control."""
    table = bytearray(b"\x01" * 256)
    for members, sign in reversed(classes):
        for member in members:
            table[member] = sign[0]
    return bytes(table)


_TO_WORDS: Final = bytes([code if code in _LETTERS else 32 for code in range(256)])
_TO_BLOCKS: Final = _classes((_LETTERS + _DIGITS + b"+/_-", b"a"))
_TO_HEX: Final = _classes((b"abcdef" + _DIGITS, b"a"))
_TO_SPACED: Final = _classes((_LETTERS + _DIGITS + b"@$!", b"a"), (b" ._*|/\\\n-", b" "))
_TO_SPLIT: Final = _classes((_LETTERS, b"a"), (b"-._*~^|/\\+", b"-"))
_TO_LEET: Final = _classes((_LETTERS, b"a"), (b"013457@$!|", b"0"))
_TO_GLUE: Final = _classes((b"\"'`", b"q"), (b".", b"."))
_PLAIN: Final = _LETTERS + _DIGITS + b" \t\n\r.,:;!?'\"()[]{}-_/*@^|>"
"""What neither a mark nor an escape can be told by, beside those of two characters that are looked for."""
_BLOCK_CHARS: Final = 16
MARK_WORDS: Final = frozenset(
    [
        "system",
        "developer",
        "assistant",
        "human",
        "instruction",
        "instructions",
        "response",
        "responses",
        "inst",
        "thought",
        "action",
        "observation",
        "final",
    ]
)
"""Words that turns of other speakers, and of a ReAct run, begin with."""


class Signs(NamedTuple):
    """What a text may have.

    Attributes:
        words: Its words of letters, all of them; of other texts than ASCII all words (`list_words`).
        has_marks: Marks (`surefoot.guard.markup`), beside those that begin with one of `MARK_WORDS`.
        has_blocks: A block of base64 or hex.
        has_escapes: An escape.
        is_spaced: A row of letters apart.
        is_split: A word in pieces.
        is_glued: Strings that are put together.
        is_leet: A digit for a letter.
    """

    words: frozenset[str]
    has_marks: bool = True
    has_blocks: bool = True
    has_escapes: bool = True
    is_spaced: bool = True
    is_split: bool = True
    is_glued: bool = True
    is_leet: bool = True


def read_signs(folded: str) -> Signs:
    """The signs of a folded text."""
    if not folded.isascii():
        return Signs(frozenset(list_words(folded)))
    data = folded.encode()
    has_long = b"a" * _BLOCK_CHARS in data.translate(_TO_BLOCKS)
    words = list_words(folded) if has_long else data.translate(_TO_WORDS).decode().split()
    is_special = bool(data.translate(None, _PLAIN))
    spaced = data.translate(_TO_SPACED)
    split = data.translate(_TO_SPLIT)
    glue = data.translate(_TO_GLUE, _SPACES)
    return Signs(
        frozenset(words),
        is_special or "{{" in folded or "](" in folded or "[/" in folded or "javascript:" in folded,
        has_long or b"a" * _BLOCK_CHARS in data.translate(_TO_HEX, b" "),
        is_special or "u00" in folded,
        b" a a " in spaced or b" a  a " in spaced or b" a   a " in spaced,
        b"a-a" in split or b"a--a" in split,
        is_special or b"q.q" in glue or b"q..q" in glue,
        b"0a" in data.translate(_TO_LEET),
    )


assert _BLOCK_CHARS <= MAX_WORD_CHARS, "a word that is cut in pieces has to be taken for a block"
