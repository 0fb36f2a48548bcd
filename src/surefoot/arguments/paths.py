"""Paths that stay inside declared folders."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, Final

from surefoot.arguments.characters import fold, refuse_hidden
from surefoot.arguments.check import Check
from surefoot.errors import ConfigError
from surefoot.types import JsonSchema

_MOST_BYTES: Final = 4096
_MOST_NAME_BYTES: Final = 255
_SLASHES: Final = re.compile("[\u2044\u2215\u2216\u29f5\u29f8\u29f9\uff0f\uff3c\ufe68]")
_PERCENT: Final = re.compile(r"%(?:[0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?![ 0-9])")
_STREAM: Final = re.compile(r":(?![ 0-9])")
_SIGNS: Final = re.compile(r'[*"<>|`;\x00]|\$[({A-Za-z_]|\{[{%]|\\')
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$|clock\$)(?:[ .:].*)?",
    re.IGNORECASE | re.DOTALL,
)


class Within(Check):
    """``Annotated[Path, Within("/srv/files")]``: a path inside one of the folders, whatever the model writes.

    The tool gets an absolute path without symbolic links. A relative path is read from the first folder. What is
    refused whatever the folder holds: ``..``, backslashes, percent-encoding, control and unseen characters, lookalikes
    of slashes and dots, names of Windows devices, drives and streams, wildcards, names that begin with a dot. That no
    symbolic link leads out is checked when the call runs.

    Between the check and the tool's own ``open``, whoever can write into the folder may put a symbolic link there: give
    a tool a folder into which only trusted programs write links.
    """

    __slots__ = ("hidden", "roots", "suffixes")
    kinds = (Path,)

    def __init__(self, *roots: str | Path, suffixes: tuple[str, ...] = (), hidden: bool = False) -> None:
        """Declare the folders.

        Args:
            roots: Absolute folders; they need not exist yet.
            suffixes: Allowed ends of the last name, as ``(".pdf", ".txt")``, in any case; empty: any.
            hidden: Whether names may begin with a dot.

        Raises:
            ConfigError: No folder, or one that is not absolute.
        """
        told = ", ".join([repr(str(root) if isinstance(root, Path) else root) for root in roots])
        try:
            self.roots: Final = tuple(os.path.normpath(root) for root in roots)
        except TypeError:
            raise ConfigError(f"Within({told}): each folder must be a str or a Path") from None
        self.suffixes: Final = tuple(suffix.lower() for suffix in suffixes)
        self.hidden: Final = hidden
        if not roots or not all(map(os.path.isabs, self.roots)):
            raise ConfigError(f"Within({told}): give absolute folders, at least one, such as /srv/reports")
        if not all(suffix.startswith(".") for suffix in suffixes):
            raise ConfigError(f"Within(suffixes={suffixes!r}): each must begin with a dot")

    def schema(self, kind: Any) -> JsonSchema:  # noqa: D102
        ends = f", ending in {' or '.join(self.suffixes)}" if self.suffixes else ""
        return {"description": f"Path of a file or folder inside {' or '.join(self.roots)}{ends}, without `..`"}

    def read(self, value: Any) -> Path:
        """The absolute path. Raises ``ValueError``."""
        text = str(value)
        if not text:
            raise ValueError(f"is empty: {self._advice()}")
        if text == "/" or (text.startswith("/") and not text.startswith("//")):
            root = self._find_root(text)
            rest = text[len(root) :].lstrip("/")
        else:
            root, rest = self.roots[0], text
        names = [name for name in self._read_names(rest) if name not in {"", "."}]
        if self.suffixes and not (names and fold(names[-1]).lower().endswith(self.suffixes)):
            raise ValueError(f"must end in {' or '.join(self.suffixes)}")
        path = os.path.join(root, *names)  # noqa: PTH118 - of texts that are checked; Path would be slower
        if len(path.encode()) > _MOST_BYTES:
            raise ValueError(f"is longer than {_MOST_BYTES} bytes")
        return Path(path)

    def settle(self, value: Path) -> Path:
        """The path with every symbolic link followed. Raises ``ValueError`` if it leads out, or to no file."""
        try:
            real = os.path.realpath(value)
            # Only the roots themselves may be reached through links: their author wrote them
            if not any(_is_inside(real, os.path.realpath(root)) for root in self.roots):
                raise ValueError(f"leads out of {' and '.join(self.roots)} through a symbolic link: name another file")
            mode = _read_mode(real)
        except OSError as error:
            raise ValueError(f"cannot be followed ({error.strerror}): name another file") from None
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError("is neither a file nor a folder: name another")
        return Path(real)

    def _find_root(self, text: str) -> str:
        for root in self.roots:
            if _is_inside(text, root):
                return root
        raise ValueError(f"is outside: {self._advice()}")

    def _advice(self) -> str:
        return f"name a file inside {' or '.join(self.roots)}, as `folder/name.txt`"

    def _read_names(self, rest: str) -> list[str]:
        refuse_hidden(rest)
        folded = fold(rest)
        if _SLASHES.search(rest) or (folded.count("/"), folded.count("\\")) != (rest.count("/"), 0):
            raise ValueError("has a backslash or a lookalike of a slash: write `/`")
        if _PERCENT.search(folded):
            raise ValueError("is percent-encoded: write the name itself")
        found = _SIGNS.search(rest)
        if found:
            raise ValueError(f"has `{found[0]}`, which is not allowed in a path")
        names = rest.split("/")
        if rest.startswith(("//", "~")) or _SCHEME.match(folded):
            raise ValueError(f"begins with a drive, a scheme, a server or a home: {self._advice()}")
        for name, plain in zip(names, folded.split("/"), strict=True):
            self._check_name(name, plain)
        if names[-1].endswith(".") and names[-1] != ".":
            raise ValueError("ends with a dot: leave it out")
        return names

    def _check_name(self, name: str, plain: str) -> None:
        if plain.startswith("..") or (name != "." and not plain.strip(". ") and name):
            raise ValueError(f"has `..` or a name of dots and spaces only: {self._advice()}")
        if plain.startswith(".") and plain != "." and not self.hidden:
            raise ValueError("has a name that begins with a dot, and hidden files are not allowed")
        if plain != plain.strip():
            raise ValueError("has a name that begins or ends with a space: leave it out")
        if _STREAM.search(name) or "::" in plain:
            raise ValueError("has a colon inside a name: leave it out")
        if _DEVICE.fullmatch(plain):
            raise ValueError(f"has `{name[:32]}`, the name of a device on Windows: choose another")
        if len(name.encode()) > _MOST_NAME_BYTES:
            raise ValueError(f"has a name of more than {_MOST_NAME_BYTES} bytes")


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith("/") else f"{root}/")


def _read_mode(path: str) -> int:
    """The file's type; 0 if there is none yet."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
