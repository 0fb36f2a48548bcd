"""A coroutine from code that has no event loop: on uvloop where it is installed, plain asyncio otherwise."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from surefoot.errors import ConfigError

ResultT = TypeVar("ResultT")

RARE: Final = 1_000
"""Collections of the middle generation for one of all: CPython's default is 10."""


def run_in_loop(main: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Run ``main()`` to its end in a new event loop.

    Raises:
        ConfigError: Called inside a running event loop, which it would block.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public call answers "none" by an exception
        raise ConfigError("run_sync would block the running event loop: `await runtime.run(...)` instead")
    with asyncio.Runner(loop_factory=_find_loop_factory()) as runner:
        return runner.run(main())


def _find_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class _Calm:
    """Garbage collection as it was before it was calmed, for as long as anybody wants it calm; of the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # runtimes live in event loops, and these in threads
        self.wanted = 0
        self.before: tuple[int, int, int] | None = None
        self.was_frozen = 0


_calm: Final = _Calm()


def calm_collections() -> None:
    """Keep the garbage collector from walking everything that lives, again and again; for a process that serves.

    A full collection looks at all objects of all runs under way: with 5,000 of them the event loop stands still for
    60 to 260 ms (measured with ``bench/scale.py`` on CPython 3.11). What lives now, modules above all, is left out from
    here on (`gc.freeze`), and full collections come a hundred times more rarely. A run leaves no cycle behind, so that
    nothing waits for them. Call it once, when the program is loaded; what it does ends with the process.

    A `Runtime` does so by itself, for as long as it is open, where the setting ``calm_gc`` says so.
    """
    with _calm.lock:
        _calm.wanted += 1
        if _calm.wanted > 1:
            return
        _calm.was_frozen = gc.get_freeze_count()
        gc.collect()
        gc.freeze()
        _calm.before = gc.get_threshold()
        gc.set_threshold(*_calm.before[:2], RARE)


def end_calm() -> None:
    """Undo one `calm_collections`; the last one leaves the collector as it was found, unless others have changed it."""
    with _calm.lock:
        _calm.wanted -= 1
        assert _calm.wanted >= 0, "it was asked for"
        before, _calm.before = _calm.before, _calm.before if _calm.wanted else None
        if _calm.wanted or before is None:
            return
        if gc.get_threshold() == (*before[:2], RARE):
            gc.set_threshold(*before)
        if not _calm.was_frozen:
            gc.unfreeze()
