"""What a run is told that has no room for its next call."""

from __future__ import annotations

from surefoot.budget.holds import Shortage
from surefoot.budget.limits import Limits
from surefoot.types import Money


def lack_steps(limits: Limits, steps: int, *, kept: bool) -> Shortage:
    """There is no step left but the one that is kept, if one is."""
    last = f"step {steps + 1} of {limits.steps} is kept for the answer"
    return Shortage("steps", last if kept else f"all {limits.steps} steps are used")


def lack_calls(limits: Limits, model_calls: int, *, is_last: bool) -> Shortage:
    """There is no model call left, or only the last one, which is kept."""
    last = f"model call {model_calls + 1} of {limits.model_calls} is kept for the answer"
    return Shortage("model_calls", last if is_last else f"all {limits.model_calls} model calls are used")


def lack_time(limits: Limits, left_s: float) -> Shortage:
    """There are only so many seconds left."""
    text = f"{left_s:.1f} of {limits.seconds} s are left" if left_s > 0 else f"the {limits.seconds} s are over"
    return Shortage("seconds", text)


def lack_tokens(limits: Limits, left: int, input_bound: int, *, final: bool) -> Shortage:
    """A prompt has no room."""
    what = f"a prompt of up to {input_bound}" if final else f"two prompts of up to {input_bound}, the last kept,"
    fit = "does not fit" if final else "do not fit"
    return Shortage("tokens", f"{left} of {limits.tokens} tokens are left; {what} {fit}")


def lack_money(limits: Limits, left: Money, worst: Money, *, final: bool) -> Shortage:
    """The next call may cost more than is left."""
    after = "" if final else ", and a last answer is kept"
    return Shortage("usd", f"{left} of {limits.nano} is left; the next call may cost {worst}{after}")


def lack_above(left_tokens: int, left_nano: int, input_bound: int, *, by_tokens: bool) -> Shortage:
    """The run would have room by itself, but the run whose tool began it has not."""
    left = f"{max(0, left_tokens)} tokens" if by_tokens else str(Money(max(0, left_nano)))
    text = f"the run above leaves {left} to the runs of its tools; a prompt of up to {input_bound} tokens does not fit"
    return Shortage("tokens" if by_tokens else "usd", text)
