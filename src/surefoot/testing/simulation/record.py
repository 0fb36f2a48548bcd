"""The record of a simulation's course: what happened, how often, and which promises were broken."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import Final

from surefoot.clock import Clock
from surefoot.testing.simulation.ask import Breach

MAX_TRACE: Final = 400
"""Last events of the trace that are kept to be read."""


class Record:
    """What is written down of a course.

    Attributes:
        breaches: What was broken, the first first.
        failed: Done at the first breach.
        events: How many there were.
        covered: What has happened, and how often.
    """

    def __init__(self, clock: Clock) -> None:
        self.breaches: list[Breach] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self.covered: Counter[str] = Counter()
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=16)
        self._trace: list[str] = []

    @property
    def trace_hash(self) -> str:
        """Names the whole course of the simulation."""
        return self._hash.hexdigest()

    @property
    def trace(self) -> list[str]:
        """The last events, to be read."""
        return self._trace[-MAX_TRACE:]

    def note(self, *what: object) -> None:
        """An event of the course."""
        self.events += 1
        line = f"{self._clock.monotonic():.6f} {' '.join(map(str, what))}"
        self._hash.update(line.encode())
        self._trace.append(line)
        if len(self._trace) > 2 * MAX_TRACE:
            del self._trace[:MAX_TRACE]

    def cover(self, what: str) -> None:
        """Something has happened of which the report says how often it did."""
        self.covered[what] += 1

    def breach(self, promise: str, message: str) -> None:
        """A promise is broken."""
        self.breaches.append(Breach(promise, self._clock.monotonic(), message))
        self.note("BROKEN", promise, message)
        if not self.failed.done():
            self.failed.set_result(None)
