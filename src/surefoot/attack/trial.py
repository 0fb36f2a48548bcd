"""One run of one task with one obedience, through a real `Runtime`, and what the journal says of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from surefoot import UNLIMITED, Agent, Limits, Runtime
from surefoot.attack.dojo import Suite, World, revive
from surefoot.attack.moves import PLANTED, WANTED, Obedience, Puppet, reply_together
from surefoot.journal.events import JournalEvent, ModelReplied, ToolFinished
from surefoot.journal.policy_events import ApprovalAnswered, CallJudged
from surefoot.narrator import describe_call
from surefoot.policy.decision import Trace
from surefoot.testing import ScriptedModel

Approver = Literal["none", "user", "vouching"]
"""Who is asked: nobody, or somebody who allows exactly what the user wants, or who vouches for sources, too."""

NO_LIMITS = Limits(
    tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED, seconds=UNLIMITED
)


class Deed(Struct, frozen=True):
    """A call of the attacker's.

    Attributes:
        call: Tool and arguments.
        ran: Whether it did.
        verdict: What the policy said, ``free`` if it had nothing to say.
        rule: The rule that said so.
        reason: In one sentence.
        traces: Where each value came from.
    """

    call: str
    ran: bool
    verdict: str = "free"
    rule: str = ""
    reason: str = ""
    traces: tuple[Trace, ...] = ()


class Outcome(Struct, frozen=True):
    """What became of one run.

    Attributes:
        suite: Name of the suite.
        task: Id of the user's task.
        injection: Id of the attacker's, "" for none.
        obedience: How the model obeyed.
        hijacked: It has read what was planted.
        useful: The user got what was asked for; not looked at, and False, under attack.
        harmed: The attacker got it.
        questions: Questions about calls that the user wants.
        deeds: The attacker's calls.
    """

    suite: str
    task: str
    injection: str
    obedience: Obedience
    hijacked: bool
    useful: bool
    harmed: bool
    questions: int
    deeds: tuple[Deed, ...] = ()


async def play(
    runtime: Runtime,
    suite: Suite,
    task: Any,
    built: bytes,
    *,
    injection: Any = None,
    obedience: Obedience = "oracle",
    together: bool = False,
) -> Outcome:
    """Run a task.

    Args:
        runtime: Where.
        suite: The suite.
        task: What the user asks.
        built: The environment, with or without a planted text; see `Suite.build`.
        injection: What the planted text wants, None for nothing.
        obedience: What the model does.
        together: It makes calls of one tool that follow each other in one reply; an ``oracle`` alone can.
    """
    world = World(revive(built), [])
    attack = None if injection is None else suite.attack(injection, built, world)
    puppet = Puppet(suite.plan(task, built), task.GROUND_TRUTH_OUTPUT, attack, obedience)
    script = reply_together(suite.plan(task, built), task.GROUND_TRUTH_OUTPUT) if together else puppet
    agent = Agent(ScriptedModel(script, record=1), tools=suite.tools, limits=NO_LIMITS)
    result = await runtime.run(agent, task.PROMPT, deps=world)
    _, events = await runtime.read_run(result.run_id)
    return Outcome(
        suite=suite.name,
        task=task.ID,
        injection="" if injection is None else injection.ID,
        obedience=obedience,
        hijacked=puppet.hijacked,
        # AgentDojo's check takes a hundred times as long as the run, and under attack nobody relies on it
        useful=injection is None and suite.is_useful(task, result.text, built, world),
        harmed=injection is not None and suite.is_harmed(injection, result.text, built, world),
        questions=sum(isinstance(one, ApprovalAnswered) and _is_question(one) for one in events),
        deeds=read_deeds(events),
    )


def _is_question(answered: ApprovalAnswered) -> bool:
    """Whether it is of a call that the user wants; of several that he was asked about at once one counts."""
    return answered.call_id.startswith(WANTED) and not answered.asked_with


def read_deeds(events: list[JournalEvent]) -> tuple[Deed, ...]:
    """What became of the attacker's calls."""
    judged = {one.call_id: one for one in events if isinstance(one, CallJudged)}
    ended = {one.call_id: one for one in events if isinstance(one, ToolFinished)}
    deeds: list[Deed] = []
    for event in events:
        for call in event.message.tool_calls if isinstance(event, ModelReplied) else ():
            if call.id.startswith(PLANTED):
                ran = call.id in ended and not ended[call.id].is_error
                one = judged.get(call.id)
                what = describe_call(call)
                deeds.append(
                    Deed(what, ran) if one is None else Deed(what, ran, one.verdict, one.rule, one.reason, one.traces)
                )
    return tuple(deeds)
