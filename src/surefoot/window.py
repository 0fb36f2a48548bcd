"""A run inside its model's window: room is made where the conversation has outgrown it, and kept for what tools say."""

from __future__ import annotations

from typing import Final

from surefoot.budget.ledger import NUDGE_TOKENS
from surefoot.context import NOTE_TOKENS, Trim, least_output, plan_trim
from surefoot.growing_prompt import size_messages, size_messages_exactly
from surefoot.journal.context_events import ContextTrimmed
from surefoot.ladder import SUMMARISER, SUMMARY_TOKENS, begin_summary
from surefoot.model_call import ModelCall
from surefoot.run import Run

TRIM_TO: Final = 0.5
"""Share of the window that is filled after a trim: what stays is then the same bytes for many steps, so that the
provider's prompt cache holds it."""
_SUMMARY_BYTES: Final = SUMMARY_TOKENS * 6
"""Of a summary in the prompt, where a token may be any word."""


async def make_room(run: Run, call: ModelCall) -> None:
    """Shorten a conversation that does not fit the window: sum up what is oldest, or leave it out.

    After it the next call is the summary (`Run.sums_up`), or the prompt fits, or nothing more can be left out.
    """
    compiled, state = run.compiled, run.state
    fixed, sizes = await size_messages_exactly(run, state.messages)
    sums_up = SUMMARISER in run.rungs and not run.final_only and not run.summary_failed
    kept = min(_SUMMARY_BYTES, compiled.window // 8) if sums_up else 0
    room = int(compiled.window * TRIM_TO) - fixed - kept
    if compiled.counter is None:  # the sizes are bytes: half of the window in tokens may be all of it in bytes
        room = min(int(room / call.prompt.density()), compiled.window - compiled.max_tokens - fixed - kept)
    most = compiled.window - fixed - least_output(compiled.max_tokens, compiled.window)
    plan = plan_trim(state.messages, sizes, state.question, room, most)
    if plan is None:
        call.prompt.crammed = call.prompt.wire.size
    elif sums_up and plan.left_out and not plan.keep_bytes:
        begin_summary(run, call, plan.keeps)
    else:
        _leave_out(run, call, plan)


def _leave_out(run: Run, call: ModelCall, plan: Trim) -> None:
    run.summary_failed = False  # the next one may do better
    run.emit(
        ContextTrimmed(
            at=run.desk.clock.now(),
            keeps=plan.keeps,
            left_out=plan.left_out,
            keep_bytes=plan.keep_bytes,
            window=run.compiled.window,
        )
    )
    call.reopen()


def room_for_results(run: Run, call: ModelCall) -> int:
    """Bytes that the results of a step may add, so that a last answer fits the budget, and the next step the window.

    They have what the window has left, or half of what it has once all else but this step is left out.
    """
    prompt, compiled = call.prompt, run.compiled
    prompt.show()
    bound = prompt.bound()
    room = run.account.room_for_text(bound)
    left = compiled.window - bound - compiled.max_tokens - NUDGE_TOKENS
    if room <= left:
        return room
    half = compiled.window // 2
    if left >= half:
        return left
    left += bound - prompt.bound_in_window(bound)
    if left < half:
        messages = run.state.messages
        system = [message for message in messages[:1] if message.role == "system"]
        fixed, sizes = size_messages(run, [*system, run.state.question, messages[-1]])
        left = max(left, (compiled.window - fixed - sum(sizes) - NOTE_TOKENS) // 2)
    return max(0, min(room, left))
