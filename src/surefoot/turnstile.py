"""Keeps a turn of the event loop short when very many runs begin at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from surefoot.clock import Clock

SLICE_S: Final = 0.004
"""What is let through in one turn of the loop is to take about this long: nothing of ours holds the loop for 10 ms."""
LEAST: Final = 4
MOST: Final = 1_024
_FIRST: Final = 16


class Turnstile:
    """Lets through at once what fits one turn of the event loop; the rest in the order of arrival, turn by turn.

    A thousand runs that begin in the same turn would all be prepared, journaled and sent before the loop looks at a
    timer or a socket again. How many fit is learned from how long the turns take. Whoever waits is a task of a
    caller, so there are never more than admission lets in.

    For one event loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._fits = float(_FIRST)
        self._passed = 0  # in this turn
        self._began_s = 0.0
        self._is_turning = False  # whether `_turn` is due

    def enter(self) -> asyncio.Future[None] | None:
        """None to go on; otherwise await it first."""
        if self._waiting or self._passed >= self._fits:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            return future
        self._passed += 1
        if not self._is_turning:
            self._is_turning = True
            self._began_s = self._clock.monotonic()
            asyncio.get_running_loop().call_soon(self._turn)
        return None

    def _turn(self) -> None:
        """A turn of the loop is over: learn from it, and let the next ones through."""
        now_s = self._clock.monotonic()
        took_s, self._began_s = now_s - self._began_s, now_s
        if took_s > SLICE_S:
            self._fits = max(LEAST, self._fits * max(0.5, SLICE_S / took_s))
        elif self._passed >= self._fits:
            self._fits = min(MOST, self._fits * 1.25)
        self._passed = 0
        while self._waiting and self._passed < self._fits:
            future = self._waiting.popleft()
            if not future.done():  # its caller has gone
                future.set_result(None)
                self._passed += 1
        self._is_turning = self._passed > 0
        if self._is_turning:
            asyncio.get_running_loop().call_soon(self._turn)
