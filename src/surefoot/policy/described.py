"""Which row of a look-up the user's words describe: the one that holds more of what he has named than any other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import stem
from surefoot.policy.lookup import Leaf, Lookup, Row, is_id, is_number

_LEAST_CHARS: Final = 3
_MOST_NAME_WORDS: Final = 6
_PLAIN: Final = frozenset({" true ", " false ", " none ", " null ", " yes ", " no "})
_WORDS: Final = re.compile(r"[a-z]+|[A-Z][a-z]*")
_NAMES: Final = frozenset({
    "", "name", "title", "subject", "file", "filename", "path", "slug", "url", "link", "key", "email", "mail",
    "username",
})  # fmt: skip
"""Fields that say which thing it is, and not what belongs to it."""
_CAPITAL: Final = re.compile(
    r"(?:(?<=[^\s.!?:;…] )|(?<=\b(?:Mr|Ms|Dr)\. )|(?<=\bMrs\. ))[\"'“‘(]?([A-Z][^\W\d_]{2,})(?![\w@])"
    r"|(?<![\w.@])([A-Z][^\W\d_]{2,})(?=['’]s\b)"
)
"""A word with a capital that is not due to the beginning of a sentence."""
_CALLED: Final = frozenset({"the", "mrs", "miss", "prof", "and", "please"})
_PARTS: Final = re.compile(r"[\s._+-]+")


def nouns(name: str) -> Sequence[str]:
    """The words of a name of a field, a parameter or a tool, without their endings."""
    return [stem(word.casefold()) for word in _WORDS.findall(name) if len(word) >= _LEAST_CHARS]


def is_name(path: str) -> bool:
    """Whether a field says which thing a row is about: "all my notes" are no authors of notes."""
    last = path.rpartition(".")[2].rstrip("[]{}").casefold()
    return is_id(path) or last in _NAMES or last.endswith(("_name", "_title"))


def is_telling(leaf: Leaf) -> bool:
    """Whether a value says anything of its row."""
    if leaf.value in _PLAIN:
        return False
    if is_number(leaf.value):
        return not is_id(leaf.path)
    bare = leaf.value.strip()
    return len(bare) >= _LEAST_CHARS or (len(bare) > 1 and bare.isascii() and bare.isalnum() and not bare.isalpha())


def find_described(lookup: Lookup, known: Evidence, *, chosen: bool) -> Row | None:
    """The row that the user's words describe, None if it is none or not one alone.

    Args:
        lookup: What was found.
        known: What is known of the conversation.
        chosen: The model has chosen what to look up.
    """
    return known.once(("described", id(lookup)), lambda: _find_described(lookup, known, chosen=chosen))


def _find_described(lookup: Lookup, known: Evidence, *, chosen: bool) -> Row | None:
    best, rows = _list_best(lookup, known)
    if len(rows) > 1 or not best[1] or (best[0] == 0 and _may_be_other(rows[0], lookup, known)):
        return None
    # Of what the model has chosen to look up, one word that it has in common with the user's describes nothing
    return None if chosen and best == (0, 1) else rows[0]


def _may_be_other(row: Row, lookup: Lookup, known: Evidence) -> bool:
    """Whether another row holds something that the user has named and this one does not, or is called by him."""
    values = {leaf.value for leaf in row.leaves}
    words = {word for value in values if known.user_names(value) for word in value.split()}
    called = known.once(("called",), lambda: _list_called(known)) - words
    return any(
        _is_called(leaf, called, known)
        or (
            is_telling(leaf)
            and not (is_number(leaf.value) and len(leaf.value.strip()) <= _LEAST_CHARS)
            and known.user_names(leaf.value)
        )
        for one in lookup.rows
        for leaf in one.leaves
        if one is not row and leaf.value not in values
    )


def _list_best(lookup: Lookup, known: Evidence) -> tuple[tuple[int, int], list[Row]]:
    """The rows that hold most of what the user has named, first of all names; how many names that is, and how much."""
    return known.once(("best", id(lookup)), lambda: _find_best(lookup, known))


def _find_best(lookup: Lookup, known: Evidence) -> tuple[tuple[int, int], list[Row]]:
    scores = [_count_named(one, lookup, known) for one in lookup.rows]
    best = max(scores, default=(0, 0))
    return best, [one for one, score in zip(lookup.rows, scores, strict=True) if score == best]


def _count_named(row: Row, lookup: Lookup, known: Evidence) -> tuple[int, int]:
    named = {leaf.value: leaf for leaf in row.leaves if is_telling(leaf) and known.user_names(leaf.value)}
    short = {value for value in named if is_number(value) and len(value.strip()) <= _LEAST_CHARS}
    called = {leaf.value for leaf in row.leaves if leaf.value in named and is_name(leaf.path)}
    return len(called), len(named) - sum([not _is_sole(value, lookup) for value in short])


def _is_sole(value: str, lookup: Lookup) -> bool:
    """Whether one row alone holds a short number: such a one is easily named by chance."""
    return sum([any(leaf.value == value for leaf in row.leaves) for row in lookup.rows]) == 1


# --- a part of a name: "Mr Weber" -------------------------------------------------------------------------------------


def find_called(lookup: Lookup, known: Evidence) -> Row | None:
    """Among the rows that his words fit best, the one that the user has called by a part of a name."""
    return known.once(("called", id(lookup)), lambda: _find_called(lookup, known))


def _find_called(lookup: Lookup, known: Evidence) -> Row | None:
    whole = {leaf.value.strip() for row in lookup.rows for leaf in row.leaves}  # "Lisbon" is where it is, there
    called = known.once(("called",), lambda: _list_called(known)) - whole
    best, rows = _list_best(lookup, known)
    if len(rows) == 1 and best[0] == 0 and _may_be_other(rows[0], lookup, known):
        rows = list(lookup.rows)
    rows = [row for row in rows if any(_is_called(leaf, called, known) for leaf in row.leaves)]
    return rows[0] if len(rows) == 1 else None


def _list_called(known: Evidence) -> frozenset[str]:
    """Words that the user has written as names are."""
    found = [pair for words in known.list_request() for text in words.written for pair in _CAPITAL.findall(text)]
    return frozenset([word.casefold() for pair in found for word in pair if word]) - _CALLED


def _is_called(leaf: Leaf, called: frozenset[str], known: Evidence) -> bool:
    parts = [part for part in _PARTS.split(leaf.value.partition("@")[0].strip()) if part]
    if is_id(leaf.path) or not ("@" in leaf.value or 1 < len(parts) <= _MOST_NAME_WORDS):
        return False
    return not called.isdisjoint(parts) or any(known.user_names(name) for name in _list_unspaced(leaf.value))


def list_parts(leaf: Leaf) -> list[str]:
    """The words of a name: who denies "Eve" denies Eve Stone."""
    parts = leaf.value.split()
    if not is_name(leaf.path) or is_id(leaf.path) or not 1 < len(parts) <= _MOST_NAME_WORDS:
        return []
    return [f" {part} " for part in parts if part.isalpha() and len(part) >= _LEAST_CHARS and part not in _CALLED]


def _list_unspaced(value: str) -> list[str]:
    """Names in a normal value of scripts without spaces, each letter of which is a word there."""
    runs = [
        list(run)
        for is_run, run in groupby(value.split(), lambda word: len(word) == 1 and ord(word) > 0x2E80)
        if is_run
    ]
    return [f" {' '.join(run)} " for run in runs if len(run) > 1]
