"""Python's garbage collector, kept from standing in the way of thousands of runs; one `Calm` for the process.

A full collection walks every object of every run under way, and the event loop stands still for as long: 60 to 260 ms
with 5,000 runs (measured with ``bench/scale.py`` on CPython 3.11). By Python's own rule one comes whenever the heap has
grown by a quarter. A run leaves no cycle behind, so that no memory of ours waits for one; but tools and libraries may
leave some, so that they do come: seldom, and sooner when memory grows.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Final

from surefoot.clock import SystemClock
from surefoot.resident import resident_mb

HELD: Final = 1_000_000
"""As many collections of the middle generation that no full one comes."""
APART_S: Final = 30.0
"""Least time between two full collections, ..."""
SHARE: Final = 200
"""... and after one that took long, so many times as long: they take half a per cent of the time at most."""
MANY: Final = 1_000
"""A collection that frees so many objects shows that somebody leaves cycles: ..."""
SOONER: Final = 10
"""... the next comes so many times sooner."""
GROWTH_MB: Final = 512
"""When the process takes so much more memory than after the last one, the next does not wait for its time."""


class Calm:
    """Full collections are rare from the first `begin` to the last `end`; costs nothing but a few attributes each.

    Args:
        monotonic: Seconds that never go back.
        memory: See `resident_mb`.
    """

    def __init__(self, monotonic: Callable[[], float], memory: Callable[[], float] = resident_mb) -> None:
        self._monotonic, self._memory = monotonic, memory
        self._lock = threading.Lock()  # runtimes live in event loops, and these in threads
        self._wanted = 0
        self._found = self._set = (0, 0, 0)
        self._began_s: float | None = None
        # What is known of the last full collection outlives the runtimes: a program that opens one for each run
        # would otherwise begin to wait anew with each.
        self._next_s: float | None = None
        self._after_mb = 0.0

    def begin(self) -> None:
        """Somebody wants collections calm. One that its program has switched off stays off."""
        with self._lock:
            self._wanted += 1
            if self._wanted > 1:
                return
            self._found = self._set = gc.get_threshold()
            if self._next_s is None:
                self._next_s, self._after_mb = self._monotonic() + APART_S, self._memory()
            if self._found[0]:
                self._put(HELD)
                gc.callbacks.append(self.notice)

    def end(self) -> None:
        """Undo one `begin`; the last leaves the collector as it was found, unless others have changed it meanwhile."""
        with self._lock:
            self._wanted -= 1
            assert self._wanted >= 0, "it was asked for"
            if self._wanted or not self._found[0]:
                return
            gc.callbacks.remove(self.notice)
            self._put(self._found[2])

    def notice(self, phase: str, info: dict[str, int]) -> None:
        """Called by the collector before and after each collection, in whatever thread has caused it."""
        generation = info["generation"]
        if not generation or not self._lock.acquire(blocking=False):  # this very thread may hold it
            return
        try:
            if generation == 2:
                self._time_full(phase, info["collected"])
            elif phase == "stop" and self._is_due():
                self._put(0)  # whether one is worth its while is for Python's own rule to say
        finally:
            self._lock.release()

    def _time_full(self, phase: str, freed: int) -> None:
        now = self._monotonic()
        if phase == "start":
            self._began_s = now
        elif self._began_s is not None:
            wait_s = max(APART_S, (now - self._began_s) * SHARE)
            self._next_s = now + (wait_s if freed < MANY else wait_s / SOONER)
            self._after_mb, self._began_s = self._memory(), None
            self._put(HELD)

    def _is_due(self) -> bool:
        assert self._next_s is not None, "begun before"
        return self._monotonic() >= self._next_s or self._memory() >= self._after_mb + GROWTH_MB

    def _put(self, oldest: int) -> None:
        """So many collections of the middle generation to a full one; the younger stay as they were found."""
        if gc.get_threshold() == self._set:  # else whoever has changed it knows why
            young, middle, _ = self._found
            gc.set_threshold(young, middle, oldest)
            self._set = young, middle, oldest


OF_THE_PROCESS: Final = Calm(SystemClock().monotonic)
