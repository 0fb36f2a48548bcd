"""Rates as a provider limits them: requests and tokens a minute, in buckets that fill all the time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.errors import ConfigError
from surefoot.types import UNLIMITED, Unlimited

_MINUTE_S: Final = 60.0


class Bucket:
    """A token bucket.

    Args:
        per_minute: How much flows in within a minute.
        burst_s: The bucket holds what flows in within this time; it begins full.
    """

    def __init__(self, per_minute: int, burst_s: float) -> None:
        self.limit = per_minute
        self._rate = per_minute / _MINUTE_S
        self._capacity = max(1.0, self._rate * burst_s)
        self._level = self._capacity
        self._at_s: float | None = None

    def fill(self, now_s: float) -> None:
        """Let flow in what is due at ``now_s``, seconds on any clock that does not go back."""
        if self._at_s is not None:
            self._level = min(self._capacity, self._level + (now_s - self._at_s) * self._rate)
        self._at_s = now_s

    def take(self, amount: int) -> None:
        """Take out ``amount``, below zero if need be."""
        self._level -= amount

    @property
    def left(self) -> int:
        """How much may be taken now."""
        return max(0, int(self._level))

    @property
    def reset_s(self) -> float:
        """Seconds until the bucket is full again."""
        return (self._capacity - self._level) / self._rate

    def wait_s(self, amount: int) -> float:
        """Seconds until ``amount`` may be taken, 0 for now. An amount above the capacity waits for a full bucket."""
        missing = min(float(amount), self._capacity) - self._level
        return max(0.0, missing / self._rate)


class Pace(Struct, frozen=True):
    """Both buckets of an API key; None for an unlimited one."""

    requests: Bucket | None
    tokens: Bucket | None

    @classmethod
    def build(cls, rpm: int | Unlimited, tpm: int | Unlimited, burst_s: float) -> Pace:
        """Buckets for requests and tokens a minute.

        Raises:
            ConfigError: A rate or a burst that is not above zero.
        """
        for name, value in (("rpm", rpm), ("tpm", tpm), ("burst_s", burst_s)):
            if value is not UNLIMITED and not value > 0:
                raise ConfigError(f"{name}={value!r} must be above zero; write UNLIMITED for no limit")
        return cls(*[None if isinstance(rate, Unlimited) else Bucket(rate, burst_s) for rate in (rpm, tpm)])

    def wait_s(self, tokens: int, now_s: float) -> float:
        """Seconds until a request of at most ``tokens`` is welcome, 0 for now."""
        wait_s = 0.0
        for bucket, amount in ((self.requests, 1), (self.tokens, tokens)):
            if bucket is not None:
                bucket.fill(now_s)
                wait_s = max(wait_s, bucket.wait_s(amount))
        return wait_s

    def take(self, tokens: int) -> None:
        """Count a request that was let in, with the tokens it came to."""
        if self.requests is not None:
            self.requests.take(1)
        if self.tokens is not None:
            self.tokens.take(tokens)
