"""Who asks: the user, the conversation, the customer."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.secret import holds_secret

MAX_NAME_BYTES: Final = 512
"""Of UTF-8. Names are keys of tables that live in memory, and stand in error messages: they must be small."""


def mend(text: str) -> str:
    """``text`` without halves of surrogate pairs: a command line that is not UTF-8 has them, no database takes them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Caller(Struct, frozen=True):
    """Who runs the agent: the user, the conversation, the customer ("" for none), and what tools get as ``ctx.deps``.

    Raises:
        ConfigError: A name is no text that can be stored, is longer than `MAX_NAME_BYTES`, or holds a secret.
    """

    user: str = ""
    session: str = ""
    tenant: str = ""
    deps: object = None

    def __post_init__(self) -> None:
        """Check the names: they tell people apart, so that nothing in them is replaced."""
        _check_name("user", self.user)
        _check_name("session", self.session)
        _check_name("tenant", self.tenant)


def _check_name(field: str, name: object) -> None:
    if name is None:
        raise ConfigError(f'{field}=None: must be text; leave it out, or give "", for none')
    if not isinstance(name, str) or mend(name) != name:
        raise ConfigError(f"{field}={name!r:.80}: must be text that UTF-8 can carry")
    if len(name) * 4 > MAX_NAME_BYTES and len(name.encode()) > MAX_NAME_BYTES:
        size = len(name.encode())
        raise ConfigError(f"{field}={name[:40]!r}...: a name has {MAX_NAME_BYTES} bytes at most, not {size:,}")
    if holds_secret(name):
        raise ConfigError(f"{field}: it holds a secret of this process, and names are kept and shown: give an id")
