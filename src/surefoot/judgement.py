"""What the policy says of one call of a run: the question, the decision, and how the journal is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from surefoot.aside import aside
from surefoot.journal.policy_events import CallJudged
from surefoot.policy.decide import ask_application, decide, weigh
from surefoot.policy.decision import Decision, Denied, Proposed, name_verdict
from surefoot.policy.deeds import Deed, make_deed
from surefoot.policy.evidence import Evidence
from surefoot.run import Run
from surefoot.tools import Prepared
from surefoot.types import ToolCall, ToolResult

UNREADABLE: Final = Denied("size", "a number in it is too large to be compared with anything")


def _read_number(text: str) -> float | str:
    """A number with a fraction; as text if no float is that number: a tool that takes a Decimal gets all its digits."""
    number = float(text)
    if math.isinf(number):
        raise msgspec.DecodeError("a number out of range")
    return number if text in {repr(number), f"{number:.2f}"} or Decimal(repr(number)) == Decimal(text) else text


_read_json: Final = msgspec.json.Decoder(float_hook=_read_number).decode


class Question(Struct, frozen=True):
    """A call that is to be decided on.

    Attributes:
        prepared: The call.
        arguments: Its arguments, in JSON's own types; None if they cannot be read.
        proposed: As the policy has it.
        known: What is known where it is made.
    """

    prepared: Prepared
    arguments: dict[str, Any] | None
    proposed: Proposed
    known: Evidence


def pose(run: Run, prepared: Prepared | ToolResult, before: Sequence[Deed]) -> Question | None:
    """What is to be decided of a call, None if it may run as it is; those ``before`` it in its reply count as done."""
    policing = run.desk.policing
    if not isinstance(prepared, Prepared) or not (prepared.tool.checked or policing.judges_reads):
        return None
    if policing.mode == "off":
        return None
    tool = prepared.tool
    if tool.policy.is_free and not policing.rules.functions and tool.policy.name not in policing.rules.tools:
        return None  # as `decide` would say, which need not look at the conversation for it
    arguments, known, kept = _read_arguments(prepared.call.arguments), run.state.origins.evidence(), None
    if before:
        known = replace(known, done=(*known.done, *before))
    if known.done and (text := _keep(run, prepared.call)) is not prepared.call.arguments:
        kept = _read_arguments(text)
    return Question(prepared, arguments, Proposed(tool.policy, arguments or {}, kept), known)


def list_deeds(run: Run, calls: Sequence[Prepared | ToolResult]) -> list[Deed]:
    """Those of the calls of a reply that count as done where a later one of them is decided on."""
    acts = [one.call for one in calls if isinstance(one, Prepared) and one.tool.effect == "write"]
    return [make_deed(call.name, _keep(run, call)) for call in acts]


def decide_at_once(run: Run, question: Question) -> Decision:
    """What is decided."""
    if question.arguments is None:
        return UNREADABLE
    return decide(question.proposed, question.known, run.desk.policing.rules)


async def decide_aside(run: Run, question: Question) -> Decision:
    """As `decide_at_once`, in a thread but for what is the application's own code."""
    if question.arguments is None:
        return UNREADABLE
    rules = run.desk.policing.rules
    settled = ask_application(question.proposed, question.known, rules)
    if settled is not None:
        return settled
    return await aside(weigh, question.proposed, question.known, rules)


def note(run: Run, prepared: Prepared, decision: Decision) -> None:
    """Tell the journal."""
    run.emit(
        CallJudged(
            at=run.desk.clock.now(), call_id=prepared.call.id, name=prepared.tool.spec.name,
            verdict=name_verdict(decision), rule=decision.rule, reason=decision.reason, traces=decision.traces,
            observed=run.desk.policing.mode == "observe",
        )
    )  # fmt: skip


def _keep(run: Run, call: ToolCall) -> str:
    return call.arguments if run.redactor is None else run.redactor.keep_arguments(call)


def _read_arguments(text: str) -> dict[str, Any] | None:
    """In JSON's own types; None where only a type of the tool's could read them: a Decimal of a thousand digits."""
    try:
        found: dict[str, Any] = _read_json(text or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found
