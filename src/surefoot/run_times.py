"""How long runs take, learned from those that ended: what a wait is computed from."""

from __future__ import annotations

import math
from typing import Final

MAX_KINDS: Final = 256
"""Kinds of run that are remembered; the one that was first is forgotten first."""
_MEMORY: Final = 20
"""Runs after which an older one counts for little."""
_SURE: Final = 2.0
"""Standard errors from a mean to what it is at least, in about 97 of 100 cases."""


class _Mean:
    """A mean that follows: of the first runs the plain one, then an exponentially weighted one.

    The variance as well: West, "Updating Mean and Variance Estimates", CACM 22, 1979.
    """

    __slots__ = ("count", "value", "variance")

    def __init__(self) -> None:
        self.count = 0
        self.value = 0.0
        self.variance = 0.0

    def add(self, value: float) -> None:
        self.count += self.count < _MEMORY
        off = value - self.value
        step = off / self.count
        self.value += step
        self.variance = (1 - 1 / self.count) * (self.variance + off * step)


class RunTimes:
    """Run times in seconds, of all runs and by kind."""

    __slots__ = ("_all", "_kinds")

    def __init__(self) -> None:
        self._all = _Mean()
        self._kinds: dict[str, _Mean] = {}

    @property
    def known(self) -> bool:
        """Whether any run has ended: before that nothing is refused on a guess."""
        return self._all.count > 0

    @property
    def mean_s(self) -> float:
        """Of all kinds as they come: how long a slot is taken. 0 while nothing is known."""
        return self._all.value

    @property
    def least_s(self) -> float:
        """What `mean_s` is at least, with some certainty: 0 after one run, little if they differ much."""
        runs = self._all
        if runs.count < 2:
            return 0.0
        return max(0.0, runs.value - _SURE * math.sqrt(runs.variance / (runs.count - 1)))

    def typical_s(self, kind: str) -> float:
        """Of one kind of run; 0 while nothing is known of it."""
        mean = self._kinds.get(kind)
        return 0.0 if mean is None else mean.value

    def add(self, kind: str, run_s: float) -> None:
        """A run has ended."""
        self._all.add(run_s)
        mean = self._kinds.get(kind)
        if mean is None:
            if len(self._kinds) >= MAX_KINDS:
                del self._kinds[next(iter(self._kinds))]
            mean = self._kinds[kind] = _Mean()
        mean.add(run_s)
