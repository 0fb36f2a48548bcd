"""Clearance of a tool call: decide, ask a person if that is what it takes, and tell the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from surefoot.deadline import is_cancelled
from surefoot.errors import ConfigError
from surefoot.journal.policy_events import Answer, ApprovalAnswered, CallJudged
from surefoot.observation import refuse
from surefoot.policy.approval import APPROVALS, Approval, ApprovalRequest, digest_call, list_sources
from surefoot.policy.decide import FAILED, decide
from surefoot.policy.decision import Allowed, Decision, Denied, NeedsApproval, Proposed
from surefoot.run import Run
from surefoot.screening import list_suspects
from surefoot.tools import Prepared
from surefoot.types import ToolResult

_UNTOLD: Final = frozenset({"read", "unexposed"})
"""Rules that let a call run without another look: they are not journaled."""
UNREADABLE: Final = Denied("size", "a number in it is too large to be compared with anything")
_ADVICE: Final = {
    "origin": "Only the user, or a system of record, may name that.",
    "content": "Leave it out, or let the user name it.",
    "intent": "Only the user may ask for that.",
    "anchor": "Let the user name what it is about.",
}


def clear(run: Run, prepared: Prepared) -> ToolResult | Coroutine[Any, Any, ToolResult | None] | None:
    """Whether a validated call may run: None if so, else what the model is told; a coroutine if a person is asked."""
    desk = run.desk.policing
    if desk.mode == "off":
        return None
    tool = prepared.tool
    if tool.policy.is_free and not desk.rules.functions and tool.policy.name not in desk.rules.tools:
        return None  # as `decide` would say, which need not look at the conversation for it
    arguments = _read_arguments(prepared)
    decision = UNREADABLE if arguments is None else decide(
        Proposed(tool.policy, arguments), run.state.origins.evidence(), desk.rules
    )  # fmt: skip
    if decision.rule in _UNTOLD:
        return None
    verdict = _name_verdict(decision)
    observed = desk.mode == "observe"
    run.emit(
        CallJudged(
            at=run.desk.clock.now(), call_id=prepared.call.id, name=tool.spec.name, verdict=verdict,
            rule=decision.rule, reason=decision.reason, traces=decision.traces, observed=observed,
        )
    )  # fmt: skip
    if observed or isinstance(decision, Allowed):
        return None
    if isinstance(decision, NeedsApproval) and arguments is not None:
        return _ask(run, prepared, arguments, decision)
    return refuse(f"{tool.spec.name} was not called: {_tell(decision)} The policy denies it: go on without it.")


def _name_verdict(decision: Decision) -> Any:
    return "allowed" if isinstance(decision, Allowed) else "asks" if isinstance(decision, NeedsApproval) else "denied"


def _read_arguments(prepared: Prepared) -> dict[str, Any] | None:
    """In JSON's own types; None where only a type of the tool's could read them: a Decimal of a thousand digits."""
    try:
        found: dict[str, Any] = msgspec.json.decode(prepared.call.arguments or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found


async def _ask(run: Run, prepared: Prepared, arguments: dict[str, Any], decision: NeedsApproval) -> ToolResult | None:
    caller, name = run.caller, prepared.tool.spec.name
    digest = digest_call(caller.tenant, caller.user, name, arguments)
    sources = list_sources(decision.traces)
    request = ApprovalRequest(
        tool=name, arguments=arguments, reason=decision.reason, rule=decision.rule, traces=decision.traces,
        sources=sources, user=caller.user, tenant=caller.tenant, session=caller.session, run_id=run.run_id,
        call_id=prepared.call.id, digest=digest, suspects=list_suspects(run.state.messages),
    )  # fmt: skip
    answer = await _await_answer(run, request)
    vouched = sources if answer == "session" else ()
    run.emit(
        ApprovalAnswered(
            at=run.desk.clock.now(),
            call_id=prepared.call.id,
            answer=answer,
            digest=digest,
            sources=vouched,
            tool=prepared.tool.policy.name,
        )
    )
    if answer in {"once", "session"}:
        return None
    said = {"no": "a person said no", "timeout": "nobody answered in time"}.get(answer, "nobody is there to be asked")
    advice = "Do not try it again; go on without it, and tell the user what you wanted to do and why."
    return refuse(f"{name} was not called: {_tell(decision)} It takes a person's yes, and {said}. {advice}")


async def _await_answer(run: Run, request: ApprovalRequest) -> Answer:
    policing = run.desk.policing
    if policing.approve is None:
        return "nobody"
    run.write_behind()  # the question is in the journal while a person thinks
    left_s = min(policing.approval_timeout_s, run.account.deadline - run.desk.clock.monotonic())
    scope = asyncio.timeout(max(0.0, left_s))
    try:
        async with scope:
            pending: Any = policing.approve(request)
            if not hasattr(pending, "__await__"):
                raise ConfigError(f"approve() gave {pending!r} at once: it must be an async function")
            answer: Approval = await pending
    except TimeoutError:
        if scope.expired():
            return "timeout"
        raise
    finally:
        if is_cancelled():  # who swallows the cancellation of the run must not let the call pass after it
            raise asyncio.CancelledError
    if scope.expired():  # who swallows that time is up has answered too late
        return "timeout"
    if answer not in APPROVALS:
        raise ConfigError(f"approve() gave {answer!r}: it must give 'once', 'session' or 'no'")
    return answer


def _tell(decision: Decision) -> str:
    """What the model reads: where the doubt is, and never the value itself, which others may have written."""
    doubt = next((one for one in decision.traces if not one.proven), None)
    advice = _ADVICE.get(decision.rule, "")
    if decision.rule in {"origin", "content"} and doubt is not None:
        parameter = doubt.place.partition("[")[0].partition(".")[0].partition(" ")[0]
        verb = "carries something that" if decision.rule == "content" else "holds a value that"
        return f"`{parameter}` {verb} neither the user nor a trusted source has named. {advice}"
    if decision.rule == FAILED:
        return "a rule of the application could not be asked."
    return f"{decision.reason}. {advice}".strip()
