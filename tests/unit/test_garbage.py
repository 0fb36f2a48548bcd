"""A run leaves nothing to the garbage collector: its memory is free when it ends, however rarely collections come."""

import asyncio
import gc
import types
from contextlib import aclosing

import pytest

from surefoot import Agent, RunContext, Runtime, tool
from surefoot.admission import Ticket
from surefoot.budget.ledger import Account
from surefoot.config import Settings
from surefoot.growing_prompt import GrowingPrompt
from surefoot.journal.fold import RunState
from surefoot.model_call import ModelCall
from surefoot.passage import Passage
from surefoot.run import Run
from surefoot.sections import StoreSettings
from surefoot.testing import ScriptedModel, call, say
from surefoot.turns import UserLevel

OF_A_RUN = (Run, RunState, RunContext, ModelCall, GrowingPrompt, Passage, Account, Ticket, UserLevel)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


@tool(effect="read")
async def ask_another(ctx: RunContext, question: str) -> str:
    """Ask another agent."""
    return (await ctx.run_agent(Agent(ScriptedModel([say("It is so.")])), question)).text


@tool(effect="read")
async def wait_forever(ctx: RunContext) -> str:
    """Wait."""
    ctx.deps.set_result(ctx.run_id)
    await asyncio.get_running_loop().create_future()
    return ""


@pytest.fixture
async def runtime(tmp_path):
    async with Runtime(settings=Settings(store=StoreSettings(str(tmp_path / "runs.db")))) as runtime:
        yield runtime


async def run_to_its_end(runtime):
    agent = Agent(ScriptedModel([call("look", page=1), say("Done.")]), tools=[look])
    assert (await runtime.run(agent, "Go.", user="u")).text == "Done."


async def run_in_a_session(runtime):
    for answer in ("Done.", "Again."):
        agent = Agent(ScriptedModel([say(answer)]))
        assert (await runtime.run(agent, "Go.", user="u", session="s")).text == answer


async def stream(runtime):
    agent = Agent(ScriptedModel([call("look", page=1), say("Done.")]), tools=[look])
    async with aclosing(runtime.stream(agent, "Go.", user="u")) as events:
        assert [event async for event in events]


async def run_a_child(runtime):
    agent = Agent(ScriptedModel([call("ask_another", question="Is it so?"), say("Yes.")]), tools=[ask_another])
    assert (await runtime.run(agent, "Ask.", user="u")).text == "Yes."


async def stop_a_run(runtime):
    agent = Agent(ScriptedModel([call("wait_forever"), say("Never.")]), tools=[wait_forever])
    begun = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(runtime.run(agent, "Go.", user="u", deps=begun))
    assert await runtime.cancel(await begun)
    assert (await task).stop_reason == "cancelled"


def find_left() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, OF_A_RUN)]


@pytest.mark.parametrize("play", [run_to_its_end, run_in_a_session, stream, run_a_child, stop_a_run])
async def test_a_run_leaves_no_cycle_behind(runtime: Runtime, play: types.FunctionType):
    await play(runtime)  # what is kept of an agent, a session and a user is there after this
    gc.collect()
    before = find_left()
    gc.disable()
    try:
        for _ in range(3):
            await play(runtime)
        left = [one for one in find_left() if not any(one is other for other in before)]
    finally:
        gc.enable()
    assert left == []
