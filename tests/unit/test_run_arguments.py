"""Slips of those who call: each is one clear error, before anything is taken or written."""

import asyncio
import math

import pytest
from tests.unit.audit import MANY, open_bench

from surefoot import Agent, Limits, RunContext, Runtime, tool
from surefoot.config import Settings
from surefoot.errors import ConfigError, StoreError
from surefoot.sections import SessionSettings
from surefoot.testing import ScriptedModel, call, say

ECHO = Agent(ScriptedModel(lambda messages, step: say(f"re {messages[-1].text}")))
NAMES = [5, b"u", ["u"], "\ud800", "u" * 513, "💣" * 129]
LIMITS = [0, -1, 10**30, 1_000_001, 1.5, "5", None, True]


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("openai:gpt-4.1", "the agent must be an Agent, not str: Agent('openai:gpt-4.1') makes one"),
        (None, "the agent must be an Agent, not NoneType: see surefoot.Agent"),
        (ECHO.model, "the agent must be an Agent, not ScriptedModel: see surefoot.Agent"),
    ],
)
async def test_an_agent_is_an_agent(bench, agent, told):
    for way in (bench.run, bench.stream):
        with pytest.raises(ConfigError) as caught:
            await way(agent, "q")
        assert str(caught.value) == told
    assert bench.runtime.admission.running == 0


@pytest.mark.parametrize("limits", [5, "x", {"usd": 1}, True, []])
async def test_limits_are_limits(bench, limits):
    for way in (bench.run, bench.stream):
        with pytest.raises(ConfigError) as caught:
            await way(ECHO, "q", limits=limits)
        assert str(caught.value) == f"limits={limits!r}: must be surefoot.Limits"
    assert (await bench.run(ECHO, "q", limits=Limits(steps=3))).output == "re q"


async def test_an_agent_of_a_tool_is_an_agent(bench):
    told = []

    @tool(effect="read")
    async def ask(ctx: RunContext) -> str:
        """Ask."""
        for agent, limits in (("openai:gpt-4.1", None), (ECHO, {"usd": 1})):
            with pytest.raises(ConfigError) as caught:
                await ctx.run_agent(agent, "q", limits=limits)
            told.append(str(caught.value))
        return "done"

    await bench.run(Agent(ScriptedModel([call("ask"), say("Done.")]), tools=[ask]))
    assert told == [
        "the agent must be an Agent, not str: Agent('openai:gpt-4.1') makes one",
        "limits={'usd': 1}: must be surefoot.Limits",
    ]


@pytest.mark.parametrize("limit", LIMITS)
async def test_how_many_a_list_may_have(bench, limit):
    for wanted in (bench.runtime.list_runs(limit=limit), bench.runtime.sessions.list(limit=limit)):
        with pytest.raises(ConfigError, match=r"limit=.*: must be a whole number from 1 to 1,000,000"):
            await wanted


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("whose", ["user", "session", "tenant"])
async def test_a_name_that_nobody_can_have_is_not_looked_for(bench, whose, name):
    """An empty list would say that there is nothing."""
    for wanted in (bench.runtime.list_runs(**{whose: name}), bench.runtime.sessions.list(**{whose: name})):
        with pytest.raises(ConfigError, match=f"{whose}="):
            await wanted


async def test_who_begins_and_ends_strangely_is_still_found(bench):
    """Whatever a name looks like, it is that name and no other: no pattern, no path, no two spellings of one."""
    names = [
        "",
        " ",
        "*",
        "%",
        "_",
        "user:*",
        "a/b",
        "../x",
        "a\nb",
        "\x00",
        "e\u0301",
        "é",
        "\u202e",
        "'; --",
        "💣" * 128,
    ]
    for name in names:
        await bench.run(ECHO, f"I am {name!r}", user=name, session="s")
    for name in names:
        (row,) = await bench.runtime.list_runs(user=name)
        assert (row.user, row.question) == (name, f"I am {name!r}")
        (session,) = await bench.runtime.sessions.list(user=name)
        assert (session.user, session.turns) == (name, 1)


@pytest.mark.parametrize("unused_s", [-1, -0.001, math.nan, -math.inf])
async def test_what_was_never_used_last_is_not_purged(bench, unused_s):
    """``-1`` deleted the conversations of everybody, those in use a second ago as well."""
    await bench.run(ECHO, "q", session="s")
    with pytest.raises(ConfigError, match=r"unused_s=.*: must be seconds, 0 or more"):
        await bench.runtime.sessions.purge(unused_s=unused_s)
    assert len(await bench.runtime.sessions.list()) == 1


async def test_a_runtime_that_is_not_open_says_so(tmp_path):
    runtime = Runtime(tmp_path / "x.db", settings=Settings())
    for work in (
        lambda: runtime.sessions.create(user="u"),
        lambda: runtime.sessions.erase(user="u"),
        runtime.sessions.purge,
        lambda: runtime.accounts.change_rule("user:*", "total", {"tokens": 5}),
    ):
        with pytest.raises(StoreError, match="is not open"):
            await work()
    async with runtime:
        with pytest.raises(ConfigError, match="is open already"):
            await runtime.__aenter__()
        assert (await runtime.run(ECHO, "q")).output == "re q"


@pytest.mark.parametrize("session", ["s", ""])
@pytest.mark.parametrize("how", ["run", "stream"])
async def test_whoever_is_cancelled_wherever_he_waits_leaves_nothing_behind(tmp_path, session, how):
    """A place, a slot, a turn, a hold: what a cancelled request has taken is given back, after any number of steps."""

    @tool(effect="read")
    async def look(page: int) -> str:
        """Look at a page."""
        await asyncio.sleep(0)
        return f"page {page}"

    agent = Agent(
        ScriptedModel(lambda messages, step: call("look", page=1) if messages[-1].role == "user" else say("Done.")),
        tools=[look],
    )
    settings = Settings(admission=MANY, sessions=SessionSettings(max_waiting=2))
    async with Runtime(tmp_path / "x.db", settings=settings) as runtime:
        await runtime.accounts.change_rule("global", "total", {"tokens": 10_000_000})

        async def ask():
            if how == "run":
                return (await runtime.run(agent, "q", user="u", session=session)).output
            return [event async for event in runtime.stream(agent, "q", user="u", session=session)][-1].output

        ended = 0
        for steps in range(120):
            task = asyncio.create_task(ask())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            ended += not task.cancelled()
            state = runtime.admission
            assert (state.running, state.waiting, state.inside, state.users) == (0, 0, 0, 0)
            assert runtime._starter.live == {}
            assert len(runtime._starter._turns.lines) == 0
        assert await ask() == "Done."
        for balance in await runtime.accounts.balances():
            assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)
        rows = await runtime.list_runs(limit=1_000)
        assert {row.status for row in rows} == {"finished"}
        assert balance.spent.tokens >= sum(row.tokens for row in rows)
