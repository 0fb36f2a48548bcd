"""How long runs take, learned from those that ended: what a wait is computed from."""

from __future__ import annotations

from typing import Final

MAX_KINDS: Final = 256
"""Kinds of run that are remembered; the one that was first is forgotten first."""
_MEMORY: Final = 20
"""Runs after which an older one counts for little."""


class _Mean:
    """A mean that follows: of the first runs the plain one, then an exponentially weighted one."""

    __slots__ = ("count", "value")

    def __init__(self) -> None:
        self.count = 0
        self.value = 0.0

    def add(self, value: float) -> None:
        self.count += self.count < _MEMORY
        self.value += (value - self.value) / self.count


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
