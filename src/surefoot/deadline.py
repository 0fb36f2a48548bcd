"""Waiting for code of the user's until a deadline, and not being fooled by what it raises."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar, cast

R = TypeVar("R")


class TimedOut(Exception):
    """Apart from the ``TimeoutError`` that the code may raise by itself."""


async def within(until: float, awaitable: Awaitable[Any]) -> Any:
    """Await something until ``until``, in seconds of the running loop's clock.

    Raises:
        TimedOut: It was not done then; it has been cancelled.
    """
    scope = asyncio.timeout_at(until)
    try:
        async with scope:
            return await awaitable
    except Exception:
        if scope.expired():
            raise TimedOut from None
        raise
    finally:
        if is_cancelled():  # a tool that swallows the cancellation of its run must not save the run
            raise asyncio.CancelledError


def is_cancelled() -> bool:
    """Whether somebody wants the current task to end; a tool may raise ``CancelledError`` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, R], pending: Any) -> Generator[Any, Any, R]:
    """Await a coroutine that was started by hand and has yielded ``pending``, as if it had been awaited at once."""
    while True:
        try:
            yield pending
        except BaseException as error:  # noqa: BLE001 - passed on to the coroutine, cancellation most of all
            try:
                pending = coroutine.throw(error)
            except StopIteration as stop:
                return cast("R", stop.value)
        else:
            return (yield from cast("Generator[Any, Any, R]", coroutine))
