"""Admission before real runs: a real runtime, a real store, the fake provider over HTTP."""

import asyncio
from collections import Counter

import pytest
from tests.unit.audit import MANY, open_bench

from surefoot import Agent, Limits, Runtime, tool
from surefoot.config import Settings
from surefoot.errors import TooManyRequests
from surefoot.journal.events import RunStarted
from surefoot.providers import Provider
from surefoot.run_context import RunContext
from surefoot.sections import AdmissionSettings, StoreSettings
from surefoot.testing import FakeProvider, ScriptedModel, call, say

DEFAULTS = AdmissionSettings()


class Gate:
    """A model that answers when the gate opens."""

    def __init__(self, runs=1):
        self.asked = 0
        self.runs = runs
        self.reached = asyncio.Event()  # by so many runs
        self.opened = asyncio.Event()
        self.model = ScriptedModel(self.answer)

    async def answer(self, messages, step):
        self.asked += 1
        if self.asked == self.runs:
            self.reached.set()
        await self.opened.wait()
        return say("Fine.")


def settings_for(provider, **section):
    return Settings(
        store=StoreSettings(durability="relaxed"),
        providers={"fake": Provider(provider.base_url, api_key_env="", needs_key=False, free=True)},
        admission=AdmissionSettings(**section),
    )


async def ask_all(runtime, askers):
    agent = Agent("fake:m", limits=Limits(usd="1"))
    runs = [runtime.run(agent, "How are you?", user=user) for user in askers]
    return await asyncio.gather(*runs, return_exceptions=True)


def admits(askers, *, runs, queue, per_minute):
    """Which of the requests that come at the same moment are let in: by counting, and nothing else."""
    inside = Counter()
    let_in = []
    for user in askers:
        reason = "rate" if inside[user] >= per_minute else "queue" if inside[user] >= runs + queue else ""
        inside[user] += not reason
        let_in.append(reason)
    return let_in


@pytest.mark.parametrize(
    ("requests", "users", "section"),
    [
        (100, 20, {"user_runs": 5, "user_queue": 5}),  # raised accordingly
        (100, 20, {}),
        (300, 5, {}),
        (300, 7, {"user_requests_per_minute": 10}),
        (120, 3, {"user_runs": 1, "user_queue": 4}),
    ],
)
async def test_of_many_at_once_exactly_those_are_refused_whom_the_limits_imply(tmp_path, requests, users, section):
    askers = [f"u{number * number % users}" for number in range(requests)]
    if users == 20:
        askers = [f"u{number % users}" for number in range(requests)]
    limits = {"user_runs": 3, "user_queue": 20, "user_requests_per_minute": 30} | section
    expected = admits(
        askers,
        runs=limits["user_runs"],
        queue=limits["user_queue"],
        per_minute=limits["user_requests_per_minute"],
    )
    async with FakeProvider(lambda request: say("Fine."), api_key="") as provider:
        async with Runtime(tmp_path / "a.db", settings=settings_for(provider, **section)) as runtime:
            results = await ask_all(runtime, askers)
            reasons = [result.reason if isinstance(result, TooManyRequests) else "" for result in results]
            assert reasons == expected
            assert {result.output for result in results if not isinstance(result, BaseException)} == {"Fine."}
            counts = Counter(expected)
            assert {
                reason: counts[reason] for reason in ("rate", "queue", "deadline", "load")
            } == runtime.admission.refused
            assert len(await runtime.list_runs(limit=1_000)) == counts[""]
        assert provider.stats.requests == counts[""]  # of a refused one no byte has left
    if requests == 100:
        assert counts[""] == 100


async def test_never_more_runs_of_a_user_than_the_limit_and_the_others_wait_in_order(tmp_path):
    gate = Gate(runs=3)
    async with open_bench(tmp_path, admission=DEFAULTS) as bench:
        agent = Agent(gate.model)
        tasks = [asyncio.create_task(bench.run(agent, f"q{n}", user="u")) for n in range(10)]
        await gate.reached.wait()
        assert (bench.runtime.admission.running, bench.runtime.admission.waiting) == (3, 7)
        assert gate.asked == 3
        gate.opened.set()
        await asyncio.gather(*tasks)
        asked = [row.question for row in reversed(await bench.runtime.list_runs())]
        assert (sorted(asked[:3]), asked[3:]) == (["q0", "q1", "q2"], [f"q{n}" for n in range(3, 10)])


async def test_what_a_request_waited_is_in_its_journal_and_counts_against_its_seconds(tmp_path):
    gate = Gate()
    async with open_bench(tmp_path, admission=AdmissionSettings(user_runs=1)) as bench:
        first = asyncio.create_task(bench.run(Agent(gate.model), "q0", user="u"))
        second = asyncio.create_task(bench.run(Agent(gate.model, limits=Limits(seconds=60)), "q1", user="u"))
        await asyncio.sleep(0.05)
        gate.opened.set()
        ended = [await first, await second]
        started = []
        for result in ended:
            _, events = await bench.runtime.read_run(result.run_id)
            assert isinstance(events[0], RunStarted)
            started.append(events[0])
        assert started[0].waited_ms == 0
        assert started[1].waited_ms >= 40
        assert ended[1].budget.seconds >= started[1].waited_ms / 1e3


async def test_who_waits_in_a_session_takes_no_slot_and_not_longer_than_anybody(tmp_path):
    gate = Gate()
    async with open_bench(tmp_path, admission=AdmissionSettings(max_wait_s=0.05)) as bench:
        agent = Agent(gate.model)
        first = asyncio.create_task(bench.run(agent, "q0", user="u", session="s"))
        await gate.reached.wait()
        second = asyncio.create_task(bench.run(agent, "q1", user="u", session="s"))
        await asyncio.sleep(0)
        assert (bench.runtime.admission.running, bench.runtime.admission.waiting) == (1, 1)
        with pytest.raises(TooManyRequests, match=r"it has waited for 0\.05 s, and nobody waits for more than 0\.05 s"):
            await second
        gate.opened.set()
        assert (await first).output == "Fine."


@pytest.mark.parametrize("session", ["", "s"])
async def test_a_waiting_run_that_is_cancelled_leaves_no_trace(tmp_path, session):
    gate = Gate()
    async with open_bench(tmp_path, admission=AdmissionSettings(user_runs=1)) as bench:
        agent = Agent(gate.model)
        first = asyncio.create_task(bench.run(agent, "q0", user="u", session="a"))
        await gate.reached.wait()
        second = asyncio.create_task(bench.run(agent, "q1", user="u", session=session))
        stream = bench.runtime.stream(agent, "q2", user="u", session=session)
        third = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.01)
        assert bench.runtime.admission.waiting == 2
        second.cancel()
        third.cancel()
        await asyncio.gather(second, third, return_exceptions=True)
        assert (bench.runtime.admission.running, bench.runtime.admission.waiting) == (1, 0)
        gate.opened.set()
        await first
        assert len(await bench.runtime.list_runs()) == 1


@pytest.mark.parametrize("user", ["u", "other"])
@pytest.mark.parametrize("way", ["at once", "task", "thread"])
async def test_runs_that_begin_runs_of_one_user_do_not_wait_for_each_other(tmp_path, way, user):
    inner = Agent(ScriptedModel([say("inner")]))

    async with open_bench(tmp_path, admission=AdmissionSettings(user_runs=1, runs=1, max_wait_s=1_000.0)) as bench:
        loop = asyncio.get_running_loop()

        @tool
        async def ask() -> str:
            """Ask another agent."""
            run = bench.runtime.run(inner, "inner", user=user)
            return (await (asyncio.create_task(run) if way == "task" else run)).output

        @tool(name="ask")
        def ask_in_thread() -> str:
            """Ask another agent."""
            run = bench.runtime.run(inner, "inner", user=user)
            return asyncio.run_coroutine_threadsafe(run, loop).result().output

        tools = [ask_in_thread if way == "thread" else ask]
        agent = Agent(ScriptedModel([call("ask"), say("outer")]), tools=tools)
        results = await asyncio.gather(*[bench.run(agent, "outer", user="u") for _ in range(3)])
        assert [result.output for result in results] == ["outer"] * 3
        assert [m.text for result in results for m in result.messages if m.role == "tool"] == ["inner"] * 3


async def test_children_of_runs_are_not_asked(tmp_path):
    inner = Agent(ScriptedModel([say("inner")]))

    @tool
    async def ask(ctx: RunContext) -> str:
        """Ask another agent."""
        return (await ctx.run_agent(inner, "inner")).output

    async with open_bench(tmp_path, admission=AdmissionSettings(user_requests_per_minute=1, user_runs=1)) as bench:
        agent = Agent(ScriptedModel([call("ask"), say("outer")]), tools=[ask])
        assert (await bench.run(agent, "outer", user="u")).output == "outer"
        with pytest.raises(TooManyRequests, match="user 'u' has used up its 1 requests per minute"):
            await bench.runtime.run(agent, "outer", user="u")


async def test_a_run_that_cannot_begin_gives_its_slot_back(tmp_path):
    async with open_bench(tmp_path, admission=AdmissionSettings(user_runs=1, user_queue=1)) as bench:
        for _ in range(5):
            with pytest.raises(Exception, match="no provider"):
                await bench.runtime.run(Agent("nowhere:m"), "q", user="u")
        assert bench.runtime.admission.running == 0


def test_the_tests_of_other_things_raise_no_limit_that_they_do_not_need():
    assert (MANY.runs, MANY.tenant_runs, MANY.max_wait_s) == (DEFAULTS.runs, DEFAULTS.tenant_runs, DEFAULTS.max_wait_s)
