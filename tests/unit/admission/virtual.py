"""An event loop whose time passes only when nothing else is to be done, and a clock that shows it."""

import asyncio
import selectors
from collections.abc import Awaitable
from typing import Any

from surefoot.clock import encode_token


class _NoWait(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout=None):
        events = super().select(0)
        if not events:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.loop.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        selector = _NoWait()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class VirtualClock:
    """The loop's time; chance is none."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return 1_700_000_000.0 + self._loop.now

    def monotonic(self) -> float:
        return self._loop.now

    def random(self) -> float:
        return 0.5

    def token(self, prefix: str) -> str:
        return encode_token(prefix, self.now(), 0)


def run_virtually(main: Awaitable[Any], loop: VirtualLoop) -> Any:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)  # type: ignore[arg-type]
