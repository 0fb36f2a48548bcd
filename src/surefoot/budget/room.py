"""Runs that share a budget wait for each other: a call in flight holds more than it will use.

Nobody who waits holds anything himself, and whoever holds something has a call in flight that ends by its timeout: so
nobody waits in a circle, and where nothing is held nobody waits at all.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from surefoot.budget.holds import Fit, Shortage
from surefoot.clock import Clock

if TYPE_CHECKING:  # the account wakes whoever waits for it
    from surefoot.budget.ledger import Account

SHARED: Final = frozenset({"tokens", "usd"})
"""Limits of which calls in flight hold a part."""


async def wait_for_room(
    account: Account, input_bound: int, want: int, *, final: bool, begins_step: bool, clock: Clock
) -> Fit | Shortage:
    """What fits a call as soon as no other run's call in flight makes it less; arguments as `Account.fit`.

    It waits until the call must have begun at the latest, and then takes what there is.
    """
    top = account
    while top.parent is not None:
        top = top.parent
    ends = account.deadline if final else account.soft_deadline
    while True:
        now = clock.monotonic()
        ask = partial(account.fit, input_bound, want, final=final, now=now, begins_step=begins_step)
        fit = ask()
        if fit.limit not in SHARED or now >= ends or _size(fit) >= _size(account.alone(ask)):
            return fit
        await _wait(top.waiting, ends - now)


def wake(waiting: list[asyncio.Future[None]]) -> None:
    """Something came free: everybody looks again, whoever came first looks first."""
    woken = waiting[:]
    waiting.clear()
    for future in woken:
        if not future.done():
            future.set_result(None)


def _size(fit: Fit | Shortage) -> int:
    return fit.max_tokens if isinstance(fit, Fit) else -1


async def _wait(waiting: list[asyncio.Future[None]], seconds: float) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.append(future)
    try:
        await asyncio.wait({future}, timeout=seconds)
    finally:
        if future in waiting:
            waiting.remove(future)
