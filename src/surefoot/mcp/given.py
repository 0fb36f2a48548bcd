"""What a server is given to know: variables and headers, and which of them are secrets of the process from then on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from surefoot.config import environment
from surefoot.secret import looks_random, remember

GIVEN_TO_ALL: Final = ("PATH", "HOME", "LANG", "TMPDIR")
"""Variables that a child process gets without being named: without them hardly a program starts."""
_SECRET_NAME: Final = re.compile(
    r"(?i)auth|cookie|credential|passw|passphrase|secret|token|pwd|(?:^|[_.-]|api|access|private)keys?(?:$|[_.-])"
    r"|(?:^|[_.-])(?:pass|pat|pin|dsn|sig|signature|session|jwt|bearer)(?:$|[_.-])"
)
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{1,15})\s+(\S.*)", re.DOTALL)
"""Of a header: ``Bearer ...``, ``Basic ...``."""


def given_to_all() -> dict[str, str]:
    """Those of our variables that every child process gets."""
    ours = environment()
    return {name: ours[name] for name in GIVEN_TO_ALL if name in ours}


def remember_given(url: str, variables: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """From here on the secrets among them are secrets of the process: neither journal nor log nor answer says them.

    A value is one if its name says so, however weak it is, or if it looks random. The ``verbose`` of a log level is
    none: it would be taken out of ordinary words.
    """
    for name, value in variables.items():
        if name not in GIVEN_TO_ALL:
            _remember(name, value)
    for name, value in headers.items():
        with_scheme = _SCHEME.fullmatch(value) if name.lower().endswith("authorization") else None
        _remember(name, with_scheme[2] if with_scheme else value)
        if with_scheme and with_scheme[1].lower() == "basic":
            _remember_all(_decode_password(with_scheme[2]))
    parts = urlsplit(url)
    _remember_all(_spell(parts.password or ""))
    for name, value in parse_qsl(parts.query):
        _remember(name, value)


def _remember(name: str, value: str) -> None:
    if _SECRET_NAME.search(name):
        _remember_all([value.strip()])
    _remember_all([piece for piece in value.split() if looks_random(piece)])
    if "://" in value:  # of a database, say
        _remember_all(_find_passwords(value))


def _remember_all(values: Iterable[str]) -> None:
    for value in values:
        remember(value)


def _find_passwords(value: str) -> Iterator[str]:
    for piece in value.split():
        try:
            password = urlsplit(piece).password
        except ValueError:  # no address after all
            continue
        if password:
            yield from _spell(password)


def _spell(secret: str) -> Iterator[str]:
    """As it stands in an address, and as it is."""
    yield secret
    yield unquote(secret)


def _decode_password(data: str) -> list[str]:
    """Of ``Basic``: the second half of what is said in Base64."""
    try:
        said = base64.b64decode(data.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [said.partition(":")[2]]
