"""What the process itself feels under load: delay of the event loop, memory."""

from __future__ import annotations

import asyncio
import resource
from array import array
from typing import Final, Self

from msgspec import Struct

from surefoot.resident import resident_mb

TICK_S: Final = 0.01
MOST_TICKS: Final = 1_000_000
"""Of a longer test every second tick is kept, then every fourth, and so on."""
MOST_SAMPLES: Final = 600


def cpu_s() -> float:
    """User and system time of all threads of this process, seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class LoopLag:
    """How late the event loop is: a timer is due every `TICK_S`, and each tick says by how much it came too late.

    A loop that stands still for half a second would give one late tick where fifty were due. Those that were missed
    are counted with the delay that each of them would have had, so that a percentile is a share of time, not of ticks.

    Attributes:
        lags_s: The delays, seconds.
    """

    def __init__(self, tick_s: float = TICK_S, *, most: int = MOST_TICKS) -> None:
        self._most = most
        self.lags_s = array("d")
        self._tick_s = tick_s
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0
        self._kept_of = 1

    def __enter__(self) -> Self:
        """Begin on the running event loop."""
        self._schedule(asyncio.get_running_loop())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        assert self._timer is not None, "entered before"
        self._timer.cancel()
        self._timer = None

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_s = loop.time() + self._tick_s
        self._timer = loop.call_at(self._due_s, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        lag_s = max(0.0, loop.time() - self._due_s)
        while lag_s >= 0:
            self._note(lag_s)
            lag_s -= self._tick_s
        self._schedule(loop)

    def _note(self, lag_s: float) -> None:
        self._seen += 1
        if self._seen % self._kept_of:
            return
        self.lags_s.append(lag_s)
        if len(self.lags_s) >= self._most:
            self.lags_s = self.lags_s[::2]
            self._kept_of *= 2


class Sample(Struct, frozen=True, gc=False):
    """A look at the process.

    Attributes:
        at_s: Seconds from the beginning.
        under_way: Requests sent and not ended.
        memory_mb: Resident memory, 10⁶ bytes.
    """

    at_s: float
    under_way: int
    memory_mb: float


class Gauges:
    """All of them, while a test runs.

    Attributes:
        lag: How late the event loop is.
        samples: Looks at the process; at most ``most``, then every second one is dropped.
        begin_mb: Resident memory at the beginning.
        peak_mb: The most there was of it.
        used_cpu_s: CPU time of the process so far, seconds.
    """

    def __init__(self, *, most: int = MOST_SAMPLES) -> None:
        self._most = most
        self.lag = LoopLag()
        self.samples: list[Sample] = []
        self.begin_mb = self.peak_mb = resident_mb()
        self._begin_cpu_s = cpu_s()
        self.used_cpu_s = 0.0
        self._calls = 0
        self._kept_of = 1

    def look(self, at_s: float, under_way: int) -> None:
        """Take a sample."""
        memory_mb = resident_mb()
        self.peak_mb = max(self.peak_mb, memory_mb)
        self.used_cpu_s = cpu_s() - self._begin_cpu_s
        self._calls += 1
        if self._calls % self._kept_of:
            return
        self.samples.append(Sample(at_s, under_way, memory_mb))
        if len(self.samples) >= self._most:
            self.samples = self.samples[::2]
            self._kept_of *= 2
