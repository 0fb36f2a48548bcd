"""A coroutine from code that has no event loop: on uvloop where it is installed, plain asyncio otherwise."""

from __future__ import annotations

import asyncio
import gc
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


def calm_collections() -> None:
    """Keep the garbage collector from walking everything that lives, again and again; for a process that serves.

    A full collection looks at all objects of all runs under way: with 5,000 of them the event loop stands still for
    60 to 130 ms (measured with ``bench/scale.py`` on CPython 3.11). What lives now, modules above all, is left out from
    here on (`gc.freeze`), and full collections come a hundred times more rarely. Runs leave next to no cycles behind,
    so that nothing waits for them. Call it once, when the program is loaded.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, RARE)
