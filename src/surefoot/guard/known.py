"""What the process knows as secret, looked for in a text in all its spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from surefoot.guard.glance import Search, Sign, compile_signs, make_sign
from surefoot.guard.redact import Finding
from surefoot.secret import FORGOTTEN_AT_ONCE, spell

GROUP: Final = FORGOTTEN_AT_ONCE
"""Secrets to a pattern: another secret costs one small pattern, and what is forgotten is a whole one."""
LEAST_ENCODED_CHARS: Final = 8
"""A shorter spelling in Base64 or hex may be part of any word."""
_LEAST_SHARED_CHARS: Final = 4
_ALNUM: Final = re.compile(r"[A-Za-z0-9]+")


class Group(Struct, frozen=True):
    """Some secrets, ready to be looked for.

    Attributes:
        signs: Each of their spellings holds one of these.
        search: For any of them.
        spellings: Theirs, the longest first.
        broken: Those that have spaces in them: where a text streams they come word by word.
    """

    signs: tuple[Sign, ...]
    search: Search
    spellings: tuple[str, ...]
    broken: tuple[str, ...]

    def find(self, text: str) -> Iterator[Finding]:
        """Where they are."""
        for spelling in self.spellings:
            yield from find_all(text, spelling, "key", "[key removed]")


def group_secrets(values: tuple[str, ...], before: dict[tuple[str, ...], Group]) -> dict[tuple[str, ...], Group]:
    """The groups of all secrets, by what is in them; those of ``before`` are used again."""
    parts = [values[at : at + GROUP] for at in range(0, len(values), GROUP)]
    return {part: before.get(part) or _make_group(part) for part in parts}


def find_all(text: str, wanted: str, kind: str, note: str) -> Iterator[Finding]:
    """Each place of ``wanted``, as a finding."""
    at = text.find(wanted)
    while at >= 0:
        yield at, at + len(wanted), kind, note
        at = text.find(wanted, at + len(wanted))


def find_start(text: str, wanted: str) -> int:
    """Where the end of an unfinished ``text`` begins to be ``wanted``; its length if it does not."""
    for size in range(min(len(text), len(wanted) - 1), 0, -1):
        if text.endswith(wanted[:size]):
            return len(text) - size
    return len(text)


def _make_group(values: tuple[str, ...]) -> Group:
    spellings: set[str] = set()
    signs: dict[Sign, None] = {}
    for value in values:
        shared = max(_ALNUM.findall(value), key=len, default="")
        mine = {one for one in spell(value) if one == value or shared in one or len(one) >= LEAST_ENCODED_CHARS}
        for one in sorted(mine):  # escapes leave letters and digits alone, Base64 and hex do not
            signs[make_sign(shared if len(shared) >= _LEAST_SHARED_CHARS and shared in one else one)] = None
        spellings |= mine
    made = tuple(signs)
    longest_first = tuple(sorted(spellings, key=lambda one: (-len(one), one)))
    broken = tuple([one for one in longest_first if any(map(str.isspace, one))])
    return Group(made, compile_signs(made), longest_first, broken)
