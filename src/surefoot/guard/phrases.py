"""Phrases of attacks, found by one pass over the words: no regular expression, so no text can make it slow.

The phrases themselves are in `surefoot.guard.phrase_table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Final, NamedTuple

from surefoot.guard.normalize import normalize
from surefoot.guard.phrase_table import DISGUISED, PHRASES
from surefoot.guard.threats import ThreatClass
from surefoot.guard.tokens import list_words

_DEFAULT_GAP: Final = 1
MAX_FOUND: Final = 200


class Found(NamedTuple):
    """A phrase in the words from ``first`` to ``last``."""

    kind: ThreatClass
    score: float
    why: str
    first: int
    last: int


class _Automaton(NamedTuple):
    literals: dict[str, tuple[tuple[tuple[str, ...], tuple[tuple[int, int], ...]], ...]]
    gaps: tuple[tuple[int, ...], ...]


@cache
def _automaton() -> _Automaton:
    """For each first word the literals that begin with it, longest first, and the slots of phrases that each fills."""
    slots: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    gaps: list[tuple[int, ...]] = []
    for number, (_, _, text, _) in enumerate(PHRASES):
        reach = _DEFAULT_GAP
        reaches: list[int] = []
        for part in text.split():
            if part.startswith("~"):
                reach = int(part[1:])
                continue
            for literal in part.split("|"):
                words = tuple(word for piece in literal.split("_") for word in list_words(normalize(piece).folded))
                slots.setdefault(words, []).append((number, len(reaches)))
            reaches.append(reach)
            reach = _DEFAULT_GAP
        gaps.append(tuple(reaches))
    literals: dict[str, list[tuple[tuple[str, ...], tuple[tuple[int, int], ...]]]] = {}
    for words, places in slots.items():
        literals.setdefault(words[0], []).append((words, tuple(sorted(places, reverse=True))))
    ordered = {first: tuple(sorted(of, key=lambda one: -len(one[0]))) for first, of in literals.items()}
    return _Automaton(ordered, tuple(gaps))


def find_phrases(words: Sequence[str], among: AbstractSet[int]) -> list[Found]:
    """All phrases of those ``among`` (`likely_phrases`) in ``words``.

    A word that begins one costs as many steps as literals begin with it, whatever the text; any other next to nothing.
    """
    literals, gaps = _automaton()
    begins = frozenset[str]().union(*[_first_words_of()[phrase] for phrase in among])
    reached: dict[tuple[int, int], tuple[int, int]] = {}  # phrase and slot: first word, and last word so far
    found: list[Found] = []
    for place in [place for place, word in enumerate(words) if word in begins]:
        for literal, places in literals[words[place]]:
            last = place + len(literal) - 1
            if len(literal) > 1 and tuple(words[place : last + 1]) != literal:
                continue
            for phrase, slot in places:
                if phrase not in among:
                    continue
                first = place
                if slot:
                    before = reached.get((phrase, slot - 1))
                    if before is None or not 0 < place - before[1] <= gaps[phrase][slot] + 1:
                        continue
                    first = before[0]
                if slot + 1 < len(gaps[phrase]):
                    reached[phrase, slot] = first, last
                elif len(found) < MAX_FOUND:
                    kind, score, _, why = PHRASES[phrase]
                    found.append(Found(kind, score, why, first, last))
    return found


_COMMON: Final = frozenset(
    """
    a an the this that all any every no not and or of in into at to for from on by with as if is are was were has
    have had what when before after above below now please must can could first do does did your you me my i it its
    new given last current list open use call run read send file address server url http https text words content
    message complete done finish finished over continue email link image say write copy show print answer request
    task notice note order orders name role identity anything original real actual
    """.split()  # noqa: SIM905 - a table
) | frozenset(":|,.;!-'")
"""What harmless texts are full of."""


@cache
def _phrases_at() -> dict[str, tuple[tuple[int, tuple[frozenset[str], ...]], ...]]:
    """For each word of a phrase's rarest slot the phrase, and of its other slots the words that each needs one of."""
    literals, gaps = _automaton()
    slots: list[list[set[str]]] = [[set() for _ in reaches] for reaches in gaps]
    for of in literals.values():
        for literal, places in of:
            for phrase, slot in places:
                slots[phrase][slot].add(_rarest(literal))
    found: dict[str, list[tuple[int, tuple[frozenset[str], ...]]]] = {}
    for phrase, words in enumerate(slots):
        rarest, *others = map(frozenset, sorted(words, key=lambda of: (len(of & _COMMON), len(of))))
        for word in rarest:
            found.setdefault(word, []).append((phrase, tuple(others)))
    return {word: tuple(of) for word, of in found.items()}


@cache
def _first_words_of() -> tuple[frozenset[str], ...]:
    """For each phrase the words that its literals begin with."""
    literals, gaps = _automaton()
    words: list[set[str]] = [set() for _ in gaps]
    for first, of in literals.items():
        for phrase in [phrase for _, places in of for phrase, _ in places]:
            words[phrase].add(first)
    return tuple(map(frozenset, words))


@cache
def rare_words() -> frozenset[str]:
    """The words of the rarest slots: a text without any of them has no phrase."""
    return frozenset(_phrases_at())


def likely_phrases(words: AbstractSet[str]) -> set[int]:
    """The phrases that have a word for each slot among ``words``: a text of these has no others. Most have none."""
    at = _phrases_at()
    return {
        phrase for word in words & rare_words() for phrase, others in at[word] if not any(map(words.isdisjoint, others))
    }


def _rarest(literal: tuple[str, ...]) -> str:
    return max(literal, key=lambda word: (word not in _COMMON, len(word)))


@cache
def first_words() -> frozenset[str]:
    """The words that phrases can begin with, of those that are looked for in disguise, too."""
    return frozenset([literal[0] for literal in _disguised()])


@cache
def known_words() -> frozenset[str]:
    """All words of these phrases."""
    return frozenset([word for literal in _disguised() for word in literal])


def _disguised() -> list[tuple[str, ...]]:
    of_all = [one for of in _automaton().literals.values() for one in of]
    return [literal for literal, places in of_all if any(phrase < DISGUISED for phrase, _ in places)]
