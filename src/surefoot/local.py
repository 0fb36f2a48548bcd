"""The embedded model: a real language model, small and honest about it, served on loopback by a child process.

Needs the extra ``local``. The child (`surefoot.local_engine`) loads a GGUF file and answers ``/v1/chat/completions`` on
a free port of 127.0.0.1, to whoever has a key that is made anew each time. It ends with this process, however that
ends.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import threading
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final, Self

from surefoot.clock import SystemClock
from surefoot.config import environment
from surefoot.errors import ConfigError
from surefoot.local_engine import EngineOptions
from surefoot.sections import LocalSettings
from surefoot.weights import QWEN_CODER, Progress, Weights, find_weights

__all__ = ["LocalServer", "Progress"]

START_TIMEOUT_S: Final = 300.0
"""Longest time for loading; a cold disk reads 1 GB in half a minute."""
STOP_TIMEOUT_S: Final = 5.0
"""How long the child may take to end before it is killed."""
_ERROR_CHARS: Final = 300


def _ignore(done_bytes: int, all_bytes: int) -> None:
    """Nobody wants to know."""


class LocalServer:
    """One engine with one model, shared by all who have its address and key.

    Args:
        settings: The section ``[local]``.
        progress: Called in the event loop with bytes done and bytes in all while the weights are fetched.
        weights: What to load when the settings name no file.

    Attributes:
        name: Name of the model: its file, without the suffix.
        base_url: Root of its OpenAI-compatible API, "" before `start`.
        api_key: What requests must carry as bearer token.
    """

    def __init__(self, settings: LocalSettings, progress: Progress = _ignore, *, weights: Weights = QWEN_CODER) -> None:
        self.name = ""
        self.base_url = ""
        self.api_key = SystemClock().token("local")  # 80 bits of the operating system's chance
        self._settings = settings
        self._progress = progress
        self._weights = weights
        self._process: Process | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Fetch the weights if they are not there, load them, serve. Does nothing if it serves already.

        Raises:
            ConfigError: The extra is not installed, the weights are not to be had, or the engine cannot load them.
        """
        async with self._starting:
            if self._process is None:
                if importlib.util.find_spec("xllamacpp") is None:
                    raise ConfigError("the embedded model needs its engine: pip install 'surefoot[local]'")
                path = await self._find_weights()
                await self._start_child(path)

    async def close(self) -> None:
        """Stop the engine; what it still computes is given up."""
        process, self._process = self._process, None
        self.base_url = ""
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await _end(process, STOP_TIMEOUT_S)

    async def _find_weights(self) -> Path:
        stop = threading.Event()
        loop = asyncio.get_running_loop()

        def progress(done_bytes: int, all_bytes: int) -> None:
            loop.call_soon_threadsafe(self._progress, done_bytes, all_bytes)

        try:
            return await asyncio.to_thread(find_weights, self._settings, progress, stop, self._weights)
        except asyncio.CancelledError:
            stop.set()
            raise

    async def _start_child(self, path: Path) -> None:
        settings = self._settings
        options = EngineOptions(
            path=str(path),
            api_key=self.api_key,
            context_tokens=settings.context_tokens,
            threads=settings.threads,
            max_waiting=settings.max_waiting,
        )
        # A session of its own, so that Ctrl-C reaches this process only, which settles first. -P, or modules in the
        # working folder would hide the engine's. Threads that wait must not spin: cores are few.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "surefoot.local_engine",
            stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True,
            env={**environment(), "OMP_WAIT_POLICY": "PASSIVE"},
        )  # fmt: skip
        try:
            port = await _await_port(process, options)
        except BaseException:
            await _end(process, 0)
            raise
        self._process = process
        self.name = path.stem
        self.base_url = f"http://127.0.0.1:{port}/v1"


async def _await_port(process: Process, options: EngineOptions) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    where = f"the embedded model cannot be loaded from {options['path']}"
    process.stdin.write(json.dumps(options).encode() + b"\n")  # not on the command line: the key is in it
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
            if not line:
                said = (await process.stderr.read()).decode(errors="replace").strip()[-_ERROR_CHARS:]
                raise ConfigError(f"{where}: the engine ended with exit code {await process.wait()}: {said}")
    except TimeoutError:
        raise ConfigError(f"{where}: it took longer than {START_TIMEOUT_S:g} s") from None
    answer = json.loads(line)
    if "error" in answer:
        raise ConfigError(f"{where}: {answer['error']}")
    return int(answer["port"])


async def _end(process: Process, timeout_s: float) -> None:
    """Wait for the child, then kill it."""
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
