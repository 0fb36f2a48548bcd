"""What a user's text says: what he asks for, what he denies, and what he has only pasted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from surefoot.policy.bound import is_secret_of, list_amounts
from surefoot.policy.matching import Passage, has_words, normalise, split_words
from surefoot.policy.negation import Span, find_denied
from surefoot.policy.pasted import find_pasted

_JOINED: Final = re.compile(r"(?<=[a-z]{2})\.(?=[A-Z][a-z])")
"""The end of a sentence after which the user left out the space."""
_GAP: Final = "<>"
"""Stands for a word that is left out; no normal value has these marks."""
_MOST_GAPS: Final = 10
"""As many as tell a long request from a short one."""


class _Parts(Struct, frozen=True, gc=False):
    told: str
    asked: Passage
    denied: Passage | None
    written: tuple[str, ...]


class Words:
    """A text of a user's.

    Attributes:
        pasted: What he has pasted, part by part: it is text by others.
    """

    __slots__ = ("_amounts", "_parts", "_text", "pasted")

    def __init__(self, text: str) -> None:
        self._text = text
        self.pasted = tuple([text[start:end] for start, end in find_pasted(text)])
        self._parts: _Parts | None = None
        self._amounts: frozenset[str] | None = None

    @property
    def parts(self) -> _Parts:
        """The text taken apart, as soon as somebody asks."""
        if self._parts is None:
            self._parts = _take_apart(self._text)
        return self._parts

    @property
    def told(self) -> str:
        """All but what is pasted, in normal form."""
        return self.parts.told

    @property
    def asked(self) -> str:
        """The same without what he denies."""
        return self.parts.asked.text

    @property
    def written(self) -> tuple[str, ...]:
        """The parts of ``asked`` as he wrote them."""
        return self.parts.written

    def names(self, value: str) -> bool:
        """Whether he asks for a normal value."""
        return self.parts.asked.names(value)

    def denies(self, value: str) -> bool:
        """Whether a normal value stands in what is not to be."""
        return self.parts.denied is not None and self.parts.denied.names(value)

    @property
    def amounts(self) -> frozenset[str]:
        """The numbers in it, in normal form, that can say how much."""
        if self._amounts is None:
            self._amounts = frozenset().union(*[list_amounts(piece) for piece in self.written])
        return self._amounts

    def gives(self, secret: str) -> bool:
        """Whether it gives a password, letter by letter, as a word or words of its own."""
        return any(
            (secret in split_words(text) or (" " in secret and has_words(text, secret))) and is_secret_of(text, secret)
            for text in self.written
        )


def _take_apart(text: str) -> _Parts:
    pasted = find_pasted(text)
    denied = find_denied(_blank(text, pasted) if pasted else text)
    left = sorted([*pasted, *denied])
    told = _fold(text, pasted)
    return _Parts(
        told=told,
        asked=Passage(_fold(text, left) if denied else told),
        denied=Passage(_fold(text, [*_invert(text, denied)])) if denied else None,
        written=tuple([piece for piece in _keep(text, left) if piece]),
    )


def _blank(text: str, spans: Sequence[Span]) -> str:
    """The text with ends of lines in the place of some parts: no sentence goes on behind one."""
    pieces = _keep(text, spans)
    return "".join([next(pieces), *["\n" * (end - start) + next(pieces) for start, end in spans]])


def _keep(text: str, spans: Sequence[Span]) -> Iterator[str]:
    """What stands around some parts, before the first one first."""
    at = 0
    for start, end in spans:
        yield text[at:start]
        at = end
    yield text[at:]


def _invert(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """The parts between those."""
    at = 0
    for start, end in spans:
        yield at, start
        at = end
    yield at, len(text)


def _fold(text: str, spans: Sequence[Span]) -> str:
    """The rest of a text in normal form, with a gap for each word that is left out, up to `_MOST_GAPS`."""
    pieces = [normalise(_JOINED.sub(". ", piece)).strip() for piece in _keep(text, spans)]
    words = pieces[:1]
    for piece, (start, end) in zip(pieces[1:], spans, strict=True):
        words += [_GAP] * min(len(text[start:end].split()), _MOST_GAPS)
        words.append(piece)
    found = " ".join([word for word in words if word])
    return f" {found} " if found else ""
