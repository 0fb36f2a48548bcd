"""The limits of a simulated provider, and what its headers say of them: the truth, or a lie."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from surefoot.models.rate_hint import RateHint, Said
from surefoot.testing.chance import Random

MINUTE_S: Final = 60.0
HOLDS_S: Final = 10.0
"""As much as flows in within this time may go at once."""
_MOST: Final = 10**15 - 1
_NONSENSE: Final = (
    None,
    Said(1, 0, "24h"),
    Said(3, 0, "99999999999h"),
    Said(60, 0),
    Said(60, 600, "-5s"),
    Said(_MOST, _MOST, "0s"),
    Said(_MOST, 0, "soon"),
    Said(120, 1, "nan"),
)


class Allowance:
    """So much a minute, and what flows in within `HOLDS_S` at once."""

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._size = max(1.0, per_minute * HOLDS_S / MINUTE_S)
        self._level = self._size
        self._at_s = 0.0

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there; nothing is taken."""
        self._level = min(self._size, self._level + (now - self._at_s) * self.per_minute / MINUTE_S)
        self._at_s = now
        return max(0.0, (min(amount, self._size) - self._level) * MINUTE_S / self.per_minute)

    def take(self, amount: float) -> None:
        """So much goes."""
        self._level -= amount

    def say(self, now: float) -> Said:
        """What the headers say now."""
        self.wait_s(0, now)
        reset_s = (self._size - self._level) * MINUTE_S / self.per_minute
        return Said(int(self.per_minute), max(0, int(self._level)), f"{max(0.0, reset_s):.3f}s")


class Allowances:
    """The limits of one provider; 0 for none."""

    def __init__(self, rpm: float, tpm: float) -> None:
        self._requests = Allowance(rpm) if rpm else None
        self._tokens = Allowance(tpm) if tpm else None

    def admit(self, tokens: int, now: float) -> float:
        """Take room for a request of so many tokens, and give 0; or the seconds until there is room."""
        pairs = [(one, amount) for one, amount in ((self._requests, 1), (self._tokens, tokens)) if one is not None]
        wait_s = max([one.wait_s(amount, now) for one, amount in pairs], default=0.0)
        if wait_s <= 0:
            for one, amount in pairs:
                one.take(amount)
        return wait_s

    def say(self, now: float) -> RateHint | None:
        """What the headers say now, None for nothing."""
        if self._requests is None and self._tokens is None:
            return None
        return RateHint(*[None if one is None else one.say(now) for one in (self._requests, self._tokens)])


def lie(chance: Random, truth: RateHint | None) -> RateHint:
    """What a broken or hostile gateway may say instead of the truth: that nothing is left, or nonsense."""
    if truth is not None and truth.requests is not None and chance.random() < 0.5:
        return RateHint(replace(truth.requests, left=0))
    said = [chance.choice(_NONSENSE) for _ in range(2)]
    return RateHint(*said)
