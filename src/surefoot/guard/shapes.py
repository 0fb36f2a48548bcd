"""A text's shape: each byte as the sign of the class that it is of, so that a search in C takes a pattern's place."""

from __future__ import annotations

from typing import Final

LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
DIGITS: Final = b"0123456789"
SPACES: Final = b" \t\n\r"
GAPS: Final = b"-._*~^|/\\+"
"""What stands between the pieces of a word that is split."""


def make_table(*classes: tuple[bytes, bytes], other: bytes) -> bytes:
    """For `bytes.translate`: each byte as the sign of the first class that has it; of one without a sign as it is."""
    table = bytearray(other * 256)
    for members, sign in reversed(classes):
        for member in members:
            table[member] = sign[0] if sign else member
    return bytes(table)
