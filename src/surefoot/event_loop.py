"""A coroutine from code that has no event loop: on uvloop where it is installed, plain asyncio otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from surefoot.errors import ConfigError

ResultT = TypeVar("ResultT")


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
