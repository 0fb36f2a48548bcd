"""The only source of wall time, monotonic time, randomness and ids; a simulator swaps it."""

from __future__ import annotations

import os
import random
import time
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u to misread
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class Clock(Protocol):
    """What the rest of Surefoot knows of time and chance."""

    def now(self) -> float:
        """Wall time, seconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; the zero is arbitrary. Comparable with ``loop.time()`` of the running loop."""
        ...

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...

    def token(self, prefix: str) -> str:
        """A new id, ``prefix_`` and 26 characters: 50 bits of time (so ids sort by age), 80 of chance."""
        ...


class SystemClock:
    """The machine's own clock and entropy."""

    def __init__(self) -> None:
        self.now = time.time
        self.monotonic = time.monotonic
        self.random = random.random

    def token(self, prefix: str) -> str:
        """See `Clock.token`; the random part comes from the operating system, so that ids cannot be guessed."""
        return encode_token(prefix, self.now(), int.from_bytes(os.urandom(10), "big"))


def encode_token(prefix: str, now_s: float, chance: int) -> str:
    """``prefix_`` and 26 base-32 digits of ``now_s`` (milliseconds, 50 bits) and ``chance`` (80 bits)."""
    ms, high, low = int(now_s * 1000), chance >> 40, chance & 0xFF_FFFF_FFFF
    at = _PAIRS  # spelled out, and on small numbers: a loop over one of 130 bits takes three times the instructions
    return (
        f"{prefix}_{at[ms >> 40 & 1023]}{at[ms >> 30 & 1023]}{at[ms >> 20 & 1023]}{at[ms >> 10 & 1023]}{at[ms & 1023]}"
        f"{at[high >> 30 & 1023]}{at[high >> 20 & 1023]}{at[high >> 10 & 1023]}{at[high & 1023]}"
        f"{at[low >> 30 & 1023]}{at[low >> 20 & 1023]}{at[low >> 10 & 1023]}{at[low & 1023]}"
    )
