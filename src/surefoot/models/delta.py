"""The events of a stream mostly differ in one string: once that is known, only the string is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

MAX_FRUITLESS: Final = 3
"""Templates that may go unused in a stream before no more are made: some providers pad each event differently."""

_STRING: Final = re.compile(rb'\s*("(?:[^"\\]|\\.)*")')
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


def find_template(
    payload: bytes, key: bytes, read: Callable[[bytes], str | None], pieces: list[str], *, is_visible: bool
) -> Template | None:
    """The template of an event, None where it cannot be told.

    Args:
        payload: An event that was read.
        key: The key of the changing string, as ``b'"content":'``.
        read: Reads the changing string of an event as it is usually read: tells whether the right one was found.
        pieces: See `Template`.
        is_visible: See `Template`.
    """
    match = _STRING.match(payload, payload.find(key) + len(key))
    if match is None:
        return None
    prefix, suffix = payload[: match.start(1)], payload[match.end() :]
    probe = "?" if match[1] != b'"?"' else "!"
    if read(prefix + msgspec.json.encode(probe) + suffix) != probe:
        return None
    return Template(prefix, suffix, pieces, is_visible=is_visible)
