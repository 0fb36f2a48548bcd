"""What is said of a server beside where it is, in Python and in ``surefoot.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict
from urllib.parse import urlsplit

import msgspec

from surefoot.errors import ConfigError
from surefoot.observation import LEAST_OUTPUT_BYTES
from surefoot.sections import McpSettings


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
        has = "both command and url" if settings.url else "neither command nor url"
        raise ConfigError(
            f"mcp.{name} has {has}: give it one: command (and args) of a server that is started here, or the url of "
            "one behind HTTP"
        )
    if settings.url and not _is_address(settings.url):
        raise ConfigError(f"mcp.{name}: url must be an address that begins with http:// or https://")
    if settings.max_output_bytes < LEAST_OUTPUT_BYTES:
        raise ConfigError(f"mcp.{name}: max_output_bytes must be {LEAST_OUTPUT_BYTES} or more")
    times = {"timeout_s": settings.timeout_s, "start_timeout_s": settings.start_timeout_s}
    times |= {f"tools.{tool}.timeout_s": one.timeout_s for tool, one in settings.tools.items() if one.timeout_s}
    for field, value in times.items():
        if not 0 < value <= _MAX_SECONDS:
            raise ConfigError(f"mcp.{name}: {field} = {value}: must be a positive number, at most {_MAX_SECONDS:,.0f}")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none, or half an IPv6 address
        return False
