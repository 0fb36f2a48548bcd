"""The address of an API: whether it is one, what of it a message may show, and whether it is on this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from surefoot.errors import ConfigError


def check_base_url(base_url: str, setting: str) -> SplitResult:
    """The parts of a base URL.

    Raises:
        ConfigError: It is not an http or https URL with a host; names ``setting``.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{setting}: base_url {_mask(base_url)!r} is not a URL: {error}") from None
    if parts.scheme not in {"http", "https"}:
        raise ConfigError(f"{setting}: base_url {_mask(base_url)!r} must begin with http:// or https://")
    if not parts.hostname or port == 0 or not base_url.isprintable() or " " in base_url or parts.fragment:
        raise ConfigError(f"{setting}: base_url {_mask(base_url)!r} is not the address of an API, like https://host/v1")
    return parts


def find_address(parts: SplitResult) -> str:
    """The URL without user, password, query and fragment: fit for messages."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def is_loopback(url: SplitResult) -> bool:
    """Whether it is an address of this machine."""
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _mask(base_url: str) -> str:
    """A malformed URL as a message may show it: what stands before an @ or after a ? may be a secret."""
    return base_url.rpartition("@")[2].partition("?")[0]
