"""Rates by the generic cell rate algorithm: one number for each key, no window that all wait for.

After ITU-T I.371 (2004), annex A, "virtual scheduling": a key has a theoretical arrival time (TAT), each admitted unit
moves it on by the emission interval ``per_s / limit``, and a unit is admitted while the TAT is at most the tolerance
ahead of now. Unlike a fixed window it admits no double burst at a window's edge, and the wait is exact.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_KEYS: Final = 100_000
"""Keys remembered by one `Gcra`, about 20 MB. Beyond them the one admitted longest ago is forgotten."""


class Gcra:
    """A rate by key: ``limit`` units in ``per_s`` seconds, ``burst`` of them at once."""

    __slots__ = ("_max_keys", "_tats", "_tolerance_s", "burst", "interval_s")

    def __init__(self, limit: float, per_s: float, burst: float | None = None, *, max_keys: int = MAX_KEYS) -> None:
        """``burst`` is ``limit`` if it is not given: all of a period's units may come at its beginning."""
        assert limit > 0, "a rate of nothing is a refusal"
        assert per_s > 0
        assert max_keys > 0
        self.interval_s = per_s / limit
        self.burst = limit if burst is None else burst
        assert self.burst >= 1, "otherwise nothing would ever be admitted"
        self._tolerance_s = self.interval_s * self.burst
        self._tats: OrderedDict[Hashable, float] = OrderedDict()
        self._max_keys = max_keys

    def wait_s(self, key: Hashable, now: float, cost: float = 1.0) -> float:
        """Seconds until ``cost`` units would be admitted, 0 for now; takes nothing.

        A cost beyond the burst is admitted when nothing is owed, and then owes for longer.
        """
        tat = self._tats.get(key, now)
        ahead = max(now, tat) + self.interval_s * min(cost, self.burst) - now
        return ahead - self._tolerance_s if ahead > self._tolerance_s * (1 + 1e-12) else 0.0

    def take(self, key: Hashable, now: float, cost: float = 1.0) -> float:
        """Admit ``cost`` units and give 0, or the seconds after which it is worth another try, and take nothing.

        A key whose TAT has passed owes nothing and is the same as one that is not remembered, so such keys make room
        first. If all that are remembered owe something the oldest is forgotten: it gains at most its burst.
        """
        tats = self._tats
        tat = tats.get(key, now)
        begin = tat if tat > now else now  # noqa: FURB136 - max() takes three times as long
        if begin > now or cost > 1:  # it owes something: a unit always fits in a burst
            wait_s = self.wait_s(key, now, cost)
            if wait_s > 0:
                return wait_s
        tats[key] = begin + self.interval_s * cost
        tats.move_to_end(key)
        while len(tats) > 1:
            oldest = next(iter(tats))
            if len(tats) <= self._max_keys and tats[oldest] > now:
                break
            del tats[oldest]
        return 0.0

    def give_back(self, key: Hashable, cost: float) -> None:
        """Units that were taken and not used."""
        tat = self._tats.get(key)
        if tat is not None:
            self._tats[key] = tat - self.interval_s * cost

    def __len__(self) -> int:
        return len(self._tats)
