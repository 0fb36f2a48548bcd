"""The events of a stream mostly differ in one string: once that is known, only the string is read."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_FRUITLESS: Final = 3
"""Templates that may go unused in a stream before no more are made: some providers pad each event differently."""

_decode_string = msgspec.json.Decoder(str).decode


class Template:
    """What surrounds the changing string of an event, and where the string belongs.

    If ``prefix + string + suffix`` was read as an event, so is the same with any other JSON string in its place: a
    match needs no further decoding, and a mismatch goes the usual way.

    Attributes:
        pieces: The pieces that the string continues.
        is_visible: Whether it is part of the text that a user sees.
    """

    __slots__ = ("_prefix", "_suffix", "is_visible", "pieces")

    def __init__(self, prefix: bytes, suffix: bytes, pieces: list[str], *, is_visible: bool) -> None:
        self._prefix = prefix
        self._suffix = suffix
        self.pieces = pieces
        self.is_visible = is_visible

    def read(self, payload: bytes) -> str | None:
        """The string of an event that matches, None of another."""
        prefix, suffix = self._prefix, self._suffix
        if payload.startswith(prefix) and payload.endswith(suffix):
            try:
                return _decode_string(payload[len(prefix) : -len(suffix)])
            except (msgspec.DecodeError, UnicodeDecodeError):
                return None
        return None


def find_template(payload: bytes, key: bytes, value: str, pieces: list[str], *, is_visible: bool) -> Template | None:
    """The template of an event that adds one string, None where the string cannot be told in its bytes.

    Args:
        payload: The event.
        key: The key of the string, as ``b'"content":'``. It cannot occur inside a JSON string, where its quotes would
            be escaped: if it occurs once, it is the key that was read.
        value: The string that was read.
        pieces: See `Template`.
        is_visible: See `Template`.
    """
    start = payload.find(key) + len(key)
    literal = msgspec.json.encode(value)
    if payload.count(key) != 1 or not payload.startswith(literal, start):
        return None
    return Template(payload[:start], payload[start + len(literal) :], pieces, is_visible=is_visible)
