"""The agents of a simulation, and their tools: one looks something up, one notes something down, one asks an agent."""

from __future__ import annotations

import asyncio
from typing import Any

from surefoot.agent import Agent
from surefoot.budget.limits import Limits, read_limits
from surefoot.config import Settings
from surefoot.errors import SurefootError, ToolError
from surefoot.run_context import RunContext
from surefoot.testing.chance import draw
from surefoot.testing.simulation.ask import ASKING, CIRCLES, Ask, Persona
from surefoot.testing.simulation.mind import ASK_EXPERT, FAILS, LOOK_UP, NOTE_DOWN, TOLD, WORD, spread
from surefoot.testing.simulation.observer import Observer
from surefoot.testing.simulation.provider import SimulatedModel
from surefoot.testing.simulation.world import World
from surefoot.tools import Tool, tool

CHILD_STEPS = 4
"""Steps of a child run at most."""
CHILD_TOKENS = 4_000
LONGEST_QUESTION = 2_000
"""Words of a question at most."""


class Cast:
    """The agents of one world.

    Attributes:
        agent: The one that all users talk to.
        limits: Of its runs.
    """

    def __init__(self, world: World, settings: Settings, models: list[SimulatedModel], observer: Observer) -> None:
        """Agents on ``models``, in this order."""
        self.limits = read_limits(settings.limits, "[limits]")
        self._world = world
        self._observer = observer
        tools: list[Tool[Any, Any]] = [self._make_look_up()]
        if world.tool.writes:
            tools.append(self._make_note_down())
        if world.tool.children:
            tools.append(self._make_ask_expert())
        told = TOLD * world.model.instructions_tokens
        self.agent = Agent(
            models=models, instructions=f"You are simulated.{told}", tools=tools, name="simulated",
            max_tokens=world.model.max_tokens,
        )  # fmt: skip
        self._expert = Agent(
            models=models, instructions="You are a simulated expert.", tools=tools, name="expert",
            max_tokens=world.model.max_tokens,
        )  # fmt: skip

    def _make_look_up(self) -> Tool[Any, Any]:
        async def look_up(context: RunContext, query: str) -> str:
            """Look something up."""
            return await self._work(context, query)

        return tool(look_up, name=LOOK_UP, effect="read", timeout_s=self._world.tool.timeout_s)

    def _make_note_down(self) -> Tool[Any, Any]:
        async def note_down(context: RunContext, query: str) -> str:
            """Note something down."""
            return await self._work(context, query, writes=True)

        return tool(note_down, name=NOTE_DOWN, effect="write", timeout_s=self._world.tool.timeout_s)

    async def _work(self, context: RunContext, query: str, *, writes: bool = False) -> str:
        ask, world = ASKING.get(), self._world
        self._observer.tool_called(ask, context, query, writes=writes)
        chance = draw(world.seed, ask.key, "tool", context.call_id)
        if chance.random() < world.tool.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(spread(world.tool.latency_s, world.model.spread, chance))
        ask.tools_done.add(context.idempotency_key)
        if chance.random() < world.tool.errors or query.endswith(FAILS):
            raise ToolError("the simulated tool failed")
        return f"found for @@{ask.canary}@@:{WORD * world.tool.result_tokens}"

    def _make_ask_expert(self) -> Tool[Any, Any]:
        async def ask_expert(context: RunContext, query: str) -> str:
            """Ask an expert."""
            ask = ASKING.get()
            self._observer.tool_called(ask, context, query)
            child = self._begin_child(ask)
            before = ASKING.set(child)  # a task of its own only where several tools run side by side
            how = "given up"
            try:
                result = await context.run_agent(self._expert, ask_in_words(child), limits=child.limits)
                how = child.stop_reason = result.stop_reason
            except SurefootError as error:
                how = error.code
                raise
            finally:
                ASKING.reset(before)
                self._observer.ended(child, how, acknowledged=bool(child.stop_reason))
            ask.tools_done.add(context.idempotency_key)
            return str(result.text)

        return tool(ask_expert, name=ASK_EXPERT, effect="read", timeout_s=4 * self._world.tool.timeout_s)

    def _begin_child(self, ask: Ask) -> Ask:
        ask.children += 1
        key = f"{ask.key}/{ask.children}"
        world, now = self._world, asyncio.get_running_loop().time()
        chance = draw(world.seed, "persona", key)
        persona = Persona(
            tool_steps=draw_steps(world.model.tool_steps / 2, chance),
            endless=chance.random() < world.model.endless,
            stream=False,
            cancel_after_s=0.0,
            question_tokens=5,
            circle=chance.choice(CIRCLES) if chance.random() < world.model.circles else "",
        )
        limits = Limits(steps=CHILD_STEPS, tokens=CHILD_TOKENS)
        child = Ask(
            ask.request,
            key,
            persona,
            now,
            parent=ask,
            limits=limits,
            host=ask.host,
            outcomes={},
            tools_done=set(),
            models=set(),
        )
        self._observer.asks[key] = child
        self._observer.cover("child runs")
        return child


def ask_in_words(ask: Ask) -> str:
    """The question."""
    return f"#{ask.key}# @@{ask.canary}@@{WORD * ask.persona.question_tokens}"


def draw_steps(mean: float, chance: Any) -> int:
    """Tool calls before the answer, geometric."""
    steps = 0
    while steps < 50 and chance.random() < mean / (1 + mean):
        steps += 1
    return steps
