"""Links that carry data away: images that a page fetches by itself, links that hide where they lead, long queries.

Addresses are read as a browser reads them, in every way in which one may: entities and backslashes undone, characters
that it ignores left out. What leads to a host that is not allowed in any of these readings loses its address; the host
is named, so that a person can judge.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from surefoot.arguments.hosts import matches
from surefoot.guard.glance import Sign, compile_signs
from surefoot.guard.normalize import UNSEEN
from surefoot.guard.redact import Finding

LABEL_CHARS: Final = 1_000
"""How far before an address its label may begin."""
TAG_CHARS: Final = 8_000
SHOWN_LABEL_CHARS: Final = 20
"""Of a host, in the note: a longer one might be what must not leave."""
CARRIED_CHARS: Final = 40
"""Of a query, a fragment or a label of a host: longer ones could carry data away."""
PATH_CHARS: Final = 150
"""Of a path: longer ones could carry data away."""
ANY_HOST: Final = "*"

_SIGNS: Final[tuple[Sign, ...]] = (
    ("]", "[(:]"),
    ("<", "[A-Za-z]"),
    (":", r"//|(?<=(?ai:mailto):)"),
    (".", r"(?<=[Ww]{3}\.)|[A-Za-z]{2,24}/[^\s]{40}"),
    ("(", r"(?<=(?i:url\())"),
    ("@", "(?i:import)"),
)
may_hold_link: Final = compile_signs(_SIGNS)
"""Finds a sign of a link: a text without any has none."""
LINK: Final = re.compile(r"\]\(\s*+<?([^\s<>\]]{0,4000})")
_BROKEN_CHARS: Final = 300
BROKEN: Final = re.compile(rf"(?:[\t\r\n]{{1,20}}[^\s<>\]\"'()]{{1,{_BROKEN_CHARS}}}){{1,4}}")
BROKEN_TAIL: Final = re.compile(rf"(?:[\t\r\n]{{1,20}}[^\s<>\]\"'()]{{0,{_BROKEN_CHARS}}}){{1,4}}\Z")
"""Behind the beginning of an address: a program that looks less closely may take it for more of it, as browsers do."""
CLOSING: Final = re.compile(
    r">?[ \t]{0,100}\n?[ \t]{0,100}(?:\"[^\"\n]{0,1000}\"|'[^'\n]{0,1000}'|\([^()\n]{0,1000}\))?[ \t]{0,100}\)"
)
_REFERENCE: Final = re.compile(r"\](?=:\s*+<?(?=[\w/\\&])([^\s<>]{1,500}))")
_PLAIN: Final = re.compile(
    r"(?i)(?:(?:https?|ftp|wss?)://|mailto:|(?<![\w./@-])www\.|(?<![\w.@-])(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}/(?=[^\s<>\"'`\])]{40}))"
    r"[^\s<>\"'`\])]{1,4000}"
)
"""Some programs make a link of a host without a scheme, too."""
_STYLE: Final = re.compile(
    r"(?i)url\((?=(\s{0,20}(?:[\"']([^\"']{1,500})|([^\s\"'()]{1,500}))[\"']?\s{0,20}\)?))"
    r"|@import(?=(\s{0,20}[\"']([^\"']{1,500})))"
)
"""What comes after the sign is looked at ahead, so that one sign does not hide the next."""
_TAGS: Final = (
    "a|animate|area|audio|base|bgsound|body|button|embed|feimage|form|frame|iframe|image|img|input|link|meta|object|param"
    "|portal|script|set|source|style|svg|table|td|th|tr|track|use|video"
)
"""Elements that fetch something, lead somewhere, or change where others do."""
TAG: Final = re.compile(rf"(?i)<(?:{_TAGS})(?=[\s/>])")
_ANY_TAG_CHARS: Final = 600
_ANY_TAG: Final = re.compile(rf"(?i)<(?!(?:{_TAGS})[\s/>])[a-z][a-z0-9-]{{0,40}}(?=[\s/])[^<>]{{0,{_ANY_TAG_CHARS}}}>")
ANY_TAG_TAIL: Final = re.compile(rf"(?i)<[a-z][a-z0-9-]{{0,40}}(?:[\s/][^<>]{{0,{_ANY_TAG_CHARS}}})?\Z")
"""Any other, complete: its style may fetch something, and its events may lead somewhere."""
_STYLE_END: Final = re.compile(r"(?i)</style")
_TAG_PART: Final = re.compile(r"[^\"'>]*+(>|\"[^\"]*+\"?|'[^']*+'?)?")
_NAMESPACE: Final = re.compile(r"(?i)xmlns(?::\w{1,20})?\s{0,5}=\s{0,5}[\"']http://www\.w3\.org/[\w/.-]{1,60}[\"']")
_ABSOLUTE: Final = re.compile(
    r"(?i)(?:https?|ftp|wss?|file|data|blob|javascript|vbscript|mailto):[^\s\"'<>]{0,4000}|[/\\]{2}[^\s\"'<>]{1,4000}"
)
_OPENING: Final = "([{"
"""What stands before a note without a space."""
_IGNORED: Final = re.compile(r"[\x00-\x20]+")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_SLASHES: Final = re.compile(r"(?i)^([a-z][a-z0-9+.-]{0,30}:)?[/\\]{2,}")
_SCHEME: Final = re.compile(r"(?i)[a-z]{2,6}://|mailto:")
_SCHEMES: Final = frozenset({"http", "https"})
_HOST: Final = re.compile(r"(?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")


class Hosts(Struct, frozen=True):
    """Where links may lead.

    Attributes:
        allowed: ``docs.example.com``, ``*.example.com`` for all below it, ``*`` for any: also for images.
        named: Those that the user has named: not for images, which need no click.
    """

    allowed: frozenset[str] = frozenset()
    named: Callable[[], frozenset[str]] = frozenset


def read_hosts(words: str) -> frozenset[str]:
    """The hosts that are named in a text: ``shop.test`` of ``https://shop.test/a`` and of ``look at shop.test``."""
    return frozenset([host.lower() for host in _HOST.findall(words)]) if "." in words else frozenset()


def find_links(text: str, hosts: Hosts) -> Iterator[Finding]:
    """The addresses in markdown images and links, HTML and styles that lead to hosts which are not allowed.

    Relative links and ``#anchors`` stay; what is no http(s) address (``javascript:``, ``data:``) goes. A plain address
    stays, whose reader sees where it leads, unless it is long enough to carry data away.
    """
    if may_hold_link(text) is None:
        return
    for start, end, kind, note in _find_all(text, hosts):
        before = text[start - 1 : start]
        yield start, end, kind, note if not before or before.isspace() or before in _OPENING else f" {note}"


def _find_all(text: str, hosts: Hosts) -> Iterator[Finding]:
    for match in LINK.finditer(text):
        address = balance(match[1])
        is_image = _is_image(text, match.start())
        end = match.start(1) + len(address)
        broken = BROKEN.match(text, end)
        is_bad = not _may_go(address, hosts, is_image=is_image)
        if broken is not None and not _may_go(address + broken[0], hosts, is_image=is_image):
            address, end, is_bad = address + broken[0], broken.end(), True
        if is_bad:
            closing = CLOSING.match(text, end)
            yield match.start() + 1, closing.end() if closing else end, *_note(address, is_image=is_image)
    for match in _REFERENCE.finditer(text):
        if _ABSOLUTE.match(_read_entities(match[1])) and not _may_go(match[1], hosts, is_image=True):
            yield match.start() + 1, match.end(1), *_note(match[1], is_image=False)
    for match in _STYLE.finditer(text):
        found = _ABSOLUTE.search(_read_entities(match[2] or match[3] or match[5] or ""))
        if found and not _may_go(found[0], hosts, is_image=True):
            yield match.start(), max(match.end(1), match.end(4)), *_note(found[0], is_image=True)
    yield from _find_tags(text, hosts)
    for match in _PLAIN.finditer(text):
        if _carries(match[0]) and not _may_go(_with_scheme(match[0]), hosts, is_image=False):
            yield *match.span(), *_note(_with_scheme(match[0]), is_image=False)


def _find_tags(text: str, hosts: Hosts) -> Iterator[Finding]:
    for whole in _ANY_TAG.finditer(text):
        yield from _find_in_tag(text, *whole.span(), hosts, is_image=True)
    at = 0
    while match := TAG.search(text, at):
        at = end_of_tag(text, match.end())
        is_image = match[0][1:].lower() not in {"a", "area", "form"}
        yield from _find_in_tag(text, match.start(), at, hosts, is_image=is_image)


def _find_in_tag(text: str, start: int, end: int, hosts: Hosts, *, is_image: bool) -> Iterator[Finding]:
    inner = _IGNORED.sub(" ", _read_entities(_NAMESPACE.sub("", text[start:end])))
    joined = _IGNORED.sub("", inner)
    for found in (*_ABSOLUTE.finditer(inner), *_ABSOLUTE.finditer(joined)):
        if not _may_go(found[0], hosts, is_image=is_image):
            yield start, end, *_note(found[0], is_image=is_image)
            return


def end_of_tag(text: str, at: int) -> int:
    """Where a tag ends whose name ends at ``at``; quotes may hold a ``>``. The end of the text if it has none.

    A style sheet is looked at as one tag, up to its end.
    """
    most = min(len(text), at + TAG_CHARS)
    if text[at - 6 : at].lower() == "<style":
        end = _STYLE_END.search(text, at, most)
        return end.end() if end is not None else most
    while at < most:
        part = _TAG_PART.match(text, at, most)
        assert part is not None, "it matches anything"
        at = max(part.end(), at + 1)
        if part[1] == ">":
            break
    return at


def _is_image(text: str, at: int) -> bool:
    """Whether the label that ends at ``at`` is an image's."""
    first = max(0, at - LABEL_CHARS)
    mark = text.rfind("![", first, at)
    if mark < 0 or text.count("[", mark + 2, at) < text.count("]", mark + 2, at):
        return False  # the quick look, for a flood of labels
    depth = 0
    for place in range(at - 1, mark, -1):
        depth += (text[place] == "]") - (text[place] == "[")
        if depth < 0:
            return place == mark + 1
    return False


def balance(address: str) -> str:
    """The address up to the parenthesis that closes the link; pairs of them may be in it."""
    depth = 0
    for at, letter in enumerate(address):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return address[:at]
    return address


def _note(address: str, *, is_image: bool) -> tuple[str, str]:
    """Kind of a finding, and what stands there instead: with the host, or the end of it if it could carry data."""
    kind = "image" if is_image else "link"
    host = _read_host(_undo(address)[0])
    labels = [label for label in host.split(".") if label]
    if len(labels) > 4 or any(len(label) > SHOWN_LABEL_CHARS for label in labels):
        host = ".".join(["…", *[label if len(label) <= SHOWN_LABEL_CHARS else "…" for label in labels[-2:]]])
    shown = "".join([letter for letter in host if letter.isalnum() or letter in ".-:…"])
    return kind, f"[{kind} removed: {shown}]" if shown else f"[{kind} removed]"


def _read_entities(address: str) -> str:
    return html.unescape(address) if "&" in address else address


def _undo(address: str) -> tuple[str, ...]:
    """The ways in which a program may read an address: backslashes as escapes of markdown, or as slashes."""
    plain = _IGNORED.sub("", _read_entities(address))
    if "\\" not in plain:
        return (_SLASHES.sub(r"\1//", plain),)
    return tuple([_SLASHES.sub(r"\1//", one) for one in (_ESCAPED.sub(r"\1", plain), plain.replace("\\", "/"))])


def _may_go(address: str, hosts: Hosts, *, is_image: bool) -> bool:
    return all(_may_be_read_as(reading, hosts, is_image=is_image) for reading in _undo(address))


def _may_be_read_as(address: str, hosts: Hosts, *, is_image: bool) -> bool:
    """Whether an address is relative, or http(s) to an allowed host."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if not parts.scheme and not parts.netloc:
        return True
    if parts.scheme not in {"", *_SCHEMES}:
        return False
    host = _read_host(address)
    if not host or UNSEEN.search(host):
        return False
    if ANY_HOST in hosts.allowed or any(matches(host, allowed) for allowed in hosts.allowed):
        return True
    return not is_image and not {host, host.removeprefix("www.")}.isdisjoint(hosts.named())


def _read_host(address: str) -> str:
    """The host as a browser reads it: in compatibility forms, small; lookalikes stay what they are. "" for none."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    host = unicodedata.normalize("NFKC", host).lower() if not host.isascii() else host
    return host.replace("\u3002", ".").rstrip(".")


def _with_scheme(address: str) -> str:
    return address if _SCHEME.match(address) else f"https://{address}"


def _carries(address: str) -> bool:
    """Whether a plain address has room for data: somebody may click it, and some programs fetch it for a preview."""
    try:
        parts = urlsplit(_with_scheme(address))
    except ValueError:
        return True
    if len(parts.query) + len(parts.fragment) > CARRIED_CHARS or len(parts.path) > PATH_CHARS or "@" in parts.netloc:
        return True
    labels = parts.netloc.split(".")
    return sum(map(len, labels[:-2])) > CARRIED_CHARS or any(len(label) > CARRIED_CHARS for label in labels)
