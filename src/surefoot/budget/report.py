"""What a run used of its budget."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from surefoot.budget.ledger import Account
from surefoot.types import Money, Usage


class BudgetReport(Struct, frozen=True):
    """What a run used.

    Attributes:
        steps: Steps taken.
        model_calls: Wire attempts.
        tool_calls: Tool calls.
        tokens: Tokens charged; more than ``usage.total_tokens`` if a call's outcome is unknown.
        usage: Tokens by kind, as the provider reported them.
        cost: US dollars charged, None when the model's price is unknown.
        average_cost: Cost of an average step, None as ``cost``.
        average_tokens: Tokens of an average step.
        seconds: Wall-clock seconds.
        used: Used share of each limit, 0 to 1; a limit that is `UNLIMITED` is not in it.
        remaining_pct: What is left of the limit that is used up most, percent, 0 to 100.
        cached_share: Share of the prompts' tokens that the provider had cached, 0 to 1.
        overrun_tokens: Tokens that the provider charged beyond a hold.
        rungs: Rungs of ``Limits(ladder=...)`` that were taken, in order.
    """

    steps: int
    model_calls: int
    tool_calls: int
    tokens: int
    usage: Usage
    cost: Money | None
    average_cost: Money | None
    average_tokens: float
    seconds: float
    used: dict[str, float]
    remaining_pct: float
    cached_share: float = 0.0
    overrun_tokens: int = 0
    rungs: tuple[str, ...] = ()


def report_budget(
    account: Account, usage: Usage, now: float, started: float, rungs: Sequence[str] = ()
) -> BudgetReport:
    """The report of an account at monotonic second ``now``; ``usage`` is what its calls reported."""
    used = account.shares_used(now)
    steps = max(account.steps, 1)
    cost = Money(account.spent_nano) if account.rates else None
    return BudgetReport(
        steps=account.steps,
        model_calls=account.model_calls,
        tool_calls=account.tool_calls,
        tokens=account.spent_tokens,
        usage=usage,
        cost=cost,
        average_cost=None if cost is None else Money(-(-cost // steps)),
        average_tokens=account.spent_tokens / steps,
        seconds=now - started,
        used=used,
        remaining_pct=round(max(0.0, 1 - max(used.values(), default=0.0)) * 100, 1),
        cached_share=usage.cached_share,
        overrun_tokens=account.overrun_tokens,
        rungs=tuple(rungs),
    )
