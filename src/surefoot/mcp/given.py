"""What a server is given to know: variables and headers, and which of them are secrets of the process from then on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from surefoot.config import environment
from surefoot.errors import ConfigError
from surefoot.guard.credentials import redact_secrets
from surefoot.secret import looks_random, remember

GIVEN_TO_ALL: Final = ("PATH", "HOME", "LANG", "TMPDIR")
"""Variables that a child process gets without being named: without them hardly a program starts."""
_SECRET_NAME: Final = re.compile(
    r"(?i)auth|cookie|credential|passw|passphrase|secret|token|pwd|(?:^|[_.-]|api|access|private)keys?(?:$|[_.-])"
    r"|(?:^|[_.-])(?:pass|pat|pin|dsn|sig|signature|session|jwt|bearer)(?:$|[_.-])"
)
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{1,15})\s+(\S.*)", re.DOTALL)
"""Of a header: ``Bearer ...``, ``Basic ...``."""
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""RFC 9110, section 5.6.2."""
_LEAST_SECRET: Final = 6
"""A shorter value of a variable is not looked for in messages: it would be found in ordinary words."""


def given_to_all() -> dict[str, str]:
    """Those of our variables that every child process gets."""
    ours = environment()
    return {name: ours[name] for name in GIVEN_TO_ALL if name in ours}


def read_variables(server: str, names: Mapping[str, str]) -> dict[str, str]:
    """Values of variables by what they are for.

    Raises:
        ConfigError: One is not set, or empty.
    """
    ours = environment()
    missing = [name for name in names.values() if not ours.get(name)]
    if missing:
        raise ConfigError(
            f"mcp.{server}: the environment variable {missing[0]} is {'empty' if missing[0] in ours else 'not set'}"
        )
    return {purpose: ours[name] for purpose, name in names.items()}


def read_headers(name: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they can be sent: a token that was read from a file often ends with a line break.

    Raises:
        ConfigError: One cannot be sent. Its value is not said.
    """
    plain = {header: value.strip() for header, value in headers.items()}
    for header, value in plain.items():
        if not _HEADER_NAME.fullmatch(header):
            raise ConfigError(f"mcp.{name}: {header[:80]!r} is no name of a header")
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(f"mcp.{name}: the value of header {header!r} must be printable ASCII, in one line")
    return plain


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


def mask_secrets(text: str, values: Mapping[str, str]) -> str:
    """A text without what a server was given and without secrets of the process: its last words go to people, too."""
    given = [value for name, value in values.items() if name not in GIVEN_TO_ALL]
    given += [value.rpartition(" ")[2] for value in given]  # of "Bearer ...", too
    for secret in sorted(given, key=len, reverse=True):  # one may be the beginning of another
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "***")
    return redact_secrets(text).text
