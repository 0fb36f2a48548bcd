"""Clearance of the tool calls of a reply: decide, ask a person if that is what it takes, and tell the journal.

Of all the calls of one reply that a person has to look at, he is asked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from copy import deepcopy
from typing import Any, Final, cast

from msgspec import Struct
from msgspec.structs import replace

from surefoot.deadline import is_cancelled
from surefoot.errors import ConfigError
from surefoot.journal.policy_events import Answer, ApprovalAnswered
from surefoot.judgement import Question, decide_aside, decide_at_once, list_deeds, note, pose
from surefoot.observation import refuse
from surefoot.policy.approval import APPROVALS, ApprovalRequest, digest_call, list_sources
from surefoot.policy.decide import FAILED
from surefoot.policy.decision import Allowed, Decision, NeedsApproval
from surefoot.policy.deeds import Deed
from surefoot.policy.origin import Origins
from surefoot.policy.source import find_source, name_earlier
from surefoot.run import Run
from surefoot.screening import list_suspects
from surefoot.tools import Prepared
from surefoot.types import ToolResult

_UNTOLD: Final = frozenset({"read", "unexposed"})
"""Rules that let a call run without another look: they are not journaled."""
AT_ONCE_CHARS: Final = 1_000
"""Of the arguments of all calls of a reply that are decided on at once."""
AT_ONCE_VALUES: Final = 20
"""Values in them: one date takes half a millisecond where much was said."""
_ADVICE: Final = {
    "origin": "Only the user, or a system of record, may name that.",
    "content": "Leave it out, or let the user name it.",
    "intent": "Only the user may ask for that.",
    "anchor": "Let the user name what it is about.",
    "repeat": "Only the user may ask for it once more.",
}


class Doubt(Struct, frozen=True):
    """A call that a person has to look at.

    Attributes:
        prepared: The call.
        arguments: Its arguments, in JSON's own types.
        decision: Why he has to.
    """

    prepared: Prepared
    arguments: dict[str, Any]
    decision: NeedsApproval


class _Deeds:
    """The calls of one reply that count as done where a later one of them is decided on; each is read once."""

    __slots__ = ("_deeds", "_ready", "_run", "_upto")

    def __init__(self, run: Run, ready: Sequence[Prepared | ToolResult]) -> None:
        self._run, self._ready = run, ready
        self._deeds: list[Deed] = []
        self._upto = 0

    def before(self, place: int) -> Sequence[Deed]:
        """Those before that place; places are asked for in order."""
        if self._upto < place:
            self._deeds += list_deeds(self._run, self._ready[self._upto : place])
            self._upto = place
        return self._deeds


def clear(run: Run, ready: list[Prepared | ToolResult]) -> Coroutine[Any, Any, None] | None:
    """Which of the validated calls of a reply may run: in the place of one that may not stands what the model is told.

    Returns:
        None; a coroutine that does the rest if a person is to be asked, or if there is much to be read or compared.
    """
    ruled = run.desk.policing.judges_reads
    checked = [one.call.arguments for one in ready if isinstance(one, Prepared) and (ruled or one.tool.checked)]
    if not checked:
        return None
    origins = run.state.origins
    if origins.is_slow or origins.is_large or not _is_quick(checked):
        return _clear_later(run, ready, origins)
    return _clear_now(run, ready)


def _is_quick(arguments: Sequence[str]) -> bool:
    """Whether arguments hold so few values that they may be compared with all that was said and read at once."""
    chars = values = 0
    for text in arguments:
        chars += len(text)
        values += text.count(",")
    return chars <= AT_ONCE_CHARS and values <= AT_ONCE_VALUES


async def _clear_later(run: Run, ready: list[Prepared | ToolResult], origins: Origins) -> None:
    """As `_clear_now`: what is compared is compared in a thread."""
    await origins.catch_up()
    doubts, deeds = dict[int, Doubt](), _Deeds(run, ready)
    for place, one in enumerate(ready):
        question = pose(run, one, deeds.before(place))
        if question is not None:
            decision = await decide_aside(run, question)
            _heed(run, ready, doubts, place, _judge(run, question, decision))
    if doubts:
        await _settle(run, ready, doubts)


def _clear_now(run: Run, ready: list[Prepared | ToolResult]) -> Coroutine[Any, Any, None] | None:
    doubts, deeds = dict[int, Doubt](), _Deeds(run, ready)
    for place, one in enumerate(ready):
        question = pose(run, one, deeds.before(place))
        if question is not None:
            _heed(run, ready, doubts, place, _judge(run, question, decide_at_once(run, question)))
    return _settle(run, ready, doubts) if doubts else None


def _heed(
    run: Run,
    ready: list[Prepared | ToolResult],
    doubts: dict[int, Doubt],
    place: int,
    found: Doubt | ToolResult | None,
) -> None:
    """Put in the place of a call what is decided of it, or join the doubts if somebody can be asked."""
    if isinstance(found, Doubt):
        if run.desk.policing.approve is not None:
            doubts[place] = found
            return
        found = _take_answer(run, found, "nobody")
    if found is not None:
        ready[place] = found


def _judge(run: Run, question: Question, decision: Decision) -> Doubt | ToolResult | None:
    """What is decided of a call, as the journal is told: None if it may run, what the model is told if it may not."""
    prepared = question.prepared
    if decision.rule in _UNTOLD:
        return None
    note(run, prepared, decision)
    if run.desk.policing.mode == "observe" or isinstance(decision, Allowed):
        return None
    if isinstance(decision, NeedsApproval) and question.arguments is not None:
        return Doubt(prepared, question.arguments, decision)
    name = prepared.tool.spec.name
    return refuse(f"{name} was not called: {_tell(decision)} The policy denies it: go on without it.")


# --- asking -----------------------------------------------------------------------------------------------------------


async def _settle(run: Run, ready: list[Prepared | ToolResult], doubts: dict[int, Doubt]) -> None:
    """The calls in doubt, by place: all are one question, and those that it leaves open are another one."""
    while doubts:
        places, asked = list(doubts), list(doubts.values())
        answers = await _ask(run, asked)
        for here, answer in zip(places, answers, strict=False):
            refusal = _take_answer(run, doubts.pop(here), answer, asked_with=asked[0].prepared.call.id)
            if refusal is not None:
                ready[here] = refusal
        if "session" in answers:  # what was vouched for may settle others
            for here, one in list(doubts.items()):
                others = [other for place, other in enumerate(ready) if place not in doubts]
                if await _is_settled(run, one, others):
                    del doubts[here]


async def _is_settled(run: Run, doubt: Doubt, others: Sequence[Prepared | ToolResult]) -> bool:
    """Whether a source settles a call that was vouched for meanwhile, so that it may run as the ``others`` do."""
    question = pose(run, doubt.prepared, list_deeds(run, others))
    assert question is not None, "it was posed before"
    decision = await decide_aside(run, question)
    if not isinstance(decision, Allowed):
        return False
    note(run, doubt.prepared, decision)
    return True


def _make_requests(run: Run, doubts: Sequence[Doubt]) -> list[ApprovalRequest]:
    """What he is shown: arguments of his own, for what he does to them is no other call."""
    caller, above = run.caller, _list_above(run)
    suspects = list_suspects([message for one in (run, *above) for message in one.state.messages])

    def find(value: str) -> str:
        """In what those above have read, which has no name here: nobody can vouch for it in this conversation."""
        texts = (one.state.origins.evidence().texts for one in above if not one.state.origins.is_slow)
        return next(filter(None, (find_source(read, value) for read in texts)), "")

    requests: list[ApprovalRequest] = []
    for one in doubts:
        traces, reason = name_earlier(one.decision.traces, one.decision.reason, find)
        requests.append(
            ApprovalRequest(
                tool=one.prepared.tool.spec.name, arguments=deepcopy(one.arguments), reason=reason,
                rule=one.decision.rule, traces=traces, sources=list_sources(one.decision.traces),
                user=caller.user, tenant=caller.tenant, session=caller.session, run_id=run.run_id,
                call_id=one.prepared.call.id, digest=_digest(run, one), suspects=suspects,
            )
        )  # fmt: skip
    return requests


def _list_above(run: Run) -> list[Run]:
    """The run whose tool began this one, and so on."""
    return [] if run.parent is None else [run.parent, *_list_above(run.parent)]


def _digest(run: Run, doubt: Doubt) -> str:
    return digest_call(run.caller.tenant, run.caller.user, doubt.prepared.tool.spec.name, doubt.arguments)


async def _ask(run: Run, doubts: Sequence[Doubt]) -> list[Answer]:
    """One question: an answer for each of the calls, or for the first of them alone."""
    policing = run.desk.policing
    assert policing.approve is not None, "there is somebody"
    run.write_behind()  # the question is in the journal while a person thinks
    first, *more = _make_requests(run, doubts)
    left_s = min(policing.approval_timeout_s, run.account.deadline - run.desk.clock.monotonic())
    scope = asyncio.timeout(max(0.0, left_s))
    try:
        async with scope:
            pending: Any = policing.approve(replace(first, more=tuple(more)))
            if not hasattr(pending, "__await__"):
                raise ConfigError(f"approve() gave {pending!r} at once: it must be an async function")
            answer: object = await pending
    except TimeoutError:
        if scope.expired():
            return ["timeout" for _ in doubts]
        raise
    finally:
        if is_cancelled():  # who swallows the cancellation of the run must not let the call pass after it
            raise asyncio.CancelledError
    if scope.expired():  # who swallows that time is up has answered too late
        return ["timeout" for _ in doubts]
    return _read_answers(answer, len(doubts))


def _read_answers(given: object, count: int) -> list[Answer]:
    """What `approve` gave: one answer, for the first call, or a list of one for each.

    Raises:
        ConfigError: It is something else.
    """
    listed = isinstance(given, (list, tuple))
    answers = cast("list[Answer]", list(cast("list[object]", given)) if listed else [given])
    wrong = [one for one in answers if one not in APPROVALS]
    if wrong:
        raise ConfigError(f"approve() gave {wrong[0]!r}: it must give 'once', 'session' or 'no', or a list of these")
    if listed and len(answers) != count:
        raise ConfigError(
            f"approve() gave a list of {len(answers)}, and it must have {count}: one for each of request.calls"
        )
    return answers


def _take_answer(run: Run, doubt: Doubt, answer: Answer, asked_with: str = "") -> ToolResult | None:
    """What an answer means for a call, as the journal is told; None if it may run."""
    name, call_id = doubt.prepared.tool.spec.name, doubt.prepared.call.id
    vouched = list_sources(doubt.decision.traces) if answer == "session" else ()
    run.emit(
        ApprovalAnswered(
            at=run.desk.clock.now(), call_id=call_id, answer=answer, digest=_digest(run, doubt), sources=vouched,
            tool=doubt.prepared.tool.policy.name, asked_with="" if asked_with == call_id else asked_with,
        )
    )  # fmt: skip
    if answer in {"once", "session"}:
        return None
    said = {"no": "a person said no", "timeout": "nobody answered in time"}.get(answer, "nobody is there to be asked")
    advice = "Do not try it again; go on without it, and tell the user what you wanted to do and why."
    return refuse(f"{name} was not called: {_tell(doubt.decision)} It takes a person's yes, and {said}. {advice}")


def _tell(decision: Decision) -> str:
    """What the model reads: where the doubt is, and never the value itself, which others may have written."""
    doubt = next((one for one in decision.traces if not one.proven), None)
    advice = _ADVICE.get(decision.rule, "")
    if decision.rule == "origin" and doubt is not None and doubt.origin == "record":
        return f"`{doubt.parameter}` holds a record that the user's words do not pick. Let the user name it."
    if decision.rule in {"origin", "content"} and doubt is not None:
        verb = "carries something that" if decision.rule == "content" else "holds a value that"
        return f"`{doubt.parameter}` {verb} neither the user nor a trusted source has named. {advice}"
    if decision.rule == FAILED:
        return "a rule of the application could not be asked."
    return f"{decision.reason}. {advice}".strip()
