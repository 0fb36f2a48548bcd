"""The connection to one server in one event loop: made when it is needed, made anew when it is lost or worn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from surefoot.backoff import draw_backoff_s
from surefoot.clock import Clock
from surefoot.mcp.outcome import Lost

if TYPE_CHECKING:
    from surefoot.mcp.connection import Connection

ATTEMPTS: Final = 3
"""To connect, for one call; then it fails, and so do those that come within the rest."""
BASE_S: Final = 0.25
MAX_S: Final = 2.0
REST_S: Final = 10.0
"""Longest rest after as many failures: a dead server costs a call no time."""


class Live:
    """Connects for whoever calls; one at a time.

    Attributes:
        holders: How many use it; the last one to go closes it.
    """

    def __init__(self, make: Callable[[], Awaitable[Connection]], start_timeout_s: float, clock: Clock) -> None:
        """Nothing is connected yet.

        Args:
            make: Makes a connection that is not open.
            start_timeout_s: Longest time until it is, and has listed its tools.
            clock: Source of time and chance.
        """
        self.holders = 0
        self._make = make
        self._start_timeout_s = start_timeout_s
        self._clock = clock
        self._making: asyncio.Task[Connection | Lost] | None = None
        self._connection: Connection | None = None
        self._old: set[Connection] = set()
        self._rest_until = 0.0
        self._why = ""

    async def reach(self) -> Connection | Lost:
        """A connection that is alive and whose tools are known, or why there is none.

        It is made for all who wait, and goes on being made if one of them has gone: a server that starts more slowly
        than a call may take would never be there.
        """
        connection = self._connection
        if connection is not None and connection.is_usable and connection.is_listed:
            return connection
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._connect())
        making = self._making
        await asyncio.wait({making})
        return Lost("it was closed", sent=False) if making.cancelled() else making.result()

    async def _connect(self) -> Connection | Lost:
        left_s = self._rest_until - self._clock.monotonic()
        if left_s > 0:
            return Lost(f"{self._why}; the next try is in {left_s:.0f} s at the earliest", sent=False)
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                await asyncio.sleep(draw_backoff_s(attempt - 1, BASE_S, MAX_S, self._clock))
            found = await self._try_once()
            if not isinstance(found, str):
                return found
            self._why = found
        self._rest_until = self._clock.monotonic() + REST_S * (1 + self._clock.random()) / 2
        return Lost(self._why, sent=False)

    async def _try_once(self) -> Connection | str:
        """A connection, or why there is none."""
        connection = self._connection
        if connection is None or not connection.is_usable:
            self._retire()
            connection = self._connection = await self._make()
            problem = await connection.open(self._start_timeout_s)
            if problem:
                return problem
        try:
            async with asyncio.timeout(self._start_timeout_s):
                problem = await connection.list_tools()
        except TimeoutError:
            problem = f"it did not list its tools within {self._start_timeout_s:.3g} s"
        if problem:
            connection.lose(problem)
        return problem or connection

    def _retire(self) -> None:
        self._old = {one for one in self._old if not one.has_ended}
        if self._connection is not None:
            self._old.add(self._connection)
            self._connection = None

    async def close(self) -> None:
        """End the server, and wait until nothing of it is left."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait({self._making})
            if not self._making.cancelled():
                self._making.exception()  # that of one that nobody has waited for
        self._retire()
        await asyncio.gather(*[connection.close() for connection in self._old])
        self._old.clear()
