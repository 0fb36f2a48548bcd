"""What an account takes and gives: a hold before a call, a charge after it, a shortage where nothing fits."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.types import Usage

MAX_CALL_TOKENS: Final = 1 << 32
"""A power of two far above what any call can use: sums of what is below fit the 64 bits of a database column."""
MIN_STEP_TOKENS: Final = 64
"""Fewest output tokens worth an ordinary step: about one tool call."""
MIN_FINAL_TOKENS: Final = 16
"""Fewest output tokens worth a last answer."""


class Hold(Struct, frozen=True, gc=False):
    """What one wire attempt may cost at most.

    Attributes:
        number: Number of the hold within the run, from 1.
        max_tokens: What the provider is told not to exceed.
        tokens: Input bound plus ``max_tokens``.
        nano: Worst case in nano-dollars.
    """

    number: int
    max_tokens: int
    tokens: int
    nano: int


class Shortage(Struct, frozen=True):
    """Why a hold does not fit.

    Attributes:
        limit: Name of the limit.
        message: One line for a person.
    """

    limit: str
    message: str


class Fit(Struct, frozen=True, gc=False):
    """Output tokens that fit, and the limit that lowered them, "" if none did."""

    max_tokens: int
    limit: str = ""


class Charge(Struct, frozen=True, gc=False):
    """What a call cost in the end.

    Attributes:
        tokens: Tokens charged.
        nano: Nano-dollars charged.
        overrun: Whether the provider charged more than the hold.
    """

    tokens: int
    nano: int
    overrun: bool = False


class Warned(Struct, frozen=True):
    """A limit that passed ``warn_at``: its name, what is used and the limit itself (nano-dollars for ``usd``)."""

    limit: str
    used: float
    of: float


def is_plausible(usage: Usage) -> bool:
    """Whether a provider can have meant these counts; below zero, or beyond `MAX_CALL_TOKENS`, they are none."""
    kinds = usage.input_tokens | usage.output_tokens | usage.cache_read_tokens | usage.cache_write_tokens
    kinds |= usage.reasoning_tokens | usage.cache_write_1h_tokens | usage.audio_input_tokens | usage.audio_output_tokens
    return 0 <= kinds < MAX_CALL_TOKENS  # negative if one of them is
