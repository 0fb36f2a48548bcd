"""One run of one task with one obedience, through a real `Runtime`."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from surefoot import Agent, Runtime
from surefoot.attack.arena import NO_LIMITS, Deed, read_deeds
from surefoot.attack.dojo import Suite, World, revive
from surefoot.attack.moves import WANTED, Obedience, Puppet, reply_together
from surefoot.journal.policy_events import ApprovalAnswered
from surefoot.testing import ScriptedModel

Approver = Literal["none", "user", "vouching"]
"""Who is asked: nobody, or somebody who allows exactly what the user wants, or who vouches for sources, too."""


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
        useful=injection is None and suite.is_useful(task, result.text, built, world),
        harmed=injection is not None and suite.is_harmed(injection, result.text, built, world),
        questions=sum(isinstance(one, ApprovalAnswered) and _is_question(one) for one in events),
        deeds=read_deeds(events),
    )


def _is_question(answered: ApprovalAnswered) -> bool:
    """Whether it is of a call that the user wants; of several that he was asked about at once one counts."""
    return answered.call_id.startswith(WANTED) and not answered.asked_with
