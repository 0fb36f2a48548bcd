"""Work beside the event loop: in a thread, and never left there alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def aside(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What ``work`` gives, done in a thread. Whoever is cancelled meanwhile learns of it when it is done.

    Otherwise it would go on, beside whatever comes after the cancellation, on what both may change.
    """
    doing = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing})
        raise
