"""``surefoot.mcp.lock``: what the tools of each server said when a person last approved it. It belongs in git.

It holds the definitions themselves beside their hashes, so that a diff shows what changed; and an agent can be built,
and its model told of the tools, before anybody has reached the server.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from surefoot.config import environment
from surefoot.errors import ConfigError
from surefoot.mcp.definition import Definition
from surefoot.types import JsonSchema

LOCK_NAME: Final = "surefoot.mcp.lock"
_ADVICE: Final = (
    "Take it from version control again, or move it away and approve the tools of each server anew: "
    "surefoot mcp pin NAME"
)


class _Pin(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool in the file; its name is the key."""

    sha256: str
    description: str
    schema: JsonSchema


class _File(Struct, forbid_unknown_fields=True):
    version: Literal[1] = 1
    servers: dict[str, dict[str, _Pin]] = {}


class Lock:
    """The file.

    Attributes:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def read(self, server: str) -> dict[str, Definition] | None:
        """The approved tools of a server by name, None if nobody has ever approved any.

        Raises:
            ConfigError: The file cannot be read, or was edited by hand.
        """
        pins = self._load().servers.get(server)
        if pins is None:
            return None
        found = {name: Definition(name, pin.description, pin.schema) for name, pin in pins.items()}
        for name, definition in found.items():
            if definition.sha256 != pins[name].sha256:
                raise ConfigError(
                    f"{self.path}: tool {name!r} of {server!r} is not what its sha256 says: the file was edited by "
                    f"hand or badly merged. Take it from version control again, or delete {server!r} in it and approve "
                    f"its tools anew: surefoot mcp pin {server}"
                )
        return found

    def write(self, server: str, approved: Mapping[str, Definition]) -> None:
        """Replace what is approved of a server.

        Raises:
            ConfigError: The file cannot be written.
        """
        with self._alone():
            self._save(server, approved)

    def write_first(self, server: str, approved: Mapping[str, Definition]) -> dict[str, Definition]:
        """Record a server that is seen for the first time; what is there already, if another process was faster.

        Raises:
            ConfigError: The file cannot be read or written.
        """
        with self._alone():
            there = self.read(server)
            if there is not None:
                return there
            self._save(server, approved)
            return dict(approved)

    def _load(self) -> _File:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_File)
        except FileNotFoundError:
            return _File()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}. {_ADVICE}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path}: is no lock file: {error}. {_ADVICE}") from None

    def _save(self, server: str, approved: Mapping[str, Definition]) -> None:
        held = self._load()
        held.servers[server] = {
            name: _Pin(one.sha256, one.description, one.schema) for name, one in sorted(approved.items())
        }
        held.servers = dict(sorted(held.servers.items()))
        text = msgspec.json.format(msgspec.json.encode(held, order="sorted"), indent=2) + b"\n"
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            beside.write_bytes(text)
            beside.replace(self.path)
        except OSError as error:
            raise ConfigError(
                f"{self.path}: cannot be written: {error.strerror}; make it with `surefoot mcp pin {server}` where it "
                "can be, and ship it"
            ) from None

    @contextmanager
    def _alone(self) -> Generator[None]:
        """One process at a time changes the file: the folder is locked, for the file itself is replaced."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise ConfigError(f"{self.path.parent}: cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def find_lock(config: str | Path | None = None) -> Path:
    """Beside the settings file, else in the working folder."""
    chosen = config or environment().get("SUREFOOT_CONFIG")
    return (Path(chosen).parent if chosen else Path()) / LOCK_NAME
