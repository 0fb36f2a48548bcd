"""What must not leave in an answer, a log or a trace: links that carry data away, secrets, personal data, the prompt.

Pure functions: text in, text and the spans of what was taken out back. Nothing here decides what is allowed; the
caller says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from surefoot.guard.normalize import normalize
from surefoot.guard.tokens import find_words


class Redaction(Struct, frozen=True):
    """One thing that was taken out.

    Attributes:
        start: Where it was in the text that came in, in characters.
        end: Where it ended.
        kind: ``image``, ``link``, ``canary``, ``email``, ``phone``, ``card``, or whose secret it was, such as
            ``openai``.
    """

    start: int
    end: int
    kind: str


class Redacted(Struct, frozen=True):
    """A text that may leave.

    Attributes:
        text: The text, with a note in place of what was taken out.
        redactions: What was taken out, in order.
    """

    text: str
    redactions: tuple[Redaction, ...] = ()


Finding = tuple[int, int, str, str]
"""Start, end, kind, and what stands there instead."""


def _replace(text: str, findings: Iterable[Finding]) -> Redacted:
    """``text`` with each finding replaced; of those that overlap, the one that begins first, of these the longest."""
    pieces: list[str] = []
    done: list[Redaction] = []
    at = 0
    for start, end, kind, note in sorted(findings, key=lambda found: (found[0], -found[1])):
        if start < at:
            continue
        pieces += [text[at:start], note]
        done.append(Redaction(start, end, kind))
        at = end
    return Redacted("".join([*pieces, text[at:]]), tuple(done)) if done else Redacted(text)


# --------------------------------------------------------------------------------------------------------------- links

_LINK: Final = re.compile(r"\]\(\s{0,100}<?([^\s<>\]]{0,4000})")
_LABEL_CHARS: Final = 1_000
_TITLE_CHARS: Final = 1_000
_REFERENCE: Final = re.compile(r"^[ ]{0,3}\[[^\[\]\n]{1,200}\]:[ \t]{0,10}<?([^\s<>]{1,4000})[^\n]*", re.MULTILINE)
_AUTOLINK: Final = re.compile(r"<((?:https?|ftp)://[^\s<>]{1,4000})>", re.IGNORECASE)
_TAG: Final = re.compile(
    r"<(img|image|iframe|a|link|source|video|audio|object|embed|form|script)\b[^<>]{0,8000}>", re.IGNORECASE
)
_ADDRESS: Final = re.compile(
    r"""(?:src|href|srcset|data|action|poster)\s{0,5}=\s{0,5}["']?([^\s"'<>]{1,4000})""", re.IGNORECASE
)
_SPACES: Final = re.compile(r"[\x00-\x20]+")


def neutralise_links(text: str, allowed_hosts: Collection[str] = (), *, keep_plain: bool = True) -> Redacted:
    """Take the address out of markdown images and links, and of HTML tags, that lead to hosts which are not allowed.

    ``allowed_hosts`` are names such as ``docs.example.com``, and ``*.example.com`` for all below one. Relative links
    and ``#anchors`` stay; what is no http(s) address (``javascript:``, ``data:``) goes. An address in plain text
    stays, since no program fetches it by itself; ``keep_plain=False`` takes ``<https://...>`` out, too.
    """
    allowed = frozenset([host.lower() for host in allowed_hosts])
    return _replace(text, _links(text, allowed, keep_plain=keep_plain))


def _links(text: str, allowed: frozenset[str], *, keep_plain: bool) -> Iterator[Finding]:
    for match in _LINK.finditer(text):
        address = _balanced(match[1])
        if not _may_go(address, allowed):
            yield _link(text, match.start(), match.start(1) + len(address))
    for match in _REFERENCE.finditer(text):
        if not _may_go(match[1], allowed):
            yield *match.span(), "link", "[link removed]"
    for match in _TAG.finditer(text):
        if not all(_may_go(address[1], allowed) for address in _ADDRESS.finditer(match[0])):
            kind = "link" if match[1].lower() in {"a", "form"} else "image"
            yield *match.span(), kind, f"[{kind} removed]"
    if not keep_plain:
        for match in _AUTOLINK.finditer(text):
            if not _may_go(match[1], allowed):
                yield *match.span(), "link", "[link removed]"


def _balanced(address: str) -> str:
    """The address up to the parenthesis that closes the link; pairs of them may be in it."""
    depth = 0
    for at, letter in enumerate(address):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return address[:at]
    return address


def _link(text: str, at: int, end: int) -> Finding:
    """The finding of a link whose label ends at ``at`` and whose address ends at ``end``."""
    closing = text.find(")", end, end + _TITLE_CHARS)
    end = closing + 1 if closing >= 0 else end
    start = text.rfind("[", max(0, at - _LABEL_CHARS), at)
    if start < 0 or "]" in text[start:at]:  # a label with brackets in it: it stays, the address goes
        return at + 1, end, "link", " [link removed]"
    kind = "image" if text[start - 1 : start] == "!" else "link"
    return start - (kind == "image"), end, kind, f"{text[start + 1 : at]} [{kind} removed]".strip()


def _may_go(address: str, allowed: frozenset[str]) -> bool:
    """Whether an address is relative, or http(s) to an allowed host, read as a browser does: no spaces, any slash."""
    try:
        parts = urlsplit(_SPACES.sub("", normalize(address).text).replace("\\", "/"))
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if parts.scheme not in {"", "http", "https"}:
        return False
    if not host:
        return not parts.scheme and not parts.netloc
    return host in allowed or any(f"*.{host[at + 1 :]}" in allowed for at, letter in enumerate(host) if letter == ".")


# ------------------------------------------------------------------------------------------------------------- secrets

_SECRETS: Final = (
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
_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:" + "|".join([f"(?P<{kind}>{pattern})" for kind, pattern in _SECRETS]) + ")"
)
_KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_KEY_END: Final = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY-----")
_ASSIGNED: Final = re.compile(
    r"(?i)(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret)[\"']?\s{0,3}[:=]\s{0,3}[\"']?([^\s\"',;{}<>\[\]]{8,200})"
)
_ADDRESS_PASSWORD: Final = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:([^\s:/@]{1,200})@")
LEAST_CANARY_CHARS: Final = 8


def redact_secrets(text: str, canaries: Collection[str] = ()) -> Redacted:
    """Take out keys of known providers, private keys, passwords that are named so, and ``canaries``: planted strings.

    A canary has `LEAST_CANARY_CHARS` or more, is found in any case, with unseen characters in it and in NFKC forms.
    """
    return _replace(text, [*_secrets(text), *_canaries(text, canaries)])


def _secrets(text: str) -> Iterator[Finding]:
    for match in _SECRET.finditer(text):
        yield *match.span(), match.lastgroup or "secret", f"[{match.lastgroup} secret removed]"
    for pattern in (_ASSIGNED, _ADDRESS_PASSWORD):
        for match in pattern.finditer(text):
            yield *match.span(1), "password", "[password removed]"
    at = 0
    while begin := _KEY_BEGIN.search(text, at):
        end = _KEY_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at, "private key", "[private key removed]"


def _canaries(text: str, canaries: Collection[str]) -> Iterator[Finding]:
    if not canaries:
        return
    plain = normalize(text)
    for canary in canaries:
        wanted = normalize(canary).folded
        assert len(wanted) >= LEAST_CANARY_CHARS, "a short canary would be found everywhere"
        at = plain.folded.find(wanted)
        while at >= 0:
            yield *plain.span(at, at + len(wanted)), "canary", "[removed]"
            at = plain.folded.find(wanted, at + len(wanted))


# ------------------------------------------------------------------------------------------------------- personal data

_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_CARD: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_PHONE: Final = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){2,4}(?![\w-])"
    r"|(?<![\w+])(?:\+\d{8,15}|0\d{9,10})(?!\w)"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d\d[.-]\d\d[.-]\d{4}|\d{1,3}(?:\.\d{1,3}){3}$")


def redact_personal(text: str) -> Redacted:
    """Take out e-mail addresses, phone numbers, and card numbers: 13 to 19 digits whose check digit is right."""
    return _replace(text, _personal(text))


def _personal(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        yield *match.span(), "email", "[email removed]"
    for match in _CARD.finditer(text):
        if is_luhn([int(digit) for digit in match[0] if digit.isdecimal()]):
            yield *match.span(), "card", "[card removed]"
    for match in _PHONE.finditer(text):
        if not _DATE.match(match[0]):
            yield *match.span(), "phone", "[phone removed]"


def is_luhn(digits: list[int]) -> bool:
    """Whether the digits, every second from the right doubled and its digits summed, sum to a multiple of 10."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


# ------------------------------------------------------------------------------------------------------- system prompt

LEAK_WORDS: Final = 10
"""Words in a row that an answer has from the system prompt by leak, and hardly by chance."""


def find_prompt_leak(answer: str, prompt: str, *, words: int = LEAK_WORDS) -> tuple[tuple[int, int], ...]:
    """The stretches of ``answer`` that repeat ``words`` words or more of ``prompt``, in any case, marks and spaces.

    A prompt of fewer words leaks as a whole. Linear in both texts.
    """
    plain, secret = normalize(answer), [word for word, _ in find_words(normalize(prompt).folded) if word.isalnum()]
    said = [(word, at) for word, at in find_words(plain.folded) if word.isalnum()]
    size = min(words, len(secret))
    if not size:
        return ()
    grams = {tuple(secret[at : at + size]) for at in range(len(secret) - size + 1)}
    stretches: list[tuple[int, int]] = []
    for at in range(len(said) - size + 1):
        if tuple([word for word, _ in said[at : at + size]]) in grams:
            last, place = said[at + size - 1]
            start, end = plain.span(said[at][1], place + len(last))
            if stretches and start <= stretches[-1][1]:
                start = stretches.pop()[0]
            stretches.append((start, end))
    return tuple(stretches)


def redact_prompt(answer: str, prompt: str, *, words: int = LEAK_WORDS) -> Redacted:
    """``answer`` without what `find_prompt_leak` finds."""
    found = find_prompt_leak(answer, prompt, words=words)
    return _replace(answer, [(start, end, "prompt", "[removed]") for start, end in found])
