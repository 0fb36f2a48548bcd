"""What the next call of the model is for, and whether there is room for it: a step, a summary, or the last answer."""

from __future__ import annotations

import asyncio
from typing import Final

from surefoot.budget.holds import Shortage
from surefoot.budget.posting import Refusal
from surefoot.context import LEAST_OUTPUT
from surefoot.errors import BudgetExceeded
from surefoot.journal.events import LimitReached, Nudged, Purpose
from surefoot.ladder import RELIEVED, SUMMARY_TOKENS, climb, find_due, forgo_summary
from surefoot.model_call import WINDOW, ModelCall
from surefoot.run import Run
from surefoot.window import forget_turns, make_room

FINAL_NUDGE: Final = (
    "The budget of this run is at its end ({why}). Call no more tools. Give your final answer now from what is known "
    "so far, and say what is missing."
)


async def refit(run: Run, call: ModelCall, purpose: Purpose, refusal: Refusal) -> Purpose | None:
    """After an account above the run has refused the call: try with less, or None where that is of no use."""
    if call.shrink(refusal, final=purpose == "final"):
        return purpose
    if run.sums_up:
        forgo_summary(run, call)
        return await hold_budget(run, call)
    reach(run, Shortage(refusal.limit, refusal.message), refusal)
    return None


def hold_at_once(run: Run, call: ModelCall) -> Purpose | None:
    """`hold_budget` of a call that nothing stands in the way of; None, and nothing is reserved, for any other."""
    account = run.account
    limits, now = account.limits, run.desk.clock.monotonic()
    if run.cancelled or run.sums_up or run.refusal is not None or limits.ladder:
        return None
    if not call.hold_at_once(now, final=limits.on_limit == "raise"):
        return None
    return "repair" if run.repairs_left < run.compiled.repairs else "step"


async def hold_budget(run: Run, call: ModelCall) -> Purpose | None:
    """Reserve the next call. None: there is no room, not even for a last answer."""
    if run.cancelled:  # by one of its own tools, which cannot be interrupted
        raise asyncio.CancelledError
    account, refusal = run.account, run.refusal
    if refusal is not None:  # an account has no tool call left for it: without tools it can only answer
        run.refusal = None
        return await hold_last(run, call, Shortage(refusal.limit, refusal.message), refusal)
    while True:
        shortage = account.last_step(run.desk.clock.monotonic())
        due = find_due(run) if shortage is None and account.limits.ladder else None
        if due is None and shortage is None:
            shortage = await hold_in_window(run, call, final=account.limits.on_limit == "raise")
            if shortage is None:
                return "repair" if run.repairs_left < run.compiled.repairs else "step"
        if due is None and shortage is not None and not run.sums_up:
            due = find_due(run, shortage)
            if due is None:
                return await hold_last(run, call, shortage)
        if due is not None:
            climb(run, call, due)
            if due.rung == "finish":
                return await hold_last(run, call, Shortage(due.limit, f"{due.used:.0%} of {due.limit} are used"))
        if run.sums_up and await call.hold(final=False, want=SUMMARY_TOKENS) is None:
            return "summary"
        if run.sums_up:
            forgo_summary(run, call)


async def hold_last(run: Run, call: ModelCall, shortage: Shortage, refusal: Refusal | None = None) -> Purpose | None:
    """Tell the model to answer now, and reserve the call from what is kept for it. None: not even that fits."""
    reach(run, shortage, refusal)
    why = shortage.message if refusal is None else refusal.notice
    run.emit(Nudged(at=run.desk.clock.now(), text=FINAL_NUDGE.format(why=why)))
    run.final_only, run.sums_up = True, False
    return "final" if await hold_in_window(run, call, final=True) is None else None


async def hold_in_window(run: Run, call: ModelCall, *, final: bool) -> Shortage | None:
    """`ModelCall.hold`, with room made if the model's window has none, or the budget none for the earlier turns.

    Where that takes a summary (`Run.sums_up`), its call is still to be held. Rungs of a ladder come before turns go.
    """
    least = LEAST_OUTPUT
    shortage = await call.hold(final=final, least=least)
    while shortage is not None and not run.sums_up:
        climbs = not run.final_only and find_due(run, shortage) is not None
        if shortage.limit == WINDOW:
            await make_room(run, call)
        elif shortage.limit in RELIEVED and not climbs and await forget_turns(run, call, shortage.limit, final=final):
            pass  # and once more
        elif least:
            least = 0
        else:
            break
        if not run.sums_up:
            shortage = await call.hold(final=final, least=least)
    return shortage


def reach(run: Run, shortage: Shortage, refusal: Refusal | None = None) -> None:
    """Tell that a limit is reached: the run's own, or that of the account which refused.

    Raises:
        BudgetExceeded: The run's limits say ``on_limit="raise"``.
    """
    account, period, resets_at = ("", "", None) if refusal is None else (
        refusal.account, refusal.period, refusal.resets_at
    )  # fmt: skip
    run.emit(
        LimitReached(
            at=run.desk.clock.now(),
            limit=shortage.limit,
            message=shortage.message,
            account=account,
            period=period,
            resets_at=resets_at,
        )
    )
    if run.account.limits.on_limit == "raise":
        message = f"run {run.run_id} stopped: {shortage.message}"
        raise BudgetExceeded(message, limit=shortage.limit, account=account, resets_at=resets_at)
