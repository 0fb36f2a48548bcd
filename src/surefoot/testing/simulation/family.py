"""The accounts of runs: what each has used of its own limits, with all runs that its tools have begun.

Counted at the provider and at the tools. A run's own account is always ahead of that: it reserves before a call goes,
and settles after it is back.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.budget.limits import INFINITE
from surefoot.testing.simulation.ask import Ask
from surefoot.testing.simulation.pacing import Trip

Wrong = tuple[str, str]
"""A broken promise, and how it was broken."""

RIGHT: Final[Wrong] = "", ""
SLACK_S: Final = 0.01
"""Rounding of sums of seconds."""


class Purse(Struct):
    """What a run has used, with those below it.

    Attributes:
        tokens: Charged, and held for calls that are out.
        nano: Nano-dollars likewise.
        overrun: Tokens and nano-dollars charged beyond what was held.
        steps: Steps begun.
        model_calls: Wire attempts.
        tool_calls: Tool calls.
    """

    tokens: int = 0
    nano: int = 0
    overrun: tuple[int, int] = (0, 0)
    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0


class Family:
    """The purses of all runs."""

    def __init__(self) -> None:
        self._purses: dict[str, Purse] = {}

    def begin(self, trip: Trip, *, begins_step: bool, now: float) -> Wrong:
        """A call goes; what is wrong with that."""
        wrong = RIGHT
        for ask in trip.ask.lineage:
            purse = self._purses.setdefault(ask.key, Purse())
            purse.tokens += trip.tokens
            purse.nano += trip.nano
            purse.model_calls += 1
            purse.steps += begins_step
            wrong = self._check(ask, purse) if wrong is RIGHT else wrong
        return self._check_time(trip.ask, now) if wrong is RIGHT else wrong

    def end(self, trip: Trip) -> None:
        """It is back."""
        tokens, nano = trip.charged
        for ask in trip.ask.lineage:
            purse = self._purses[ask.key]
            more = tokens - trip.tokens, nano - trip.nano
            purse.tokens += more[0]
            purse.nano += more[1]
            purse.overrun = purse.overrun[0] + max(0, more[0]), purse.overrun[1] + max(0, more[1])

    def use_tool(self, ask: Ask, now: float) -> Wrong:
        """A tool runs; what is wrong with that."""
        wrong = RIGHT
        for one in ask.lineage:
            purse = self._purses.setdefault(one.key, Purse())
            purse.tool_calls += 1
            wrong = self._check(one, purse) if wrong is RIGHT else wrong
        return self._check_time(ask, now) if wrong is RIGHT else wrong

    def steps(self, ask: Ask) -> int:
        """Steps that a run has taken, with those below it."""
        purse = self._purses.get(ask.key)
        return 0 if purse is None else purse.steps

    @staticmethod
    def _check(ask: Ask, purse: Purse) -> Wrong:
        amounts = ask.limits.amounts()
        used = {
            "tokens": purse.tokens - purse.overrun[0],
            "usd": purse.nano - purse.overrun[1],
            "steps": purse.steps,
            "model_calls": purse.model_calls,
            "tool_calls": purse.tool_calls,
        }
        for name, amount in used.items():
            limit = amounts.get(name, INFINITE)
            if amount > limit:
                return "B6", f"run of request {ask.key} has used {amount:,} {name} with those below it, of {limit:,}"
        return RIGHT

    @staticmethod
    def _check_time(ask: Ask, now: float) -> Wrong:
        for one in ask.lineage:
            late_s = now - one.began_s - one.limits.amounts().get("seconds", INFINITE)
            if late_s > SLACK_S:
                return "R4", f"run of request {one.key} goes on {late_s:.3f} s after its time"
        return RIGHT
