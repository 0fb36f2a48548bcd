"""URLs of public hosts, with the addresses that were checked."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import quote, urljoin

from surefoot.arguments.addresses import is_metadata, is_public
from surefoot.arguments.characters import refuse_hidden
from surefoot.arguments.check import Check
from surefoot.arguments.hosts import is_closed_name, matches, read_host
from surefoot.errors import ConfigError, ToolError
from surefoot.types import JsonSchema

Resolve = Callable[[str, int], Iterable[str]]
"""Host and port to IP addresses. May block; raises ``OSError`` where there is none."""

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?")
_FORBIDDEN: Final = re.compile(r"[\s<>\"{}|\\^`]")
_ENCODED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_ENCODED_HEADER: Final = re.compile(r"%0[Dd]|%00")
_SAFE: Final = "%/?#[]@!$&'()*+,;=:-._~"
_MOST_CHARACTERS: Final = 4096
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class SafeUrl:
    """An http or https URL of a public host; written bare as a parameter's type, or with `Hosts` to narrow it.

    Its host is resolved once, when the call runs. A client that is given the name resolves it anew and may be told
    another address: connect to one of ``addresses``.

    Attributes:
        text: The URL in ASCII: host in punycode, other characters percent-encoded. Also ``str(url)``.
        scheme: ``http`` or ``https``.
        host: Host in punycode, or an address.
        port: Port.
        addresses: IP addresses of the host that were checked; empty until the call runs.
    """

    __slots__ = ("addresses", "host", "port", "rule", "scheme", "text")

    def __init__(
        self,
        text: str,
        rule: Hosts,
        *,
        scheme: str = "",
        host: str = "",
        port: int = 0,
        addresses: tuple[str, ...] = (),
    ) -> None:
        """For `Hosts` only, which checks; ``rule`` is the one that made it."""
        self.text: Final = text
        self.rule: Final = rule
        self.scheme: Final = scheme
        self.host: Final = host
        self.port: Final = port
        self.addresses: Final = addresses

    def follow(self, location: str) -> SafeUrl:
        """Where a redirect leads, under the same rule. Resolves the host, so it blocks.

        Args:
            location: The ``Location`` header, absolute or relative.

        Raises:
            ToolError: The new URL is refused.
        """
        try:
            return self.rule.settle(self.rule.read(urljoin(self.text, location)))
        except ValueError as error:
            raise ToolError(f"The redirect of {self.text[:200]} was not followed: its target {error}.") from None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"SafeUrl({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SafeUrl) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def _ask_system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Hosts(Check):
    """``Annotated[SafeUrl, Hosts("api.example.com", "*.example.org")]``: which hosts a URL may name.

    Without names every public host is allowed. Whatever the names: no user or password in the URL, no address in an
    unusual spelling, no lookalikes, and every address that the host resolves to must be public.
    """

    __slots__ = ("_resolve", "hosts", "ports", "private", "schemes")
    kinds = (SafeUrl,)

    def __init__(
        self,
        *hosts: str,
        schemes: tuple[str, ...] = ("https", "http"),
        ports: tuple[int, ...] = (80, 443, 8080, 8443),
        private: bool = False,
        resolve: Resolve = _ask_system,
    ) -> None:
        """Declare the hosts.

        Args:
            hosts: Names or addresses; ``*.example.com`` is every name below ``example.com``. None: every public host.
            schemes: Of ``https`` and ``http``.
            ports: Ports.
            private: The named hosts may be of a private network; link-local and metadata addresses stay closed.
            resolve: Host and port to addresses, instead of the system's.

        Raises:
            ConfigError: A wrong name, scheme or port, or ``private`` without names.
        """
        self.hosts: Final = tuple(map(_read_pattern, hosts))
        self.schemes: Final = schemes
        self.ports: Final = ports
        self.private: Final = private
        self._resolve: Final = resolve
        if not schemes or not set(schemes) <= _DEFAULT_PORTS.keys():
            raise ConfigError(f"Hosts(schemes={schemes!r}): must be of 'https' and 'http'")
        if not ports or not all(0 < port < 65_536 for port in ports):
            raise ConfigError(f"Hosts(ports={ports!r}): must be of 1 to 65535")
        if private and not hosts:
            raise ConfigError("Hosts(private=True): name the hosts of the private network")

    def schema(self, kind: Any) -> JsonSchema:  # noqa: D102
        where = f"one of {', '.join(self.hosts)}" if self.hosts else "a public host"
        return {
            "format": "uri",
            "maxLength": _MOST_CHARACTERS,
            "description": f"URL with {' or '.join(self.schemes)} of {where}, without user or password",
        }

    def read(self, value: Any) -> SafeUrl:
        """The URL taken apart, not yet resolved. Raises ``ValueError``."""
        text = str(value)
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"is longer than {_MOST_CHARACTERS} characters")
        refuse_hidden(text)
        found = _FORBIDDEN.search(text)
        if found:
            raise ValueError(f"has {found[0]!r}, which is not allowed in a URL: percent-encode it")
        parts = _URL.fullmatch(text)
        if parts is None:
            raise ValueError("is no URL: write it as https://example.com/path")
        scheme = parts[1].lower()
        if scheme not in self.schemes:
            raise ValueError(f"has the scheme `{scheme[:16]}`, and allowed is {' or '.join(self.schemes)}")
        host, port = self._read_authority(parts[2], scheme)
        path, query, fragment = parts[3], parts[4] or "", parts[5] or ""
        if not path and "@" in query + fragment:
            raise ValueError("has `@` where some programs look for the host: write `/` before `?` or `#`")
        if _ENCODED_CONTROL.search(path) or _ENCODED_HEADER.search(query):
            raise ValueError("has an encoded control character: leave it out")
        shown = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
        rest = quote(f"{path}{query}{fragment}", safe=_SAFE)
        return SafeUrl(f"{scheme}://{shown}{rest}", self, scheme=scheme, host=host, port=port)

    def settle(self, value: SafeUrl) -> SafeUrl:
        """The URL with its host's addresses, all of which are allowed. Raises ``ValueError``."""
        if value.addresses:
            return value
        try:
            texts = [value.host.strip("[]")] if _is_address(value.host) else self._resolve(value.host, value.port)
            found = tuple(dict.fromkeys(texts))
        except OSError:
            found = ()
        if not found:
            raise ValueError(f"has the host `{value.host}`, which has no address: name another")
        if not all(map(self._is_open, found)):
            raise ValueError(f"has the host `{value.host}`, whose address is one of a private network: name another")
        return SafeUrl(value.text, self, scheme=value.scheme, host=value.host, port=value.port, addresses=found)

    def _read_authority(self, authority: str, scheme: str) -> tuple[str, int]:
        if "@" in authority:
            raise ValueError("has a user or password before `@`: leave it out")
        parts = _AUTHORITY.fullmatch(authority)
        if parts is None or not parts[1]:
            raise ValueError("has no host, or a wrong port: write it as https://example.com/path")
        host = read_host(parts[1])
        if self.hosts and not any(matches(host, allowed) for allowed in self.hosts):
            raise ValueError(f"has the host `{host}`, and allowed is {' or '.join(self.hosts)}")
        if _is_address(host):
            if not self._is_open(host.strip("[]")):
                raise ValueError(f"has the host `{host}`, an address of a private network: name a public host")
        elif is_closed_name(host) and not self.private:
            raise ValueError(f"has the host `{host}`, a name of a private network: name a public host")
        port = int(parts[2]) if parts[2] else _DEFAULT_PORTS[scheme]
        if port not in self.ports:
            raise ValueError(f"has the port {port}, and allowed is {' or '.join(map(str, self.ports))}")
        return host, port

    def _is_open(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return not is_metadata(address) if self.private else is_public(address)


def _is_address(host: str) -> bool:
    return host.startswith("[") or host.rpartition(".")[2].isdigit()


def _read_pattern(pattern: str) -> str:
    star, name = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    try:
        return star + read_host(name)
    except ValueError as error:
        raise ConfigError(f"Hosts({pattern!r}): {error}; write a host as 'example.com' or '*.example.com'") from None


PUBLIC: Final = Hosts()
"""What a bare `SafeUrl` demands."""
