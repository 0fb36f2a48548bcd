"""The account of one run: reserve the worst case before a call, settle what it cost after.

At every instant ``spent + reserved <= limit + overrun`` for tokens and for nano-dollars; ``overrun`` stays 0 while the
provider honours ``max_tokens`` and its prompt count stays within the bound.

The account of a run that another run began stands below that run's: whatever it uses is used of both, and of all above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from surefoot.budget.holds import MIN_FINAL_TOKENS, MIN_STEP_TOKENS, Charge, Fit, Hold, Shortage
from surefoot.budget.limits import INFINITE, Limits
from surefoot.budget.meter import Meter
from surefoot.budget.rates import Rates, cost, cost_as_served, dearest_rates, price_bound
from surefoot.budget.room import wake
from surefoot.budget.shortages import lack_above, lack_calls, lack_money, lack_steps, lack_time, lack_tokens
from surefoot.errors import BudgetExceeded
from surefoot.types import Money, Usage

FINAL_TOKENS: Final = 256
"""Output tokens kept for the last answer."""
NUDGE_TOKENS: Final = 320
"""Input tokens kept for the message that asks for the last answer: the bytes of its text and framing."""
FINAL_TIME_SHARE: Final = 0.15
"""Share of ``seconds`` kept for the last answer: no ordinary step begins within it."""
_MILLION: Final = 1_000_000


class Account(Meter):
    """The account of one run. Tasks of one event loop use it; every method is immediate.

    Attributes:
        parent: The account of the run that began this one, None for a run of its own.
        deadline: Monotonic seconds at which whatever is in flight is cancelled.
        waiting: Of a run of its own: who waits until a hold of it, or of a run below it, comes free.
    """

    __slots__ = (
        "_holds", "_kept", "_soft_deadline", "deadline", "input_rate", "output_rate", "parent", "rates", "waiting",
    )  # fmt: skip

    def __init__(self, limits: Limits, rates: Rates | None, started: float, parent: Account | None = None) -> None:
        """Open an account.

        Args:
            limits: The limits.
            rates: Price of the model, None when it is unknown (the caller has made sure that there is no USD limit).
            started: Monotonic seconds at which the run began.
            parent: The account of the run that began this one.
        """
        super().__init__(limits, started)
        self.parent = parent
        # What runs below leave alone for the last answer: its prompt (None for nothing), more text, the text's price
        self._kept: tuple[int | None, int, int] = None, 0, 0
        self.set_rates(rates)
        seconds = self._amounts.get("seconds", INFINITE)
        self.deadline = started + seconds
        self._soft_deadline = started + seconds * (1 - FINAL_TIME_SHARE)
        if parent is not None and parent.soft_deadline < self.deadline:
            self.deadline = parent.soft_deadline
            self._soft_deadline = min(self._soft_deadline, parent.soft_deadline)
        self._holds = 0  # of this run alone, and never one twice
        self.waiting: list[asyncio.Future[None]] = []

    def set_rates(self, rates: Rates | None) -> None:
        """The next call goes to a model of this price. Nothing may be reserved."""
        self.rates = rates
        # no prompt of this run can reach a dearer tier than its limit on tokens does
        self.input_rate, self.output_rate = dearest_rates(rates, self._max_tokens) if rates else (0, 0)

    def last_step(self, now: float) -> Shortage | None:
        """Which limit makes the next step the last one, None if none does.

        With ``on_limit="finish"`` the last step and the last model call are kept for the answer, and so is the last
        part of the time; with ``on_limit="raise"`` nothing is kept.
        """
        if self.parent is not None and (shortage := self.parent.last_step(now)) is not None:
            return shortage
        limits = self.limits
        kept = limits.on_limit == "finish"
        if self.steps >= self._max_steps - kept:
            return lack_steps(limits, self.steps, kept=kept)
        if kept and self.tool_calls >= self.max_tool_calls:
            return Shortage("tool_calls", f"all {limits.tool_calls} tool calls are used")
        if self.model_calls >= self._max_calls - kept or now >= (self._soft_deadline if kept else self.deadline):
            return self._call_shortage(now, kept=kept)
        return None

    def fits_easily(self, input_bound: int, want: int, now: float) -> bool:
        """Whether a step of a run of its own is so far from each limit that `last_step` and `fit` need not be asked.

        As `fit` it leaves room for a last answer, all of it at the dearer rate: what is sure is sure, all else unknown.
        """
        if self.parent is not None or now >= self._soft_deadline:
            return False
        tokens = input_bound + want + input_bound + NUDGE_TOKENS + FINAL_TOKENS
        dear = self.output_rate
        if self.input_rate > dear:  # noqa: PLR1730 - max() takes 800 instructions
            dear = self.input_rate
        return self.has_plenty(tokens, tokens * dear // _MILLION + 2)  # each of the two holds rounds up by itself

    def begin_step(self) -> None:
        """Count a step, here and in all accounts above."""
        self.steps += 1
        if self.parent is not None:
            self.parent.begin_step()

    def begin_tool_call(self) -> bool:
        """Count a tool call, here and in all accounts above; False, and nothing is counted, if one has none left."""
        if self.tool_calls >= self.max_tool_calls or (self.parent is not None and not self.parent.begin_tool_call()):
            return False
        self.tool_calls += 1
        return True

    def tool_shortage(self, count: int) -> Shortage | None:
        """Whether so many more tool calls are more than ``on_limit="raise"`` allows; otherwise the rest is refused."""
        if self.tool_calls + count <= self.max_tool_calls or self.limits.on_limit == "finish":
            return None
        text = f"{self.tool_calls} of {self.limits.tool_calls} tool calls are used, and the model asks for {count}"
        return Shortage("tool_calls", text)

    def fit(self, input_bound: int, want: int, *, final: bool, now: float, begins_step: bool = False) -> Fit | Shortage:
        """How many output tokens fit a call, ``want`` at most. Reserves nothing.

        An ordinary step leaves room for a last answer: a model call, `FINAL_TIME_SHARE` of the time, the same prompt
        once more, `NUDGE_TOKENS` and `FINAL_TOKENS`.

        Args:
            input_bound: Upper bound of the prompt's tokens.
            want: Output tokens wished for.
            final: The call may use what is kept for the last answer.
            now: Monotonic seconds.
            begins_step: The call is the first attempt of a step.
        """
        kept = not final
        if begins_step and self.steps >= self._max_steps - kept:  # runs below may have begun some since `last_step`
            return lack_steps(self.limits, self.steps, kept=kept)
        if self.model_calls >= self._max_calls - kept or now >= (self._soft_deadline if kept else self.deadline):
            return self._call_shortage(now, kept=kept)
        room = self._max_tokens - self.spent_tokens - self._reserved_tokens - input_bound
        room_nano = (self._max_nano - self.spent_nano - self._reserved_nano) * _MILLION - input_bound * self.input_rate
        if not final:
            again = input_bound + NUDGE_TOKENS
            room -= again + FINAL_TOKENS
            # each of the two holds rounds up by itself, hence the extra nano-dollar
            room_nano -= again * self.input_rate + FINAL_TOKENS * self.output_rate + _MILLION
        if self.parent is not None:
            shortage = self.parent.call_shortage(now, begins_step=begins_step)
            if shortage is not None:
                return shortage
            left, left_nano = self.parent.left_below()
            room = min(room, left - input_bound)
            room_nano = min(room_nano, left_nano * _MILLION - input_bound * self.input_rate)
        if room >= want and room_nano >= want * self.output_rate:
            return Fit(want)
        least = min(want, MIN_FINAL_TOKENS if final else MIN_STEP_TOKENS)
        dear = room_nano // self.output_rate if self.output_rate else (room if room_nano >= 0 else -1)
        fits = min(room, dear)
        if fits < least:
            return self._shortage(input_bound, least, by_tokens=room < least, final=final)
        return Fit(fits, "tokens" if room <= dear else "usd")

    def alone(self, fit: Callable[[], Fit | Shortage]) -> Fit | Shortage:
        """What `fit` says if no call was in flight: of no run above, and so of none beside this one."""
        reserved = self.reserved
        self._reserved_tokens = self._reserved_nano = 0
        try:
            return fit() if self.parent is None else self.parent.alone(fit)
        finally:
            self._reserved_tokens, self._reserved_nano = reserved

    def reserve(self, input_bound: int, max_tokens: int) -> Hold:
        """Take the worst case of one attempt, as `fit` has found it to fit.

        Raises:
            BudgetExceeded: It does not fit; nothing is reserved.
        """
        tokens = input_bound + max_tokens
        nano = price_bound(input_bound, self.input_rate, max_tokens, self.output_rate)
        reserved_tokens, reserved_nano = self._reserved_tokens + tokens, self._reserved_nano + nano
        if self.spent_tokens + reserved_tokens > self._max_tokens:
            raise BudgetExceeded(f"{tokens} tokens do not fit what is left", limit="tokens")
        if self.spent_nano + reserved_nano > self._max_nano:
            raise BudgetExceeded(f"{Money(nano)} does not fit what is left", limit="usd")
        if self.parent is not None:
            self.parent.take(tokens, nano)
        self.model_calls += 1
        self._holds += 1
        self._reserved_tokens, self._reserved_nano = reserved_tokens, reserved_nano
        return Hold(self._holds, max_tokens, tokens, nano)

    def take(self, tokens: int, nano: int) -> None:
        """Reserve what a run below reserves.

        Raises:
            BudgetExceeded: It does not fit; nothing is reserved, here or above.
        """
        if self.spent_tokens + self._reserved_tokens + tokens > self._max_tokens:
            raise BudgetExceeded(f"{tokens} tokens do not fit what is left of the run above", limit="tokens")
        if self.spent_nano + self._reserved_nano + nano > self._max_nano:
            raise BudgetExceeded(f"{Money(nano)} does not fit what is left of the run above", limit="usd")
        if self.parent is not None:
            self.parent.take(tokens, nano)
        self.model_calls += 1
        self._reserved_tokens += tokens
        self._reserved_nano += nano

    def undo(self, hold: Hold, *, begins_step: bool) -> None:
        """A hold that was refused elsewhere was never taken, nor was its step begun."""
        if hold.number == self._holds:
            self._holds -= 1
        self.give_back(hold, begins_step)

    def give_back(self, hold: Hold, steps: int) -> None:
        """Take back a hold, a model call and so many steps, here and in all accounts above."""
        self.steps -= steps
        self._reserved_tokens -= hold.tokens
        self._reserved_nano -= hold.nano
        self.model_calls -= 1
        if self.parent is not None:
            self.parent.give_back(hold, steps)
        elif self.waiting:
            wake(self.waiting)

    def output_within(self, input_bound: int, tokens: int, nano: int) -> int:
        """Output tokens of a call that may use so many tokens and nano-dollars; negative if the prompt does not fit."""
        left = nano * _MILLION - input_bound * self.input_rate
        priced = left // self.output_rate if self.output_rate else tokens if left >= 0 else -1
        return min(tokens - input_bound, priced)

    def room_for_text(self, input_bound: int) -> int:
        """Bytes of text that may join a prompt of ``input_bound`` tokens so that a last answer still fits."""
        input_bound += NUDGE_TOKENS
        self._kept = input_bound, 0, 0
        room = self._max_tokens - self.spent_tokens - self._reserved_tokens - input_bound - FINAL_TOKENS
        if self.input_rate:
            nano = (self._max_nano - self.spent_nano - self._reserved_nano) * _MILLION
            nano -= input_bound * self.input_rate + FINAL_TOKENS * self.output_rate
            dear = nano // self.input_rate
            if dear < room:  # noqa: PLR1730 - min() takes 800 instructions
                room = dear
        if self.parent is not None:
            room = min(room, self._text_within(*self.parent.left_below()) - input_bound - FINAL_TOKENS)
        return room

    def keep_text(self, tokens: int) -> None:
        """Runs below leave so much more input alone: results that join the prompt of the last answer."""
        bound, kept, kept_nano = self._kept
        self._kept = bound, kept + tokens, kept_nano + price_bound(tokens, self.input_rate, 0, 0)

    def room_above_kept(self) -> int:
        """Tokens of input that nobody has kept or used yet, here or above; may be negative."""
        return self._text_within(*self.left_below())

    def _text_within(self, tokens: int, nano: int) -> int:
        return min(tokens, nano * _MILLION // self.input_rate) if self.input_rate else tokens

    def settle(self, hold: Hold, usage: Usage | None, service: str = "") -> Charge:
        """Replace a hold by what the provider reported; the full hold where it reported nothing.

        ``service`` is the service tier that the reply names: its prices are what the provider bills.
        """
        if usage is None:
            charge = Charge(hold.tokens, hold.nano)
        else:
            tokens = usage.input_tokens + usage.output_tokens
            rates = self.rates
            if rates is None:
                nano = 0
            elif service == "default" or not (service or rates.asked):
                nano = cost(rates, usage)
            else:
                nano = cost_as_served(rates, usage, service, hold.nano)
            charge = Charge(tokens, nano, tokens > hold.tokens or nano > hold.nano)
        self.book(hold, charge)
        return charge

    def book(self, hold: Hold, charge: Charge) -> None:
        """Replace a hold by what it cost, here and in all accounts above."""
        self._reserved_tokens -= hold.tokens
        self._reserved_nano -= hold.nano
        self.spent_tokens += charge.tokens
        self.spent_nano += charge.nano
        if charge.overrun:
            self.overrun_tokens += max(0, charge.tokens - hold.tokens)
            self.overrun_nano += max(0, charge.nano - hold.nano)
        if self.parent is not None:
            self.parent.book(hold, charge)
        elif self.waiting:
            wake(self.waiting)

    def release(self, hold: Hold) -> Charge:
        """Give a hold back: nothing can have been billed."""
        charge = Charge(0, 0)
        self.book(hold, charge)
        return charge

    @property
    def soft_deadline(self) -> float:
        """Monotonic seconds from which on only a last answer may begin."""
        return self._soft_deadline if self.limits.on_limit == "finish" else self.deadline

    def call_shortage(self, now: float, *, begins_step: bool) -> Shortage | None:
        """What keeps the runs below from another model call, here or above; None if nothing does."""
        kept = self.limits.on_limit == "finish"
        if begins_step and self.steps >= self._max_steps - kept:
            return lack_steps(self.limits, self.steps, kept=kept)
        if self.model_calls >= self._max_calls - kept or now >= self.soft_deadline:
            return self._call_shortage(now, kept=kept)
        return None if self.parent is None else self.parent.call_shortage(now, begins_step=begins_step)

    def left_below(self) -> tuple[int, int]:
        """Tokens and nano-dollars that the runs below may still use."""
        tokens, nano = self._left()
        bound, kept_tokens, kept_nano = self._kept
        if bound is not None:
            kept_tokens += bound + FINAL_TOKENS
            kept_nano += price_bound(bound, self.input_rate, FINAL_TOKENS, self.output_rate)
        return tokens - kept_tokens, nano - kept_nano

    def _left(self) -> tuple[int, int]:
        """Tokens and nano-dollars that this run may still use, whatever its own limits say."""
        tokens = self._max_tokens - self.spent_tokens - self._reserved_tokens
        nano = self._max_nano - self.spent_nano - self._reserved_nano
        if self.parent is None:
            return tokens, nano
        above_tokens, above_nano = self.parent.left_below()
        return min(tokens, above_tokens), min(nano, above_nano)

    def _call_shortage(self, now: float, *, kept: bool) -> Shortage:
        if self.model_calls >= self._max_calls - kept:
            return lack_calls(self.limits, self.model_calls, is_last=self.model_calls < self._max_calls)
        return lack_time(self.limits, self.deadline - now)

    def _shortage(self, input_bound: int, least: int, *, by_tokens: bool, final: bool) -> Shortage:
        left = self._max_tokens - self.spent_tokens - self._reserved_tokens
        left_nano = self._max_nano - self.spent_nano - self._reserved_nano
        worst = price_bound(input_bound, self.input_rate, least, self.output_rate)
        if self.parent is not None:
            above, above_nano = self.parent.left_below()
            if (above < left) if by_tokens else (above_nano < left_nano):
                return lack_above(above, above_nano, input_bound, by_tokens=by_tokens)
        if by_tokens:
            return lack_tokens(self.limits, left, input_bound, final=final)
        return lack_money(self.limits, Money(left_nano), Money(worst), final=final)
