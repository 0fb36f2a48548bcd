"""Calls of tools whose arguments name something in the world: followed and resolved in a thread, then used."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from surefoot.errors import ToolError
from surefoot.signature import Settle
from surefoot.threads import ToolThreads


def settle_and_call(settle: Settle, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a blocking function, in the thread that runs this.

    Raises:
        ToolError: What an argument names is refused; the function was not called.
    """
    return function(**settle(arguments))


async def call_settled(
    settle: Settle, function: Callable[..., Any], arguments: dict[str, Any], threads: ToolThreads
) -> Any:
    """Call an async function after a thread has settled its arguments; name servers and disks may take their time.

    Raises:
        ToolError: What an argument names is refused, or no thread is free; the function was not called.
    """
    job = threads.submit(partial(settle, arguments))
    if job is None:
        raise ToolError(f"Not called: {threads.max_waiting} calls wait for a thread already. Try again later.")
    settled, error = await job.outcome
    if error is not None:
        raise error
    return await function(**settled)
