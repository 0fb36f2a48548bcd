"""Secrets in a text: those that the process knows, canaries, and what has the form of a key or a password.

A text without the signs of one costs a few microseconds; the patterns are bounded, so that the work grows with the
text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct

from surefoot.guard.normalize import normalize
from surefoot.guard.redact import Finding, Redacted, replace
from surefoot.ranges import LEAST_CANARY_CHARS
from surefoot.secret import KNOWN, spell

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
_SIGN: Final = re.compile(
    r"-[A-Za-z0-9_-]{10}|--BEGIN|_[A-Za-z0-9]{12}|pat_|_(?:live|test)_|KIA[A-Z0-9]{16}|SIA[A-Z0-9]{16}|ROA[A-Z0-9]{16}|IDA[A-Z0-9]{16}|Iza[A-Za-z0-9_-]{35}"
    r"|J[A-Za-z0-9_-]{10}|G\.[A-Za-z0-9_-]{16}|:(?:AA|//)|r {1,3}[A-Za-z0-9._~+/=-]{20}|R {1,3}[A-Za-z0-9._~+/=-]{20}"
)
"""What each of the formats holds, from a character on that is rare in prose: all of them are looked for in one go."""
KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
KEY_END: Final = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_NAMES: Final = (
    r"passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|access[_-]?token"
    r"|auth[_-]?token|refresh[_-]?token|client[_-]?secret"
)
NAMED: Final = re.compile(f"(?i)(?:{_NAMES})$")
"""The name of a field whose value is a secret."""
_ASSIGNED: Final = re.compile(
    rf"(?i)(?:{_NAMES})(?:\\?[\"'])?\s{{0,3}}(?:"
    r"(?:[:=]|:=|=>)\s{0,3}\\?[\"']([^\s\"',;{}<>\[\]\\]{8,200})"
    r"|(?:[:=]|is)\s{0,3}(?=[^\s\d]{0,100}\d)([^\s\"',;{}<>\[\]()\\]{6,200}))"
)
"""A value in quotes; one without must have a digit in it, or code and forms would be full of them."""
ASSIGNED_TAIL: Final = re.compile(
    rf"(?i)(?:{_NAMES})[\"'\\]{{0,2}}\s{{0,3}}(?:(?:[:=]|:=|=>|is?)\s{{0,3}}[\\\"']{{0,2}}\S{{0,200}})?\Z"
)
"""The end of a text that may become one."""
_ADDRESS_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:([^\s:/@]{1,200})@")
_NAME_SIGNS: Final = ("passw", "passphrase", "secret", "key", "token")
NAMED_KIND: Final = "password"
_LEAST_ENCODED_CHARS: Final = 8
_ALNUM: Final = re.compile(r"[A-Za-z0-9]+")


class Spelt(Struct, frozen=True):
    """A known secret, ready to be looked for.

    Attributes:
        sign: What its spellings but those in Base64 have in common.
        spellings: These, the longest first.
        encoded: Those in Base64.
    """

    sign: str
    spellings: tuple[str, ...]
    encoded: tuple[str, ...]


class Credentials:
    """Finds secrets. One for a runtime, shared by all its runs.

    Args:
        canaries: Strings that are secret, too: in any case, with unseen characters in them, in NFKC forms.
        formats: Look for what has the form of a key or a password, and not for known secrets and canaries alone.
    """

    __slots__ = ("_canaries", "_known", "_spelt", "formats")

    def __init__(self, canaries: Collection[str] = (), *, formats: bool = True) -> None:
        self.formats = formats
        self._canaries = tuple([normalize(canary).folded for canary in canaries])
        assert all(len(canary) >= LEAST_CANARY_CHARS for canary in self._canaries), "checked with the settings"
        self._known: tuple[str, ...] = ()
        self._spelt: tuple[Spelt, ...] = ()

    def find(self, text: str, *, formats: bool = True) -> list[Finding]:
        """What is in ``text``; without ``formats`` only what the process knows and canaries."""
        found: list[Finding] = []
        if self._canaries:
            found += _find_canaries(text, self._canaries)
        known = KNOWN.values
        if known:
            if known is not self._known:
                self._spelt = tuple([_spell_out(secret) for secret in known])
                self._known = known
            found += _find_known(text, self._spelt)
        if formats and self.formats:
            if _SIGN.search(text):
                found += _find_formats(text)
            lowered = text.lower()
            for sign in _NAME_SIGNS:
                if sign in lowered:
                    found += _find_assigned(text)
                    break
        return found


def find_name(text: str, at: int) -> int:
    """Where that begins which makes a password of what stands at ``at``: its name, or the address that it is in."""
    for pattern in (_ASSIGNED, _ADDRESS_PASSWORD):
        for match in pattern.finditer(text):
            if match.start() <= at < match.end():
                return match.start()
    return at


def redact_secrets(text: str, canaries: Collection[str] = ()) -> Redacted:
    """Take out what the process knows as secret, keys by their format, passwords that are named so, and ``canaries``.

    A canary has `LEAST_CANARY_CHARS` or more, is found in any case, with unseen characters in it and in NFKC forms.
    """
    return replace(text, Credentials(canaries).find(text))


def _spell_out(secret: str) -> Spelt:
    spellings = spell(secret)
    sign = max(_ALNUM.findall(secret), key=len, default=secret)
    plain = [one for one in spellings if sign in one]
    encoded = [one for one in spellings if sign not in one and len(one) >= _LEAST_ENCODED_CHARS]
    return Spelt(sign, tuple(sorted(plain, key=len, reverse=True)), tuple(encoded))


def _find_known(text: str, spelt: tuple[Spelt, ...]) -> Iterator[Finding]:
    words = text.split()
    may_be_encoded = bool(words) and max(map(len, words)) >= _LEAST_ENCODED_CHARS
    for secret in spelt:
        if secret.sign in text:
            for spelling in secret.spellings:
                yield from _find_all(text, spelling, "key", "[key removed]")
        if may_be_encoded:
            for spelling in secret.encoded:
                if spelling in text:
                    yield from _find_all(text, spelling, "key", "[key removed]")


def _find_all(text: str, wanted: str, kind: str, note: str) -> Iterator[Finding]:
    at = text.find(wanted)
    while at >= 0:
        yield at, at + len(wanted), kind, note
        at = text.find(wanted, at + len(wanted))


def _find_canaries(text: str, canaries: tuple[str, ...]) -> Iterator[Finding]:
    plain = normalize(text)
    for canary in canaries:
        for start, end, kind, note in _find_all(plain.folded, canary, "canary", "[removed]"):
            yield *plain.span(start, end), kind, note


def _find_formats(text: str) -> Iterator[Finding]:
    for match in _FORMAT.finditer(text):
        yield *match.span(), match.lastgroup or "secret", f"[{match.lastgroup} secret removed]"
    for match in _ADDRESS_PASSWORD.finditer(text):
        yield *match.span(1), NAMED_KIND, "[password removed]"
    at = 0
    while begin := KEY_BEGIN.search(text, at):
        end = KEY_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at, "private key", "[private key removed]"


def _find_assigned(text: str) -> Iterator[Finding]:
    for match in _ASSIGNED.finditer(text):
        group = 1 if match[1] else 2
        yield *match.span(group), NAMED_KIND, "[password removed]"
