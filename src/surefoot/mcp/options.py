"""What is said of a server beside where it is, in Python and in ``surefoot.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

import msgspec

from surefoot.config import environment
from surefoot.errors import ConfigError
from surefoot.observation import LEAST_OUTPUT_BYTES
from surefoot.secret import looks_random, remember
from surefoot.sections import McpSettings

GIVEN_TO_ALL: Final = ("PATH", "HOME", "LANG", "TMPDIR")
"""Variables that a child process gets without being named: without them hardly a program starts."""
_LEAST_SECRET: Final = 6
"""A shorter value of a variable is not looked for in messages: it would be found in ordinary words."""


_SECRET_NAME: Final = re.compile(r"(?i)token|secret|passw|key|auth|credential|cookie")
_AUTH_SCHEMES: Final = frozenset({"basic", "bearer", "digest", "negotiate", "token"})


class McpOptions(TypedDict, total=False):
    """What `McpServer.stdio` and `McpServer.http` take beside the server's place; as in ``[mcp.NAME]``.

    Attributes:
        allow: Its tools that may be used, by the server's own names; all, unless it is given.
        prefix: Stands before the names of its tools; ``NAME_``, unless it is given.
        timeout_s: Longest run time of one call, seconds.
        start_timeout_s: Longest time from its start to its first answer, seconds.
        max_output_bytes: Size of a result at most, bytes.
        trust: ``trusted`` if nobody but the server's own system writes what its tools return.
        tools: What you know of its tools, by the server's own names: ``{"git_log": {"effect": "read"}}``.
    """

    allow: list[str]
    prefix: str
    timeout_s: float
    start_timeout_s: float
    max_output_bytes: int
    trust: Literal["trusted", "untrusted"]
    tools: Mapping[str, Mapping[str, Any]]


_MAX_SECONDS: Final = 86_400.0


def given_to_all() -> dict[str, str]:
    """Those of our variables."""
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
        raise ConfigError(f"mcp.{server}: the environment variable {missing[0]} is not set")
    for purpose, name in names.items():
        remember_given(f"{purpose} {name}", ours[name])
    return {purpose: ours[name] for purpose, name in names.items()}


def remember_given(name: str, value: str) -> None:
    """Take what a server is given for a secret of the process if it is random, or if its name says that it is secret.

    Not the "verbose" of a log level, which would be taken out of ordinary words, nor the "Bearer" before a token.
    """
    is_secret = _SECRET_NAME.search(name) is not None
    for piece in value.split():
        if looks_random(piece) or (is_secret and piece.lower() not in _AUTH_SCHEMES):
            remember(piece)


def read_options(name: str, table: dict[str, Any]) -> McpSettings:
    """Options as the settings have them.

    Raises:
        ConfigError: One is of a wrong type.
    """
    try:
        return msgspec.convert(table, McpSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"mcp.{name}: {error}") from None


def check_server(name: str, settings: McpSettings) -> None:
    """Refuse what is of the right type and makes no sense.

    Raises:
        ConfigError: That is the case.
    """
    if not name or not name.replace("-", "a").replace("_", "a").isalnum() or not name.isascii():
        raise ConfigError(f"mcp server name {name!r}: must be letters, digits, - and _")
    if bool(settings.command) == bool(settings.url):
        raise ConfigError(f"mcp.{name}: give either the command of a server, or its url")
    if settings.url and not settings.url.startswith(("http://", "https://")):
        raise ConfigError(f"mcp.{name}: url must begin with http:// or https://")
    if settings.max_output_bytes < LEAST_OUTPUT_BYTES:
        raise ConfigError(f"mcp.{name}: max_output_bytes must be {LEAST_OUTPUT_BYTES} or more")
    times = {"timeout_s": settings.timeout_s, "start_timeout_s": settings.start_timeout_s}
    times |= {f"tools.{tool}.timeout_s": one.timeout_s for tool, one in settings.tools.items() if one.timeout_s}
    for field, value in times.items():
        if not 0 < value <= _MAX_SECONDS:
            raise ConfigError(f"mcp.{name}: {field} = {value}: must be a positive number, at most {_MAX_SECONDS:,.0f}")


def mask_secrets(text: str, values: Mapping[str, str]) -> str:
    """A text without the secrets that a server was given: its last words go to the model and the journal."""
    given = [value for name, value in values.items() if name not in GIVEN_TO_ALL]
    given += [value.rpartition(" ")[2] for value in given]  # of "Bearer ...", too
    for secret in sorted(given, key=len, reverse=True):  # one may be the beginning of another
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "***")
    return text
