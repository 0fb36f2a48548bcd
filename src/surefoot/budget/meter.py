"""What a run has used of its limits, and which of them it is about to reach."""

from __future__ import annotations

import math

from surefoot.budget.holds import Warned
from surefoot.budget.limits import LIMITED, Limits


class Meter:
    """Counts of one run beside its limits.

    Attributes:
        limits: The limits.
        spent_tokens: Tokens charged.
        spent_nano: Nano-dollars charged.
        overrun_tokens: Tokens charged beyond a hold.
        overrun_nano: Nano-dollars charged beyond a hold.
        steps: Steps begun.
        model_calls: Wire attempts made.
        tool_calls: Tool calls made.
        max_tool_calls: Tool calls that may be made.
    """

    __slots__ = (
        "_amounts", "_marks", "_max_calls", "_max_nano", "_max_steps", "_max_tokens", "_reserved_nano",
        "_reserved_tokens", "_started", "limits", "max_tool_calls", "model_calls", "overrun_nano", "overrun_tokens",
        "spent_nano", "spent_tokens", "steps", "tool_calls",
    )  # fmt: skip

    spent_tokens: int
    spent_nano: int
    overrun_tokens: int
    overrun_nano: int
    steps: int
    model_calls: int
    tool_calls: int

    def __init__(self, limits: Limits, started: float) -> None:
        """Begin with nothing used, at monotonic second ``started``."""
        self.limits = limits
        self._started = started
        self._amounts = limits.amounts()
        self._marks = limits.marks()
        self.spent_tokens = self.spent_nano = self.overrun_tokens = self.overrun_nano = 0
        self.steps = self.model_calls = self.tool_calls = 0
        self._reserved_tokens = self._reserved_nano = 0  # held for calls in flight
        most = limits.ceilings()
        self._max_tokens, self._max_nano, self._max_steps, self._max_calls, self.max_tool_calls = most

    def has_plenty(self, tokens: int, nano: int) -> bool:
        """Whether a step of so many tokens and nano-dollars leaves more than one further step, call and tool call."""
        return (
            self.steps + 1 < self._max_steps
            and self.model_calls + 1 < self._max_calls
            and self.tool_calls < self.max_tool_calls
            and self.spent_tokens + self._reserved_tokens + tokens <= self._max_tokens
            and self.spent_nano + self._reserved_nano + nano <= self._max_nano
        )

    def warnings(self, now: float) -> list[Warned]:
        """The limits that passed ``warn_at`` since the last call; each is told once."""
        tokens, nano, steps, model_calls, tool_calls, seconds = self._marks
        if (
            self.spent_tokens < tokens
            and self.spent_nano < nano
            and self.steps < steps
            and self.model_calls < model_calls
            and self.tool_calls < tool_calls
            and now - self._started < seconds
        ):
            return []
        marks = list(zip(LIMITED, self._marks, strict=True))
        used = self._used(now)
        crossed = [name for name, mark in marks if used[name] >= mark]
        self._marks = tuple([math.inf if name in crossed else mark for name, mark in marks])
        return [Warned(name, used[name], self._amounts[name]) for name in crossed]

    @property
    def reserved(self) -> tuple[int, int]:
        """Tokens and nano-dollars held for calls in flight."""
        return self._reserved_tokens, self._reserved_nano

    def shares_used(self, now: float) -> dict[str, float]:
        """Used share (0 to 1, more after an overrun) of each limit that is not `UNLIMITED`."""
        shares = self._used(now)
        for name, of in self._amounts.items():
            shares[name] /= of
        return shares if len(shares) == len(self._amounts) else {name: shares[name] for name in self._amounts}

    def _used(self, now: float) -> dict[str, float]:
        return {
            "tokens": self.spent_tokens,
            "usd": self.spent_nano,
            "steps": self.steps,
            "model_calls": self.model_calls,
            "tool_calls": self.tool_calls,
            "seconds": now - self._started,
        }
