"""Time that a test moves by hand, for what is immediate; and a loop whose timers fire without waiting, for what waits."""

import asyncio
import random
import selectors


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self, seed=0):
        self.time = 1_000.0
        self.chance = random.Random(seed)

    def now(self):
        return self.time

    def monotonic(self):
        return self.time

    def random(self):
        return self.chance.random()

    def token(self, prefix):
        return prefix


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for time to pass it lets it have passed."""

    def __init__(self):
        super().__init__()
        self.jumped_s = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.jumped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of discrete events: its time goes on by timers alone."""

    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.jumped_s


class LoopClock(HandClock):
    """The time of a `VirtualLoop`."""

    def __init__(self, loop, seed=0):
        super().__init__(seed)
        self.loop = loop

    def now(self):
        return 1_000_000_000 + self.loop.time()

    def monotonic(self):
        return self.loop.time()


def run_virtually(work):
    """Run ``work(clock)`` to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(LoopClock(loop)))
    finally:
        loop.close()
