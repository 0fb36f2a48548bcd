"""What a user's text says: what he asks for, what he denies, and what he has only pasted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from surefoot.policy.bound import Amounts, Secrets
from surefoot.policy.intent import is_short
from surefoot.policy.matching import Passage, normalise, pieces
from surefoot.policy.negation import Span, find_denied
from surefoot.policy.pasted import find_pasted

_JOINED: Final = re.compile(r"(?<=[a-z]{2})\.(?=[A-Z][a-z])")
"""The end of a sentence after which the user left out the space."""
_CLAUSE: Final = re.compile(r"(?<=[,;:.!?…])\s|\n|(?<=[\uff0c\u3002\uff1b\uff1a\uff01\uff1f])")
_LEADS: Final = (" for ", " to ")
_BELONGS: Final = (" with ", " who ", " that ", " which ", " whose ")
"""Words with which a clause begins that the next one, or the one before, is not whole without."""
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

    __slots__ = ("_amounts", "_parts", "_pieces", "_secrets", "_spans", "_text", "pasted")

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans = find_pasted(text)
        self.pasted = tuple([text[start:end] for start, end in self._spans])
        self._parts: _Parts | None = None
        self._pieces: frozenset[str] | None = None
        self._amounts: tuple[Amounts, ...] | None = None
        self._secrets: tuple[Secrets, ...] | None = None

    def make_ready(self) -> None:
        """Do now what is done once for all values that are asked for."""
        parts = self.parts
        parts.asked.make_ready()
        if parts.denied is not None:
            parts.denied.make_ready()

    @property
    def has_pieces(self) -> bool:
        """Whether `list_pieces` was asked before."""
        return self._pieces is not None

    def list_pieces(self) -> frozenset[str]:
        """The pieces of ``told``."""
        if self._pieces is None:
            self._pieces = frozenset(pieces(self.told))
        return self._pieces

    @property
    def parts(self) -> _Parts:
        """The text taken apart, as soon as somebody asks."""
        if self._parts is None:
            self._parts = _take_apart(self._text, self._spans)
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

    def list_clauses(self) -> list[str]:
        """The parts of ``asked`` between marks of a sentence, in normal form.

        "For ..., " is one with what follows it, ", with ..." with what it follows.
        """
        clauses = list[str]()
        for text in [part for piece in self.written for part in _CLAUSE.split(piece)]:
            clause = normalise(text)
            if clauses and (clause.startswith(_BELONGS) or clauses[-1].startswith(_LEADS)):
                clauses[-1] = clauses[-1].rstrip() + clause
            elif clause:
                clauses.append(clause)
        return clauses

    def names(self, value: str) -> bool:
        """Whether he asks for a normal value."""
        return self.parts.asked.names(value)

    def denies(self, value: str) -> bool:
        """Whether a normal value stands in what is not to be."""
        return self.parts.denied is not None and self.parts.denied.names(value)

    def counts(self, number: str) -> bool:
        """Whether it names a number, in normal form, so that it can say how much."""
        if self._amounts is None:
            self._amounts = tuple([Amounts(piece) for piece in self.written])
        return any(amounts.has(number) for amounts in self._amounts)

    def gives(self, secret: str) -> bool:
        """Whether it gives a password, letter by letter, as a word or words of its own."""
        if self._secrets is None:
            self._secrets = tuple([Secrets(piece) for piece in self.written])
        return any(secrets.has(secret) for secrets in self._secrets)


def list_request(words: Iterable[Words]) -> Iterator[Words]:
    """What the user asks for now: what he said last, which comes first, and what a few words of his refer to."""
    for one in words:
        yield one
        if not is_short(one.asked):
            return


def _take_apart(text: str, pasted: Sequence[Span]) -> _Parts:
    own = [*_invert(text, pasted)]
    denied = [(at + start, at + end) for at, last in own for start, end in find_denied(text[at:last])]
    left = sorted([*pasted, *denied])
    told = _fold(text, pasted)
    return _Parts(
        told=told,
        asked=Passage(_fold(text, left) if denied else told),
        denied=Passage(_fold(text, [*_invert(text, denied)])) if denied else None,
        written=tuple([piece for piece in _keep(text, left) if piece]),
    )


def _invert(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """The parts around those, before the first one first."""
    at = 0
    for start, end in spans:
        yield at, start
        at = end
    yield at, len(text)


def _keep(text: str, spans: Sequence[Span]) -> Iterator[str]:
    """What stands in the parts around those."""
    return (text[start:end] for start, end in _invert(text, spans))


def _fold(text: str, spans: Sequence[Span]) -> str:
    """The rest of a text in normal form, with a gap for each word that is left out, up to `_MOST_GAPS`."""
    pieces = [normalise(_JOINED.sub(". ", piece)).strip() for piece in _keep(text, spans)]
    words = pieces[:1]
    for piece, (start, end) in zip(pieces[1:], spans, strict=True):
        words += [_GAP] * min(len(text[start:end].split()), _MOST_GAPS)
        words.append(piece)
    found = " ".join([word for word in words if word])
    return f" {found} " if found else ""
