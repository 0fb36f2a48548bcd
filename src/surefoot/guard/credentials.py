"""Secrets in a text: those that the process knows, canaries, and what has the form of a key or a password.

A text without the signs of one costs a few microseconds; the patterns are bounded, so that the work grows with the
text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct

from surefoot.guard.escapes import MAX_ROUNDS, find_places, undo
from surefoot.guard.escapes import SIGNS as ESCAPE_SIGNS
from surefoot.guard.glance import PIECE_CHARS, Search, Sign, compile_signs, find_by_pieces, search_by_pieces
from surefoot.guard.known import Group, find_all, find_start, group_secrets
from surefoot.guard.letters import drop_gaps, find_letters
from surefoot.guard.normalize import normalize
from surefoot.guard.redact import Finding, Redacted, replace
from surefoot.ranges import LEAST_CANARY_CHARS
from surefoot.secret import KNOWN

LONGEST_KEY: Final = 9_500
"""Characters of the longest of the formats."""
LONGEST_NAMED: Final = 700
"""Characters of a password with its name, or with the address that it is in."""
_FORMATS: Final = (
    ("anthropic", r"sk-ant-[A-Za-z0-9_-]{20,200}"),
    ("openai", r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}"),
    ("aws", r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"),
    ("google", r"AIza[A-Za-z0-9_-]{35}"),
    ("github", r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    ("gitlab", r"glpat-[A-Za-z0-9_-]{20,100}"),
    ("slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("stripe", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,200}"),
    ("huggingface", r"hf_[A-Za-z0-9]{30,100}"),
    ("sendgrid", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"),
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("pypi", r"pypi-[A-Za-z0-9_-]{50,500}"),
    ("telegram", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("jwt", r"eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
    ("bearer", r"(?i:bearer)[ ]{1,3}[A-Za-z0-9._~+/=-]{20,2000}"),
)
_FORMAT: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:" + "|".join([f"(?P<{kind}>{pattern})" for kind, pattern in _FORMATS]) + ")"
)


def _before(letters: str, word: str) -> str:
    """A pattern: we are behind ``word``, and before it are ``letters``, with or without a mark between."""
    return f"(?<=(?ai:{letters}{word}))|(?<=(?ai:{letters}[_-]{word}))"


KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
KEY_END: Final = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_NAMES: Final = (
    r"passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|access[_-]?token"
    r"|auth[_-]?token|refresh[_-]?token|client[_-]?secret"
)
NAMED: Final = re.compile(f"(?i)(?a:{_NAMES})$")
"""The name of a field whose value is a secret."""
HAS_NAME: Final = re.compile(f"(?i)(?a:{_NAMES})")
_ASSIGNED: Final = re.compile(
    rf"(?i)(?a:{_NAMES})(?:\\?[\"'])?\s{{0,3}}(?:"
    r"(?:[:=]|:=|=>)\s{0,3}\\?[\"']([^\s\"',;{}<>\[\]\\]{8,200})"
    r"|(?:[:=]|is)\s{0,3}(?=[^\s\d]{0,100}\d)([^\s\"',;{}<>\[\]()\\]{6,200}))"
)
"""A value in quotes; one without must have a digit in it, or code and forms would be full of them."""
ASSIGNED_TAIL: Final = re.compile(
    rf"(?i)(?a:{_NAMES})[\"'\\]{{0,2}}\s{{0,3}}(?:(?:[:=]|:=|=>|is?)\s{{0,3}}[\\\"']{{0,2}}\S{{0,200}})?\Z"
)
"""The end of a text that may become one."""
_ADDRESS_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:([^\s:/@]{1,200})@")
_SIGNS: Final[tuple[Sign, ...]] = (
    ("-", r"[A-Za-z0-9_-]{10}|-BEGIN"),
    ("_", r"[A-Za-z0-9]{12}|pat_|(?:live|test)_"),
    ("A", r"[A-Z0-9]{16}(?<=(?:AKIA|ASIA|AROA|AIDA).{16})|A(?<=:AA)"),
    ("z", r"a(?<=AIza)[A-Za-z0-9_-]{35}"),
    ("J", r"[A-Za-z0-9_-]{10}"),
    ("G", r"\.[A-Za-z0-9_-]{16}"),
    ("/", r"/(?<=://)[^\s:/@]{1,100}:[^\s:/@]{1,200}@"),
    *[(first, r"(?ai:earer) {1,3}[A-Za-z0-9._~+/=-]{20}") for first in "bB"],
    *[(first, "(?ai:ass(?:w|phrase))") for first in "pP"],
    *[(first, "(?ai:ret)(?<=(?ai:secret))") for first in "cC"],
    *[(first, rf"(?ai:ey)(?:{_before('[iste]', 'key')})|(?ai:en)(?:{_before('[sh]', 'token')})") for first in "kK"],
)
"""What each of the formats and names holds, from a character on that is rare in prose."""
_LEAST_CANARY_LETTERS: Final = 8
"""Of a canary that is looked for by its letters alone, spelled out and backwards; fewer may be there by chance."""
NAMED_KIND: Final = "password"


class Lookout(Struct, frozen=True):
    """What is looked for while the process knows these secrets.

    Attributes:
        known: The secrets.
        groups: They, ready to be looked for.
        search: For a sign of anything, but of secrets that make more than one group.
        is_narrow: That is all there is to look for.
    """

    known: tuple[str, ...]
    groups: dict[tuple[str, ...], Group]
    search: Search
    is_narrow: bool


class Credentials:
    """Finds secrets. One for a runtime, shared by all its runs.

    Args:
        canaries: Strings that are secret, too: in any case, in NFKC forms, backwards, whatever stands in between.
        formats: Look for what has the form of a key or a password, and not for known secrets and canaries alone.
    """

    __slots__ = ("_canaries", "_letters", "_lookout", "formats")

    def __init__(self, canaries: Collection[str] = (), *, formats: bool = True) -> None:
        self.formats = formats
        self._canaries = tuple([normalize(canary).folded for canary in canaries])
        assert all(len(canary) >= LEAST_CANARY_CHARS for canary in self._canaries), "checked with the settings"
        letters = [spelt for spelt in map(drop_gaps, self._canaries) if len(spelt) >= _LEAST_CANARY_LETTERS]
        self._letters = tuple([form for spelt in letters for form in (spelt, spelt[::-1])])
        self._lookout = self._look_out(())

    def sees(self, text: str) -> bool:
        """Whether there may be something in ``text``: one search, unless the process knows many secrets."""
        lookout = self._lookout
        if lookout.known is not KNOWN.values:
            self._lookout = lookout = self._look_out(KNOWN.values)  # several threads may do this at once
        if len(text) > PIECE_CHARS:
            if search_by_pieces(lookout.search, text):
                return True
        elif lookout.search(text) is not None:
            return True
        return not lookout.is_narrow and self._sees_more(text, lookout)

    def _sees_more(self, text: str, lookout: Lookout) -> bool:
        for group in lookout.groups.values():
            if group.search(text) is not None:
                return True
        return bool(self._canaries) and self._sees_canary(text)

    def _sees_canary(self, text: str) -> bool:
        if not text.isascii():
            return True
        lowered = text.lower()
        letters = drop_gaps(lowered)
        return any(canary in lowered for canary in self._canaries) or any(form in letters for form in self._letters)

    def find(self, text: str, *, formats: bool = True) -> list[Finding]:
        """What is in ``text``; without ``formats`` only what the process knows and canaries."""
        if not self.sees(text):
            return []
        found = self._find_exact(text)
        if self._lookout.groups or self._canaries:
            found += self._find_escaped(text, MAX_ROUNDS)
        if formats and self.formats:
            found += _find_formats(text)
            found += _find_assigned(text)
        return found

    def find_start(self, text: str) -> int:
        """Where the end of an unfinished ``text`` begins to be what may have spaces in it; its length if it is not."""
        first = len(text)
        for group in self._lookout.groups.values():
            for spelling in group.broken:
                first = min(first, find_start(text, spelling))
        if self._letters:
            plain = normalize(text)
            letters, places = find_letters(plain.folded)
            start = min([find_start(letters, form) for form in self._letters])
            if start < len(letters):
                first = min(first, plain.span(places[start], places[start] + 1)[0])
        return first

    def _find_exact(self, text: str) -> list[Finding]:
        found: list[Finding] = []
        if self._canaries and self._sees_canary(text):
            found += self._find_canaries(text)
        for group in self._lookout.groups.values():
            if group.search(text) is not None:
                found += group.find(text)
        return found

    def _find_canaries(self, text: str) -> Iterator[Finding]:
        plain = normalize(text)
        letters, places = find_letters(plain.folded)
        for canary in self._canaries:
            for start, end, kind, note in find_all(plain.folded, canary, "canary", "[removed]"):
                yield *plain.span(start, end), kind, note
        for form in self._letters:
            for start, end, kind, note in find_all(letters, form, "canary", "[removed]"):
                yield *plain.span(places[start], places[end - 1] + 1), kind, note

    def _find_escaped(self, text: str, rounds: int) -> list[Finding]:
        plain = undo(text)
        if plain == text or not rounds:
            return []
        found = [*self._find_exact(plain), *self._find_escaped(plain, rounds - 1)]
        if not found:
            return []
        places = find_places(text)
        return [(*places.span(start, end), kind, note) for start, end, kind, note in found]

    def _look_out(self, known: tuple[str, ...]) -> Lookout:
        groups = group_secrets(known, self._lookout.groups if known else {})
        signs = [*_SIGNS] if self.formats else []
        if groups or self._canaries:
            signs += ESCAPE_SIGNS
        if len(groups) == 1:
            (group,) = groups.values()
            signs += group.signs
        return Lookout(known, groups, compile_signs(signs), len(groups) < 2 and not self._canaries)


def find_name(text: str, at: int) -> int:
    """Where that begins which makes a password of what stands at ``at``: its name, or the address that it is in."""
    for pattern in (_ASSIGNED, _ADDRESS_PASSWORD):
        for match in pattern.finditer(text):
            if match.start() <= at < match.end():
                return match.start()
    return at


def redact_secrets(text: str) -> Redacted:
    """Take out what the process knows as secret, keys by their format, and passwords that are named so."""
    return replace(text, _PLAIN.find(text))


def _find_formats(text: str) -> Iterator[Finding]:
    for match in find_by_pieces(_FORMAT, text, LONGEST_KEY):
        yield *match.span(), match.lastgroup or "secret", f"[{match.lastgroup} secret removed]"
    for match in find_by_pieces(_ADDRESS_PASSWORD, text, LONGEST_NAMED):
        yield *match.span(1), NAMED_KIND, "[password removed]"
    at = 0
    while begin := KEY_BEGIN.search(text, at):
        end = KEY_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at, "private key", "[private key removed]"


def _find_assigned(text: str) -> Iterator[Finding]:
    for match in find_by_pieces(_ASSIGNED, text, LONGEST_NAMED):
        group = 1 if match[1] else 2
        yield *match.span(group), NAMED_KIND, "[password removed]"


_PLAIN: Final = Credentials()
