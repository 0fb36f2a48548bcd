"""The account of one run: reserve the worst case before a call, settle what it cost after.

At every instant ``spent + reserved <= limit + overrun`` for tokens and for nano-dollars; ``overrun`` stays 0 while the
provider honours ``max_tokens`` and its prompt count stays within the bound.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from msgspec import Struct

from surefoot.budget.limits import INFINITE, LIMITED, Limits
from surefoot.budget.rates import Rates, cost
from surefoot.errors import BudgetExceeded
from surefoot.types import UNLIMITED, Money, Usage

MIN_STEP_TOKENS: Final = 64
"""Fewest output tokens worth an ordinary step: about one tool call."""
MIN_FINAL_TOKENS: Final = 16
"""Fewest output tokens worth a last answer."""
FINAL_TOKENS: Final = 256
"""Output tokens kept for the last answer."""
NUDGE_TOKENS: Final = 320
"""Input tokens kept for the message that asks for the last answer: the bytes of its text and framing."""
FINAL_TIME_SHARE: Final = 0.15
"""Share of ``seconds`` kept for the last answer: no ordinary step begins within it."""
MAX_CALL_TOKENS: Final = 1 << 32
"""A power of two far above what any call can use: sums of what is below fit the 64 bits of a database column."""
_MILLION: Final = 1_000_000


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
    return 0 <= kinds < MAX_CALL_TOKENS  # negative if one of them is


@lru_cache(maxsize=256)
def _find_marks(limits: Limits) -> tuple[float, ...]:
    """What is told as a warning when it is used, in the order of `LIMITED`; infinite where there is no limit."""
    return tuple([limits.amounts().get(name, math.inf) * limits.warn_at for name in LIMITED])


class Account:
    """The account of one run. One task uses it; every method is immediate.

    Attributes:
        spent_tokens: Tokens charged.
        spent_nano: Nano-dollars charged.
        steps: Steps begun.
        model_calls: Wire attempts made.
        tool_calls: Tool calls made.
        deadline: Monotonic seconds at which whatever is in flight is cancelled.
    """

    __slots__ = (
        "_amounts", "_marks", "_max_calls", "_max_nano", "_max_steps", "_max_tokens", "_reserved_nano",
        "_reserved_tokens", "_soft_deadline", "_started", "deadline", "input_rate", "limits", "max_tool_calls",
        "model_calls", "output_rate", "overrun_nano", "overrun_tokens", "rates", "spent_nano", "spent_tokens",
        "steps", "tool_calls",
    )  # fmt: skip

    def __init__(self, limits: Limits, rates: Rates | None, started: float) -> None:
        """Open an account.

        Args:
            limits: The limits.
            rates: Price of the model, None when it is unknown (the caller has made sure that there is no USD limit).
            started: Monotonic seconds at which the run began.
        """
        self.limits = limits
        self.rates = rates
        if rates is not None and rates.tiers and limits.tokens is not UNLIMITED:
            rates = rates.within(limits.tokens)  # no prompt of this run can reach a dearer tier
        self.input_rate, self.output_rate = (rates.dearest_input, rates.dearest_output) if rates else (0, 0)
        self._amounts = limits.amounts()
        most = limits.ceilings()
        self._max_tokens, self._max_nano, self._max_steps, self._max_calls, self.max_tool_calls = most
        seconds = self._amounts.get("seconds", INFINITE)
        self._started = started
        self.deadline = started + seconds
        self._soft_deadline = started + seconds * (1 - FINAL_TIME_SHARE)
        self.spent_tokens = self.spent_nano = self.overrun_tokens = self.overrun_nano = 0
        self._reserved_tokens = self._reserved_nano = 0
        self.steps = self.model_calls = self.tool_calls = 0
        self._marks = _find_marks(limits)

    def last_step(self, now: float) -> Shortage | None:
        """Which limit makes the next step the last one, None if none does.

        With ``on_limit="finish"`` the last step and the last model call are kept for the answer, and so is the last
        part of the time; with ``on_limit="raise"`` nothing is kept.
        """
        limits = self.limits
        kept = limits.on_limit == "finish"
        if self.steps >= self._max_steps - kept:
            last = f"step {self.steps + 1} of {limits.steps} is kept for the answer"
            return Shortage("steps", last if kept else f"all {limits.steps} steps are used")
        if kept and self.tool_calls >= self.max_tool_calls:
            return Shortage("tool_calls", f"all {limits.tool_calls} tool calls are used")
        if self.model_calls >= self._max_calls - kept or now >= (self._soft_deadline if kept else self.deadline):
            return self._call_shortage(now, kept=kept)
        return None

    def tool_shortage(self, count: int) -> Shortage | None:
        """Whether so many more tool calls are more than ``on_limit="raise"`` allows; otherwise the rest is refused."""
        if self.tool_calls + count <= self.max_tool_calls or self.limits.on_limit == "finish":
            return None
        text = f"{self.tool_calls} of {self.limits.tool_calls} tool calls are used, and the model asks for {count}"
        return Shortage("tool_calls", text)

    def fit(self, input_bound: int, want: int, *, final: bool, now: float) -> Fit | Shortage:
        """How many output tokens fit a call, ``want`` at most. Reserves nothing.

        An ordinary step leaves room for a last answer: a model call, `FINAL_TIME_SHARE` of the time, the same prompt
        once more, `NUDGE_TOKENS` and `FINAL_TOKENS`.

        Args:
            input_bound: Upper bound of the prompt's tokens.
            want: Output tokens wished for.
            final: The call may use what is kept for the last answer.
            now: Monotonic seconds.
        """
        kept = not final
        if self.model_calls >= self._max_calls - kept or now >= (self._soft_deadline if kept else self.deadline):
            return self._call_shortage(now, kept=kept)
        room = self._max_tokens - self.spent_tokens - self._reserved_tokens - input_bound
        room_nano = (self._max_nano - self.spent_nano - self._reserved_nano) * _MILLION - input_bound * self.input_rate
        if not final:
            again = input_bound + NUDGE_TOKENS
            room -= again + FINAL_TOKENS
            # each of the two holds rounds up by itself, hence the extra nano-dollar
            room_nano -= again * self.input_rate + FINAL_TOKENS * self.output_rate + _MILLION
        if room >= want and room_nano >= want * self.output_rate:
            return Fit(want)
        least = min(want, MIN_FINAL_TOKENS if final else MIN_STEP_TOKENS)
        dear = room_nano // self.output_rate if self.output_rate else (room if room_nano >= 0 else -1)
        fits = min(room, dear)
        if fits < least:
            return self._shortage(input_bound, least, by_tokens=room < least, final=final)
        return Fit(fits, "tokens" if room <= dear else "usd")

    def reserve(self, input_bound: int, max_tokens: int) -> Hold:
        """Take the worst case of one attempt, as `fit` has found it to fit.

        Raises:
            BudgetExceeded: It does not fit; nothing is reserved.
        """
        tokens = input_bound + max_tokens
        nano = -(-(input_bound * self.input_rate + max_tokens * self.output_rate) // _MILLION)
        reserved_tokens, reserved_nano = self._reserved_tokens + tokens, self._reserved_nano + nano
        if self.spent_tokens + reserved_tokens > self._max_tokens:
            raise BudgetExceeded(f"{tokens} tokens do not fit what is left", limit="tokens")
        if self.spent_nano + reserved_nano > self._max_nano:
            raise BudgetExceeded(f"{Money(nano)} does not fit what is left", limit="usd")
        self.model_calls += 1
        self._reserved_tokens, self._reserved_nano = reserved_tokens, reserved_nano
        return Hold(self.model_calls, max_tokens, tokens, nano)

    def room_for_text(self, input_bound: int) -> int:
        """Bytes of text that may join a prompt of ``input_bound`` tokens so that a last answer still fits."""
        input_bound += NUDGE_TOKENS
        room = self._max_tokens - self.spent_tokens - self._reserved_tokens - input_bound - FINAL_TOKENS
        if self.input_rate:
            nano = (self._max_nano - self.spent_nano - self._reserved_nano) * _MILLION
            nano -= input_bound * self.input_rate + FINAL_TOKENS * self.output_rate
            dear = nano // self.input_rate
            if dear < room:  # noqa: PLR1730 - min() takes 800 instructions
                room = dear
        return room

    def settle(self, hold: Hold, usage: Usage | None) -> Charge:
        """Replace a hold by what the provider reported; the full hold where it reported nothing."""
        self._reserved_tokens -= hold.tokens
        self._reserved_nano -= hold.nano
        if usage is None:
            charge = Charge(hold.tokens, hold.nano)
        else:
            tokens = usage.input_tokens + usage.output_tokens
            nano = cost(self.rates, usage) if self.rates else 0
            overrun = tokens > hold.tokens or nano > hold.nano
            if overrun:
                self.overrun_tokens += max(0, tokens - hold.tokens)
                self.overrun_nano += max(0, nano - hold.nano)
            charge = Charge(tokens, nano, overrun)
        self.spent_tokens += charge.tokens
        self.spent_nano += charge.nano
        return charge

    def release(self, hold: Hold) -> Charge:
        """Give a hold back: nothing can have been billed."""
        self._reserved_tokens -= hold.tokens
        self._reserved_nano -= hold.nano
        return Charge(0, 0)

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

    def shares_used(self, now: float) -> dict[str, float]:
        """Used share (0 to 1, more after an overrun) of each limit that is not `UNLIMITED`."""
        used = self._used(now)
        return {name: used[name] / of for name, of in self._amounts.items()}

    @property
    def reserved(self) -> tuple[int, int]:
        """Tokens and nano-dollars held for calls in flight."""
        return self._reserved_tokens, self._reserved_nano

    def _used(self, now: float) -> dict[str, float]:
        return {
            "tokens": self.spent_tokens,
            "usd": self.spent_nano,
            "steps": self.steps,
            "model_calls": self.model_calls,
            "tool_calls": self.tool_calls,
            "seconds": now - self._started,
        }

    def _call_shortage(self, now: float, *, kept: bool) -> Shortage:
        limits = self.limits
        if self.model_calls >= self._max_calls - kept:
            used = self.model_calls >= self._max_calls
            last = f"model call {self.model_calls + 1} of {limits.model_calls} is kept for the answer"
            return Shortage("model_calls", f"all {limits.model_calls} model calls are used" if used else last)
        left = self.deadline - now
        text = f"{left:.1f} of {limits.seconds} s are left" if left > 0 else f"the {limits.seconds} s are over"
        return Shortage("seconds", text)

    def _shortage(self, input_bound: int, least: int, *, by_tokens: bool, final: bool) -> Shortage:
        limits = self.limits
        if by_tokens:
            left = self._max_tokens - self.spent_tokens - self._reserved_tokens
            what = (
                f"a prompt of up to {input_bound}" if final else f"two prompts of up to {input_bound}, the last kept,"
            )
            fit = "does not fit" if final else "do not fit"
            return Shortage("tokens", f"{left} of {limits.tokens} tokens are left; {what} {fit}")
        left = Money(self._max_nano - self.spent_nano - self._reserved_nano)
        worst = Money(-(-(input_bound * self.input_rate + least * self.output_rate) // _MILLION))
        after = "" if final else ", and a last answer is kept"
        return Shortage("usd", f"{left} of {limits.nano} is left; the next call may cost {worst}{after}")
