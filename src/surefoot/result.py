"""What a run gives back."""

from __future__ import annotations

from typing import Any, Generic

from msgspec import Struct

from surefoot.agent import OutputT
from surefoot.budget.report import BudgetReport, report_budget
from surefoot.run import Run
from surefoot.types import Message, Money, StopReason, Usage


class RunResult(Struct, Generic[OutputT], frozen=True):
    """What a run gave.

    Attributes:
        output: The answer: text, or a value of ``Agent(output=...)``; None if that was asked for and never came.
        text: The answer as text.
        stop_reason: Why the run ended; ``budget`` comes with what was found so far.
        limit: The limit that ended it, "" if none did.
        limit_message: What was left of it and what was needed, in one line for who runs the service.
        limit_account: The account above the run whose limit that is, "" for the run's own.
        resets_at: Wall time, seconds, at which that account's next window begins; None if none does.
        usage: Tokens by kind.
        cost: US dollars charged, None when the model's price is unknown.
        budget: What the run used.
        messages: The conversation, without what was left out of it.
        left_out: How many of its messages were left out or summed up, for there was no room for them.
        run_id: Its id.
        models: The models that answered, by model string, in the order of their first replies.
    """

    output: OutputT
    text: str
    stop_reason: StopReason
    limit: str
    limit_message: str
    limit_account: str
    resets_at: float | None
    usage: Usage
    cost: Money | None
    budget: BudgetReport
    messages: tuple[Message, ...]
    left_out: int
    run_id: str
    models: tuple[str, ...] = ()


def make_result(run: Run) -> RunResult[Any]:
    """The result of a run that has ended."""
    finished = run.state.finished
    assert finished is not None, "a run that did not raise has ended"
    usage = run.state.usage
    shortage = run.state.shortage if finished.limit else None
    budget = report_budget(run.account, usage, run.desk.clock.monotonic(), run.started, run.state.rungs)
    return RunResult(
        output=finished.output if run.compiled.answer is None else run.value,
        text=finished.output,
        stop_reason=finished.stop_reason,
        limit=finished.limit,
        limit_message="" if shortage is None else shortage.message,
        limit_account="" if shortage is None else shortage.account,
        resets_at=None if shortage is None else shortage.resets_at,
        usage=usage,
        cost=budget.cost,
        budget=budget,
        messages=tuple(run.state.messages),
        left_out=run.state.left_out,
        run_id=run.run_id,
        models=run.state.answered,
    )
