"""What a run does as its budget runs low, before it must answer: one rung of ``Limits(ladder=...)`` at a time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from surefoot.budget.holds import Shortage
from surefoot.budget.limits import MODEL_RUNG
from surefoot.journal.context_events import ContextSummarised
from surefoot.journal.events import Nudged, RungTaken
from surefoot.model_call import ModelCall
from surefoot.models.base import Reply
from surefoot.run import Run
from surefoot.switch import switch_model

TRIM_BYTES: Final = 400
"""What is kept of an older tool result: about a hundred tokens."""
SUMMARY_TOKENS: Final = 400
"""Output tokens of a summary at most."""
SUMMARY_NUDGE: Final = (
    "There is no room for all of this conversation. Sum it up in at most 200 words, as plain text and without calling "
    "a tool: what was asked, what was done, every figure, name and id that was found, and what is still to do."
)
SUMMARISER: Final = "[context] summarise_with"
"""Names, among the rungs of a run, its agent on the model that makes the summaries."""
RELIEVED: Final = ("tokens", "usd")
"""Limits that a smaller prompt or a cheaper model relieves."""


class Due(Struct, frozen=True):
    """A rung that is to be taken: as it stands in the ladder, for which limit, and the used share of that (0 to 1)."""

    rung: str
    limit: str
    used: float


def find_due(run: Run, shortage: Shortage | None = None) -> Due | None:
    """The rung that is to be taken now, None if none is.

    It is due at its share of a limit, or earlier if a shortage of tokens or dollars leaves no room for the next step.
    """
    limits = run.account.limits
    taken, ladder = run.state.rungs_passed, limits.ladder
    if taken >= len(ladder):
        return None
    shares = run.account.shares_used(run.desk.clock.monotonic())
    if shortage is not None:
        if shortage.limit not in RELIEVED or ladder[taken] == "finish":
            return None
        return Due(ladder[taken], shortage.limit, shares[shortage.limit])
    limit = max(shares, key=lambda name: shares[name], default="")
    due_at = limits.warn_at + taken * (1 - limits.warn_at) / len(ladder)
    return Due(ladder[taken], limit, shares[limit]) if limit and shares[limit] >= due_at else None


def climb(run: Run, call: ModelCall, due: Due) -> None:
    """Take a rung. After ``summarise`` the next call is the summary; ``finish`` is left to the caller."""
    now = run.desk.clock.now()
    keep_bytes = TRIM_BYTES if due.rung == "trim" else 0
    skips = due.rung == "summarise" and not _has_room(run, call)
    run.emit(RungTaken(at=now, rung=due.rung, limit=due.limit, used=due.used, keep_bytes=keep_bytes, left_out=skips))
    if due.rung == "trim":
        call.reopen()
    elif due.rung == "summarise" and not skips:
        begin_summary(run, call)
    elif due.rung.startswith(MODEL_RUNG):
        switch_model(run, call, run.rungs[due.rung])


def begin_summary(run: Run, call: ModelCall, sets_aside: int = 0) -> None:
    """The next call is a summary of all but the last ``sets_aside`` messages, by the model that makes summaries."""
    summariser = run.rungs.get(SUMMARISER)
    if summariser is not None and summariser is not run.compiled:
        run.summed_up_for = run.compiled
        switch_model(run, call, summariser)
    run.emit(Nudged(at=run.desk.clock.now(), text=SUMMARY_NUDGE, wants_summary=True, sets_aside=sets_aside))
    run.sums_up = True
    if sets_aside:
        call.reopen()


def take_summary(run: Run, call: ModelCall, reply: Reply) -> None:
    """Settle the summary, and go on with it instead of the conversation; with the conversation if it is empty."""
    call.settle()
    call.tell_reply(run.desk.clock.monotonic(), joins=False)
    is_one = bool(reply.message.text.strip()) and reply.finish_reason in {"stop", "length"}
    run.summary_failed = not is_one
    _replace_conversation(run, call, reply.message.text if is_one else "")


def forgo_summary(run: Run, call: ModelCall) -> None:
    """The summary failed, or has no room: the run goes on with the conversation as it was."""
    call.forgo()
    run.summary_failed = True
    _replace_conversation(run, call, "")


def _replace_conversation(run: Run, call: ModelCall, text: str) -> None:
    run.sums_up = False
    run.emit(ContextSummarised(at=run.desk.clock.now(), text=text))
    resumes, run.summed_up_for = run.summed_up_for, None
    if resumes is None:
        call.reopen()
    else:
        switch_model(run, call, resumes)


def _has_room(run: Run, call: ModelCall) -> bool:
    """Whether a summary fits, and its step and a last answer after it."""
    now = run.desk.clock.monotonic()
    bound = call.prompt.bound() + 2 * len(SUMMARY_NUDGE)  # the second half is for what stands around it
    return not isinstance(run.account.fit(bound, SUMMARY_TOKENS, final=False, now=now), Shortage)
