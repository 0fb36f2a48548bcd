"""Events of the policy: what was decided of a call and why, and what a person said."""

from __future__ import annotations

from typing import Literal

from surefoot.journal.event import Event
from surefoot.policy.decision import Trace
from surefoot.policy.deeds import Done

Answer = Literal["once", "session", "no", "timeout", "nobody"]
"""What a person said of a call: this once; yes, and the sources it draws on are vouched for; no. Or there was none."""


class CallJudged(Event, frozen=True, tag="call_judged", kw_only=True):
    """The policy has decided on a call that is not free anyway; before anything of it happens.

    Attributes:
        call_id: Id of the call.
        name: Name of the tool.
        verdict: ``allowed``, ``denied``, or ``asks`` for a person.
        rule: The rule that decided.
        reason: In one sentence.
        traces: Where each value came from.
        observed: The policy only observes: the call goes on whatever the verdict.
    """

    call_id: str
    name: str
    verdict: Literal["allowed", "denied", "asks"]
    rule: str
    reason: str = ""
    traces: tuple[Trace, ...] = ()
    observed: bool = False


class ApprovalAnswered(Event, frozen=True, tag="approval_answered", kw_only=True):
    """What became of a call that a person was to look at.

    Attributes:
        call_id: Id of the call.
        answer: What was said.
        digest: SHA-256 of the tool, its arguments and the user: what the answer holds for, and nothing else.
        sources: Texts by others that are vouched for from here on, in this conversation.
        tool: Name of the tool that they may fill in.
        asked_with: Id of the first call of the question, "" if it is this one.
    """

    call_id: str
    answer: Answer
    digest: str
    sources: tuple[str, ...] = ()
    tool: str = ""
    asked_with: str = ""


class ChildEnded(Event, frozen=True, tag="child_ended", kw_only=True):
    """A run that a tool of this one began has ended, and its calls have done something: it was done here.

    Attributes:
        run_id: Id of that run.
        done: What was done, also before it began.
    """

    run_id: str
    done: Done
