"""A text that streams, with what must not leave taken out: what might become a finding is held back until it is clear.

What is let go is, piece by piece, what the whole text would have been made into, wherever the pieces are cut. Held back
is the word that is being written, and from its beginning what may turn out to be a link, a tag, a named password, a
private key or a number: bounded, so that a flood of brackets is not kept for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from surefoot.guard.credentials import ASSIGNED_TAIL, KEY_BEGIN, KEY_END, NAMED_KIND, find_name
from surefoot.guard.links import (
    ANY_TAG_TAIL,
    BROKEN_TAIL,
    CLOSING,
    LABEL_CHARS,
    LINK,
    TAG,
    TAG_CHARS,
    balance,
    end_of_tag,
)
from surefoot.guard.personal import LONGEST_CHARS
from surefoot.guard.redact import Finding, Redaction, replace

MAX_HELD_CHARS: Final = 10_000
"""What is older is let go: no pattern but that of a private key is longer."""
_SHORT_CHARS: Final = 1_000
"""Of more that is held, the next look waits for half as much more: a flood in small pieces costs what it is long."""
_KEY_TAIL_CHARS: Final = 100
_TITLE_CHARS: Final = 1_400

_ASCII_BREAKS: Final = " \t\n\r"
_BREAKS: Final = _ASCII_BREAKS + (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
"""Between words: not what looks like it and may be hidden in one."""
_SECRET_TAILS: Final = (
    re.compile(r"(?i)bearer(?: {1,3}[A-Za-z0-9._~+/=-]{0,2000})?\Z"),
    ASSIGNED_TAIL,
    re.compile(r"-----BEGIN[A-Z ]{0,60}-{0,5}\Z"),
)
_LINK_TAILS: Final = (
    re.compile(r"\]:\s*+<?[^\s<>]{0,4000}\Z"),
    re.compile(r"(?i)url\([^)]{0,4100}\Z"),
    re.compile(r"(?i)@import(?:\s{0,20}(?:[\"'][^\"']{0,4000})?)?\Z"),
    ANY_TAG_TAIL,
)
_NUMBER_TAILS: Final = (
    re.compile(rf"[+(\d][\d ().+/-]{{0,{LONGEST_CHARS}}}\Z"),
    re.compile(rf"[A-Z]{{1,2}}(?:[A-Z0-9][A-Z0-9 ]{{0,{LONGEST_CHARS}}})?\Z"),
)
_TAIL_CHARS: Final = 4_200
_MARKS: Final = frozenset("-<@([]")
_WORDS: Final = ("key", "pass", "token", "secret", "bearer")
"""Each of the tails, but those of numbers, and each open key, link and tag has one of these in it."""


class Holdback:
    """One text on its way out.

    Args:
        find: What is to be taken out of a text.
        starts: Where in a text something begins, beside what is known here, that may become a finding; its length if
            nothing does.
        is_personal: Whether it finds numbers of persons.

    Attributes:
        redactions: What was taken out so far; their places are those in the stretch that was looked at.
    """

    __slots__ = ("_before", "_due_chars", "_find", "_held", "_is_personal", "_starts", "redactions")

    def __init__(
        self,
        find: Callable[[str], Iterable[Finding]],
        starts: Callable[[str], int] = len,
        *,
        is_personal: bool = False,
    ) -> None:
        self._find = find
        self._is_personal = is_personal
        self._starts = starts
        self._before: str = ""  # the last character that was let go: patterns look back at it
        self._held: str = ""
        self._due_chars = 0
        self.redactions: list[Redaction] = []

    def feed(self, piece: str) -> str:
        """The next piece comes in; what may go out, maybe nothing."""
        self._held += piece
        held = self._held
        if len(held) < self._due_chars:
            return ""
        safe = self._find_safe(held)
        made = self._let_go(safe) if safe > 0 else ""
        left = len(self._held)
        self._due_chars = left + left // 2 if left > _SHORT_CHARS else 0
        return made

    def close(self) -> str:
        """Nothing more comes; the rest."""
        return self._let_go(len(self._held)) if self._held else ""

    def _let_go(self, safe: int) -> str:
        before, held = self._before, self._held
        shift = len(before)
        found = [finding for finding in self._find(before + held) if finding[1] > shift]
        if not found and safe > 0:
            self._before = held[safe - 1]
            self._held = held[safe:]
            return held[:safe]
        if safe < len(held):
            safe = _keep_whole(before + held, found, safe + shift) - shift
        if safe <= 0:
            self._compact(found)
            return ""
        taken = [finding for finding in found if finding[0] < safe + shift]
        made = replace(held[:safe], [(max(0, at - shift), end - shift, kind, note) for at, end, kind, note in taken])
        self.redactions += made.redactions
        self._before = held[safe - 1]
        self._held = held[safe:]
        return made.text

    def _compact(self, found: Sequence[Finding]) -> None:
        """Of a private key that is longer than anything that is held, only its ends are kept."""
        if len(self._held) > MAX_HELD_CHARS and any(kind == "private key" for *_, kind, _ in found):
            begin = KEY_BEGIN.search(self._held)
            if begin is not None and begin.start() == 0 and KEY_END.search(self._held) is None:
                self._held = self._held[: begin.end()] + self._held[-_KEY_TAIL_CHARS:]

    def _find_safe(self, held: str) -> int:
        """Up to where nothing can change any more: a bound from below."""
        safe = max(map(held.rfind, _ASCII_BREAKS if held.isascii() else _BREAKS)) + 1
        if safe <= 0 and len(held) <= MAX_HELD_CHARS:
            return 0
        if self._is_personal or _may_grow(held):
            safe = self._find_open(held, safe)
        safe = min(safe, self._starts(held))
        return safe if len(held) - safe <= MAX_HELD_CHARS else len(held) - MAX_HELD_CHARS

    def _find_open(self, held: str, safe: int) -> int:
        """``safe``, or where that begins which may turn out to be something."""
        tail = max(0, len(held) - _TAIL_CHARS)
        for pattern in (*_SECRET_TAILS, *_LINK_TAILS, *(_NUMBER_TAILS if self._is_personal else ())):
            match = pattern.search(held, tail)
            if match is not None and match.start() < safe:
                safe = match.start()
        return min(safe, _find_open_key(held), _find_open_link(held, safe), _find_open_tag(held, safe))


def _may_grow(held: str) -> bool:
    """Whether there is a sign of what may turn out to be something; most words of prose have none."""
    return not _MARKS.isdisjoint(held) or any(map(held.lower().__contains__, _WORDS))


def _keep_whole(text: str, found: Iterable[Finding], safe: int) -> int:
    """``safe``, or where what stands there begins: nothing is cut in two, nor from its label or name."""
    for start, end, kind, _ in sorted(found, key=lambda finding: -finding[0]):
        begin = start
        if text[max(0, start - 1) : start] == "]":
            begin = _find_label(text, start - 1, is_image=kind == "image")
        elif kind == NAMED_KIND:
            begin = find_name(text, start)
        if begin <= safe < end:
            safe = begin
    return safe


def _find_label(text: str, at: int, *, is_image: bool) -> int:
    """Where the image begins whose label ends at ``at``; of a link, that end."""
    label = text.rfind("![", max(0, at - LABEL_CHARS - 1), at) if is_image else -1
    return at if label < 0 else label


def _find_open_key(held: str) -> int:
    at = 0
    while begin := KEY_BEGIN.search(held, at):
        end = KEY_END.search(held, begin.end())
        if end is None:
            return begin.start()
        at = end.end()
    return len(held)


def _find_open_link(held: str, safe: int) -> int:
    """Where the first image or link begins that is not at its end yet."""
    first = safe
    at = held.find("![")
    while 0 <= at < first:
        if len(held) - at <= LABEL_CHARS + 2 and _is_open_label(held, at + 2):
            first = at
        at = held.find("![", at + 1)
    at = held.find("](")
    while at >= 0:
        if _is_open_link(held, at):
            first = min(first, _find_label(held, at, is_image=True))
        at = held.find("](", at + 1) if at <= first else -1  # one behind it: its label may begin before
    return first


def _is_open_label(held: str, at: int) -> bool:
    depth = 1
    while at < len(held):
        depth += (held[at] == "[") - (held[at] == "]")
        at += 1
        if not depth:
            return at == len(held)  # what follows decides: a link behind it is looked at by itself
    return True


def _is_open_link(held: str, at: int) -> bool:
    match = LINK.match(held, at)
    assert match is not None, "it begins like one"
    address = balance(match[1])
    end = match.start(1) + len(address)
    if end == len(held):
        return True
    if CLOSING.match(held, end) is not None:
        return False
    if BROKEN_TAIL.match(held, end) is not None:
        return True
    rest = held[end:]
    return len(rest) <= _TITLE_CHARS and rest.count("\n") < 2 and rest.lstrip("> \t\n")[:1] in {"", '"', "'", "("}


def _find_open_tag(held: str, safe: int) -> int:
    match = TAG.search(held, max(0, len(held) - TAG_CHARS))
    while match is not None:
        end = end_of_tag(held, match.end())
        is_open = end >= len(held) and (held[-1] != ">" or match[0].lower() == "<style")
        if is_open or match.start() < safe < end:  # cut in two, its end might be read as the beginning of another
            return match.start()
        match = TAG.search(held, end)
    return len(held)
