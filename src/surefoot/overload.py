"""Whether the process has more to do than it can: a delay stands, above its target all the time and not for a moment.

The idea is that of CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012; RFC 8289): a burst makes a
queue that drains by itself and is none of anybody's business; one that never falls below the target for an interval
only makes everybody wait.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from surefoot.clock import Clock

INTERVAL_S: Final = 1.0
"""A delay that was above its target for so long stands. Each further interval makes it worse by one."""
FRESH_S: Final = 2.0
"""Delays further apart than this have nothing to do with each other."""
MAX_DEPTH: Final = 30
PROBE_EVERY_S: Final = 0.05
"""The event loop's delay is measured at most so often."""


class StandingDelay:
    """A delay, measured now and then.

    Attributes:
        target_s: What it may be.
        last_s: What it was when it was last measured.
    """

    __slots__ = ("_above_since", "_noted_at", "last_s", "target_s")

    def __init__(self, target_s: float) -> None:
        self.target_s = target_s
        self.last_s = 0.0
        self._above_since: float | None = None
        self._noted_at = float("-inf")

    @property
    def is_above(self) -> bool:
        """Whether it was above its target when it was last measured."""
        return self._above_since is not None

    def note(self, delay_s: float, now: float) -> None:
        """The delay was measured."""
        if delay_s <= self.target_s:
            self._above_since = None
        elif self._above_since is None or now - self._noted_at > FRESH_S:
            self._above_since = now
        self.last_s = delay_s
        self._noted_at = now

    def above_s(self, now: float) -> float:
        """For how long it has been above its target, in seconds; 0 if it is not, or that is long ago."""
        if self._above_since is None or now - self._noted_at > FRESH_S:
            return 0.0
        return self._noted_at - self._above_since

    def depth(self, now: float) -> int:
        """In how many whole intervals it did not once fall below its target; 0: it does not stand."""
        return min(MAX_DEPTH, int(self.above_s(now) / INTERVAL_S))


class Overload:
    """Two delays: of the event loop, and of whose turn it is in the queue.

    Attributes:
        turn: How long the next in turn has waited for nothing but a slot of all.
        lag: How late the event loop is.
        probe_at: When that may be measured again.
    """

    __slots__ = ("_clock", "lag", "probe_at", "turn")

    def __init__(self, clock: Clock, *, max_turn_s: float, max_lag_s: float) -> None:
        self.turn = StandingDelay(max_turn_s)
        self.lag = StandingDelay(max_lag_s)
        self._clock = clock
        self.probe_at = -math.inf

    def probe(self, now: float) -> None:
        """Measure how late the event loop is: no timer, only when somebody comes, not before ``probe_at``."""
        self.probe_at = math.inf  # not while one is on its way
        asyncio.get_running_loop().call_soon(self._end_probe, now)

    def _end_probe(self, since: float) -> None:
        now = self._clock.monotonic()  # what was ready to run at ``since`` runs now
        self.probe_at = now + PROBE_EVERY_S
        self.lag.note(now - since, now)

    def depth(self, now: float) -> int:
        """See `StandingDelay.depth`: of the worse of the two."""
        if not (self.turn.is_above or self.lag.is_above):
            return 0
        return max(self.turn.depth(now), self.lag.depth(now))

    def describe(self, now: float) -> str:
        """The worse of the two, for people."""
        is_lag = self.lag.depth(now) > self.turn.depth(now)
        what, delay = ("its event loop is late by", self.lag) if is_lag else ("the next in turn waits", self.turn)
        return f"{what} more than {delay.target_s:g} s, for {delay.above_s(now):.0f} s now"
