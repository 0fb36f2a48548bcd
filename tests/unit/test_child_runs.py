"""Runs that tools of a run begin: they live on its budget, pay from its accounts, and end with it."""

import asyncio
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.audit import open_bench

from surefoot import UNLIMITED, Agent, Limits, RunContext, Runtime, tool
from surefoot.budget.limits import INFINITE
from surefoot.config import Settings
from surefoot.errors import BudgetExceeded, ConfigError, ToolError
from surefoot.journal.events import ModelRequested, RunFinished, ToolFinished, ToolIntended
from surefoot.starter import MAX_DEPTH
from surefoot.testing import Price, ScriptedModel, call, calls, hang, say, status
from surefoot.types import Usage

PRICES = {"model": {"input": 2, "output": 8}, "other": {"input": 20, "output": 80}}
BILL = Price(2, 8)
CALLER = {"tenant": "acme", "user": "u1", "session": "s1"}
BUDGETS = {"tenant:acme": {"month": {"usd": 1_000, "tokens": 10**9, "steps": 10**6, "tool_calls": 10**6}}}


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def delegate_to(agent, limits=None, done=None):
    """A tool that has an agent do the work."""

    @tool(effect="read")
    async def delegate(ctx: RunContext, task: str) -> str:
        """Let somebody else do it."""
        result = await ctx.run_agent(agent, task, limits=limits)
        if done is not None:
            done.append(result)
        return result.text

    return delegate


def bench_of(folder, **settings):
    return open_bench(folder, prices=PRICES, budgets=BUDGETS, **settings)


def fan_out(number):
    return calls(*[call("delegate", task=f"part {n}") for n in range(number)])


async def balance_of(bench):
    (balance,) = await bench.runtime.accounts.balances(["tenant:acme"])
    return balance


async def check_accounts(bench, *models):
    """The account is charged what the provider bills for all runs together."""
    balance = await balance_of(bench)
    assert balance.spent.nano == sum(model.bill.nano for model in models)
    assert balance.spent.tokens == sum(model.bill.tokens for model in models)
    assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)
    runs = bench.store.live.values()
    assert balance.spent.steps == sum(run.state.steps for run in runs)
    assert balance.spent.model_calls == sum(run.state.model_calls for run in runs)
    assert balance.spent.tool_calls == sum(run.account.tool_calls for run in runs if run.parent is None)


def runs_of(bench):
    """The run at the top, and those below it."""
    runs = list(bench.store.live.values())
    return runs[0], runs[1:]


async def test_a_child_answers_for_the_tool_and_both_pay(tmp_path):
    done = []
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([call("look", page=1), say("It says page 1.")], prices=BILL)
        model = ScriptedModel([call("delegate", task="Look."), say("Done.")], prices=BILL)
        tools = [delegate_to(Agent(child, name="reader", tools=[look]), done=done)]
        result = await bench.run(Agent(model, tools=tools), **CALLER)
        assert [message.text for message in result.messages if message.role == "tool"] == ["It says page 1."]
        await check_accounts(bench, model, child)
        (inner,) = done
        assert result.budget.cost == model.bill.nano + child.bill.nano
        assert (result.budget.steps, result.budget.model_calls, result.budget.tool_calls) == (4, 4, 2)
        assert (inner.budget.steps, inner.cost) == (2, child.bill.nano)

        row, _ = await bench.runtime.read_run(inner.run_id)
        assert (row.parent, row.tenant, row.user, row.session) == (result.run_id, "acme", "u1", "s1")
        assert (row.steps, row.model_calls, row.tool_calls, row.nano) == (2, 2, 1, child.bill.nano)
        row, _ = await bench.runtime.read_run(result.run_id)
        assert (row.parent, row.steps, row.model_calls, row.tool_calls, row.nano) == ("", 2, 2, 1, model.bill.nano)

        assert [row.run_id for row in await bench.runtime.list_runs()] == [result.run_id]
        scanned = [row.run_id async for page in bench.runtime.scan_runs() for row in page]
        assert sorted(scanned) == sorted([result.run_id, inner.run_id])

        again = ScriptedModel([say("Yes.")])
        await bench.run(Agent(again), "And?", **CALLER)
        told = [message.text for message in again.requests[0].messages]
        assert "It says page 1." in told, "as the tool's result"
        assert "Look." not in [message.text for message in again.requests[0].messages if message.role == "user"]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 8),
    depth=st.integers(1, 3),
    limits=st.fixed_dictionaries(
        {
            "tokens": st.integers(1_500, 40_000),
            "usd": st.integers(3, 200).map(lambda thousandths: f"{thousandths / 1000}"),
            "steps": st.integers(1, 14),
            "model_calls": st.integers(1, 14),
            "tool_calls": st.integers(1, 14),
            "on_limit": st.sampled_from(["finish", "raise"]),
        }
    ),
    words=st.integers(1, 400),
    overloaded=st.booleans(),
)
def test_a_fan_out_never_exceeds_the_run_above(width, depth, limits, words, overloaded):
    async def check():
        with tempfile.TemporaryDirectory() as folder:
            async with bench_of(Path(folder)) as bench:
                head = [status(429)] if overloaded else []
                free = Limits(
                    tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED
                )
                leaf = ScriptedModel(
                    [*head, calls(call("look", page=1), call("look", page=2)), say("word " * words)], prices=BILL
                )
                agent, models = Agent(leaf, tools=[look], limits=free), [leaf]
                for _ in range(depth):
                    model = ScriptedModel([*head, fan_out(width), fan_out(2), say("All " * words)], prices=BILL)
                    models.append(model)
                    agent = Agent(model, tools=[delegate_to(agent)], limits=free)
                try:
                    result = await bench.run(agent, limits=Limits(**limits), **CALLER)
                except BudgetExceeded:
                    assert limits["on_limit"] == "raise"
                else:
                    assert result.stop_reason in {"final", "budget"}
                top, below = runs_of(bench)
                assert all(run.parent is not None for run in below)
                account, most = top.account, Limits(**limits)
                assert account.spent_tokens <= limits["tokens"]
                assert account.spent_nano <= most.nano
                assert account.steps <= limits["steps"]
                assert account.model_calls <= limits["model_calls"]
                assert account.tool_calls <= limits["tool_calls"]
                await check_accounts(bench, *models)

    asyncio.run(check())


@pytest.mark.parametrize("limits", [{"tokens": 30_000}, {"usd": "0.12"}])
@pytest.mark.parametrize("ends", ["well", "in failures"])
async def test_eight_children_wait_for_the_room_that_others_only_hold(tmp_path, limits, ends):
    """Two worst cases fit at once, and all eight together use little: nobody is refused, and no answer is cut."""
    done, most, together = [], [], 0

    async def answer(_messages, _step):
        nonlocal together
        together += 1
        most.append(together)
        await asyncio.sleep(0.01)
        together -= 1
        return say("Yes.") if ends == "well" else status(400)

    async with bench_of(tmp_path) as bench:
        child = ScriptedModel(answer, prices=BILL)
        agent = Agent(child, max_tokens=4_000)
        model = ScriptedModel([fan_out(8), say("Done.")], prices=BILL)
        tools = [delegate_to(agent, Limits(tokens=UNLIMITED, usd=UNLIMITED), done)]
        result = await bench.run(Agent(model, tools=tools, max_tokens=500), limits=Limits(**limits), **CALLER)
        assert result.output == "Done."
        top, below = runs_of(bench)
        if ends == "well":
            assert [(inner.stop_reason, inner.limit, inner.limit_message) for inner in done] == [("final", "", "")] * 8
        assert len(below) == 8
        asked = [request.max_tokens for request in child.requests]
        assert asked == [4_000] * 8, "what others hold makes no answer shorter"
        assert 2 <= max(most) < 8, "they share the room, and do not have it all at once"
        assert top.account.spent_tokens <= Limits(**limits).amounts().get("tokens", INFINITE)
        assert top.account.waiting == []
        await check_accounts(bench, model, child)


async def test_a_child_waits_no_longer_than_it_has_time(tmp_path):
    """The other call never ends: whoever waits for its room is told so in time to tell what was found."""
    done = []
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([hang()], prices=BILL)
        model = ScriptedModel([fan_out(2), say("In time.")], prices=BILL)
        tools = [delegate_to(Agent(child, max_tokens=4_000), Limits(tokens=UNLIMITED, seconds=1), done)]
        result = await bench.run(Agent(model, tools=tools, max_tokens=500), limits=Limits(tokens=11_000), **CALLER)
        assert result.output == "In time."
        assert len(child.requests) == 1
        assert [(inner.stop_reason, inner.limit) for inner in done] == [("budget", "seconds")] * 2
        assert runs_of(bench)[0].account.waiting == []


async def test_cancelling_a_child_that_waits_leaves_nobody_waiting(tmp_path):
    started = asyncio.Event()

    async def wait(_messages, _step):
        started.set()
        await asyncio.Event().wait()

    async with bench_of(tmp_path) as bench:
        child = ScriptedModel(wait, prices=BILL)
        model = ScriptedModel([fan_out(3), say("Done.")], prices=BILL)
        tools = [delegate_to(Agent(child, max_tokens=4_000), Limits(tokens=UNLIMITED))]
        agent = Agent(model, tools=tools, max_tokens=500)
        task = asyncio.create_task(bench.run(agent, limits=Limits(tokens=11_000), **CALLER))
        await started.wait()
        top, _ = runs_of(bench)
        async with asyncio.timeout(20):
            while len(top.account.waiting) < 2:  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(0)
        for run in [run for run in bench.store.runs_of().values() if run is not top]:
            assert await bench.runtime.cancel(run.run_id)
        assert (await task).output == "Done."
        assert top.account.waiting == []
        assert top.account.reserved == (0, 0)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"tokens": 12_000, "steps": 1_000, "model_calls": 1_000}, "tokens"),
        ({"usd": "0.03", "steps": 1_000, "model_calls": 1_000}, "usd"),
        ({"steps": 6}, "steps"),
        ({"model_calls": 6}, "model_calls"),
    ],
)
@pytest.mark.parametrize("words", [1, 60, 2_000])
async def test_the_run_above_still_gives_its_last_answer(tmp_path, limits, name, words):
    """Its children find 8 times more to do than there is budget, and have much to tell."""
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([*[call("look", page=n) for n in range(40)], say("x")], prices=BILL)
        talker = ScriptedModel([say("word " * words)], prices=BILL)
        agents = {"work": Agent(child, tools=[look]), "talk": Agent(talker)}

        @tool(effect="read")
        async def delegate(ctx: RunContext, task: str) -> str:
            """Let somebody else do it."""
            return (await ctx.run_agent(agents[task], "Go.")).text

        everybody = calls(*[call("delegate", task=task) for task in ["work", "talk"] * 4])
        model = ScriptedModel(lambda messages, step: everybody if step == 1 else "The last word.", prices=BILL)
        result = await bench.run(Agent(model, tools=[delegate], limits=Limits(**limits)), **CALLER)
        assert result.output == "The last word."
        assert result.limit in {"", name}
        assert len(runs_of(bench)[1]) == 8
        await check_accounts(bench, model, child, talker)


async def test_a_child_that_the_run_above_has_no_room_for_says_so(tmp_path):
    done = []
    async with bench_of(tmp_path) as bench:
        agent = Agent(ScriptedModel([say("never")]), instructions="word " * 400)
        model = ScriptedModel([call("delegate", task="x"), say("Done.")], prices=BILL)
        result = await bench.run(
            Agent(model, tools=[delegate_to(agent, done=done)], limits=Limits(tokens=4_000)), **CALLER
        )
        assert result.output == "Done."
        (inner,) = done
        assert (inner.stop_reason, inner.limit) == ("budget", "tokens")
        state = next(run.state for run in bench.store.live.values() if run.run_id == inner.run_id)
        assert "the run above leaves" in state.shortage.message
        await check_accounts(bench, model)


async def test_a_child_s_own_limits_hold_beside_those_above(tmp_path):
    done = []
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([call("look", page=1), call("look", page=2), say("Done.")])
        model = ScriptedModel([call("delegate", task="x"), say("Done.")])
        tools = [delegate_to(Agent(child, tools=[look]), Limits(steps=2), done)]
        result = await bench.run(Agent(model, tools=tools), **CALLER)
        assert result.stop_reason == "final"
        assert (done[0].limit, done[0].budget.steps) == ("steps", 2)


async def test_a_child_that_fails_is_an_observation(tmp_path):
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([call("look", page=1)])
        model = ScriptedModel([call("delegate", task="x"), say("Done.")])
        tools = [delegate_to(Agent(child, tools=[look]), Limits(steps=1, on_limit="raise"))]
        result = await bench.run(Agent(model, tools=tools), **CALLER)
        (told,) = [message for message in result.messages if message.role == "tool"]
        assert (result.output, told.is_error) == ("Done.", True)
        assert "delegate failed: BudgetExceeded" in told.text


async def test_the_key_of_a_call_stays_the_same_while_children_run(tmp_path):
    keys = {}
    async with bench_of(tmp_path) as bench:
        agent = Agent(ScriptedModel([say("Hi.")]))

        @tool(effect="read")
        async def delegate(ctx: RunContext, task: str) -> str:
            """Let somebody else do it."""
            keys[ctx.call_id] = ctx.idempotency_key
            return (await ctx.run_agent(agent, task)).text

        result = await bench.run(Agent(ScriptedModel([fan_out(8), say("Done.")]), tools=[delegate]), **CALLER)
        _, events = await bench.runtime.read_run(result.run_id)
        assert keys == {e.call.id: e.idempotency_key for e in events if isinstance(e, ToolIntended)}
        assert [(e.hold, e.step) for e in events if isinstance(e, ModelRequested)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("way", ["run", "task", "child"])
async def test_cancelling_settles_everything(tmp_path, way):
    started = asyncio.Event()
    count = 0

    async def wait(_messages, _step):
        nonlocal count
        count += 1
        if count == 4:
            started.set()
        await asyncio.Event().wait()

    async with bench_of(tmp_path) as bench:
        child = ScriptedModel(wait, prices=BILL)
        model = ScriptedModel([fan_out(4), say("Done.")], prices=BILL)
        task = asyncio.create_task(bench.run(Agent(model, tools=[delegate_to(Agent(child))]), **CALLER))
        await started.wait()
        top, below = runs_of(bench)
        assert (await balance_of(bench)).reserved_tokens > 0
        if way == "run":
            assert await bench.runtime.cancel(top.run_id)
            assert (await task).stop_reason == "cancelled"
        elif way == "task":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            for run in below:
                assert await bench.runtime.cancel(run.run_id)
            assert (await task).output == "Done."
        for run in below:
            state = await bench.audit(run.run_id)
            assert (state.finished.stop_reason, state.holds) == ("cancelled", {})
        balance = await balance_of(bench)
        assert balance.reserved_tokens == 0
        assert balance.spent.tokens == sum(run.state.tokens for run in [top, *below])
        assert len(await bench.runtime.accounts.unknown_holds()) == 4


async def test_closing_the_runtime_ends_parents_and_children(tmp_path):
    started = asyncio.Event()

    async def wait(_messages, _step):
        started.set()
        await asyncio.Event().wait()

    async with Runtime(tmp_path / "bench.db", settings=Settings(prices=PRICES, budgets=BUDGETS)) as runtime:
        model = ScriptedModel([fan_out(2), say("never")])
        agent = Agent(model, tools=[delegate_to(Agent(ScriptedModel(wait)))])
        task = asyncio.create_task(runtime.run(agent, "Go.", **CALLER))
        await started.wait()
    assert (await task).stop_reason == "cancelled"
    async with bench_of(tmp_path) as again:
        rows = [row async for page in again.runtime.scan_runs() for row in page]
        assert [(row.status, row.stop_reason) for row in rows] == [("finished", "cancelled")] * 3
        assert (await balance_of(again)).reserved_tokens == 0


async def test_the_deadline_of_the_run_above_bounds_its_children(tmp_path):
    done = []
    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([call("delegate", task="x"), say("In time.")])
        agent = Agent(model, tools=[delegate_to(Agent(ScriptedModel([hang()])), done=done)], limits=Limits(seconds=2))
        result = await bench.run(agent, **CALLER)
        assert (result.output, result.limit) == ("In time.", "seconds")
        top, (inner,) = runs_of(bench)
        assert inner.account.deadline <= top.account.soft_deadline
        assert (await balance_of(bench)).reserved_tokens == 0


async def test_children_nest_so_deep_and_no_deeper(tmp_path):
    errors = []

    @tool(effect="read")
    async def deeper(ctx: RunContext, task: str) -> str:
        """Let somebody else do it."""
        try:
            return (await ctx.run_agent(agent, task, limits=Limits(tokens=UNLIMITED))).text
        except ToolError as error:
            errors.append(str(error))
            raise

    async with bench_of(tmp_path) as bench:
        model = ScriptedModel([call("deeper", task="x"), say("Done.")], prices=BILL)
        agent = Agent(model, tools=[deeper], limits=Limits(tokens=UNLIMITED, steps=100))
        assert (await bench.run(agent, **CALLER)).output == "Done."
        assert errors == [f"agents may run agents {MAX_DEPTH} deep, and this one is there"]
        assert len(bench.store.live) == MAX_DEPTH + 1
        await check_accounts(bench, model)


async def test_an_unknown_price_is_refused_under_any_run_above_that_limits_dollars(tmp_path):
    obscure = ScriptedModel([say("never")])
    obscure.profile = replace(obscure.profile, provider="obscure", name="obscure")
    lifted = Limits(usd=UNLIMITED)
    async with open_bench(tmp_path, prices=PRICES) as bench:
        middle = ScriptedModel([call("delegate", task="x"), say("middle")])
        agent = Agent(middle, tools=[delegate_to(Agent(obscure, limits=lifted))], limits=lifted)
        model = ScriptedModel([call("delegate", task="x"), say("Done.")])
        await bench.run(Agent(model, tools=[delegate_to(agent)], limits=Limits(usd=1)))
        assert obscure.requests.total == 0
        told = [m.text for run in bench.store.live.values() for m in run.state.messages if m.is_error]
        assert "no price is known for" in told[0]


async def test_a_child_may_be_frozen_out_by_an_account(tmp_path):
    async with open_bench(tmp_path, prices=PRICES, budgets={"user:u1": {"day": {"model_calls": 1}}}) as bench:
        child = ScriptedModel([say("never")])
        model = ScriptedModel([call("delegate", task="x"), say("never")])
        result = await bench.run(Agent(model, tools=[delegate_to(Agent(child))]), user="u1")
        assert (result.stop_reason, result.limit, child.requests.total) == ("budget", "model_calls", 0)
        (_, (inner,)) = runs_of(bench)
        assert inner.state.shortage.account == "user:u1"


async def test_an_overrun_of_a_child_is_an_overrun_of_the_run_above(tmp_path):
    async with bench_of(tmp_path) as bench:
        child = ScriptedModel([say("x", usage=Usage(10, 9_000))])
        model = ScriptedModel([call("delegate", task="x"), say("never")])
        result = await bench.run(Agent(model, tools=[delegate_to(Agent(child, max_tokens=100))]), **CALLER)
        assert result.limit == "frozen"
        assert result.budget.overrun_tokens > 8_000
        assert (await balance_of(bench)).frozen


async def test_a_context_without_a_runtime_cannot_run_an_agent():
    context = RunContext(user="", session="", run_id="r", call_id="c", idempotency_key="k", deadline=1.0)
    with pytest.raises(ToolError, match="belongs to no runtime"):
        await context.run_agent(Agent(ScriptedModel([])), "Go.")


async def test_a_run_that_has_ended_begins_no_children(tmp_path):
    kept = []

    @tool(effect="read")
    async def keep(ctx: RunContext) -> str:
        """Keep the context for later."""
        kept.append(ctx)
        return "kept"

    async with bench_of(tmp_path) as bench:
        await bench.run(Agent(ScriptedModel([call("keep"), say("Done.")]), tools=[keep]), **CALLER)
        with pytest.raises(ConfigError, match="has ended"):
            await kept[0].run_agent(Agent(ScriptedModel([say("x")])), "Go.")


async def test_results_are_cut_so_that_children_cannot_crowd_out_the_answer(tmp_path):
    """A quick talker first: what it says may not use what another child and the answer need."""
    async with bench_of(tmp_path) as bench:
        talker = ScriptedModel([say("word " * 4_000)], prices=BILL, max_output_tokens=20_000)
        model = ScriptedModel([fan_out(3), say("Done.")], prices=BILL)
        result = await bench.run(
            Agent(model, tools=[delegate_to(Agent(talker))], limits=Limits(tokens=20_000)), **CALLER
        )
        assert result.output == "Done."
        _, events = await bench.runtime.read_run(result.run_id)
        assert any(event.cut_bytes for event in events if isinstance(event, ToolFinished))
        assert isinstance(events[-1], RunFinished)
        await check_accounts(bench, talker, model)


async def test_a_blocking_tool_cannot_run_an_agent_in_a_loop_of_its_own(tmp_path):
    """It would wait for ever for what the other loop does, and keep its thread."""

    @tool(effect="read")
    def blocking(ctx: RunContext) -> str:
        """Try."""
        return asyncio.run(ctx.run_agent(Agent(ScriptedModel([say("never")])), "Go.")).text

    async with bench_of(tmp_path) as bench:
        result = await bench.run(Agent(ScriptedModel([call("blocking"), say("Done.")]), tools=[blocking]), **CALLER)
        (told,) = [message.text for message in result.messages if message.role == "tool"]
        assert "only an async tool can run an agent" in told
        assert bench.runtime._starter.live == {}


async def test_a_child_that_nobody_waits_for_ends_with_its_parent(tmp_path):
    children, began = [], asyncio.Event()

    def wait(messages, step):
        began.set()
        return hang()

    @tool(effect="read")
    async def detach(ctx: RunContext) -> str:
        """Begin a child, and do not wait for it."""
        children.append(asyncio.create_task(ctx.run_agent(Agent(ScriptedModel(wait)), "Go.")))
        await began.wait()
        return "begun"

    async with bench_of(tmp_path) as bench:
        await bench.run(Agent(ScriptedModel([call("detach"), say("Done.")]), tools=[detach]), **CALLER)
        child = await children[0]
        assert child.stop_reason == "cancelled"
        for balance in await bench.runtime.accounts.balances():
            assert (balance.reserved_tokens, balance.reserved_nano) == (0, 0)


class Unsearched(dict):
    """The live runs; whoever goes through all of them to end one is slow when there are many."""

    def values(self):
        raise AssertionError("all live runs were searched")

    items = __iter__ = values


async def test_ending_a_run_looks_at_its_children_only(tmp_path):
    """With 5,000 runs, each of which looks through all others at its end, that is 25 million looks."""
    agent = Agent(ScriptedModel([say("Yes.")] * 3))
    outer = Agent(ScriptedModel([fan_out(3), say("Done.")]), tools=[delegate_to(agent)])
    async with Runtime(tmp_path / "children.db", settings=Settings()) as runtime:
        starter = runtime._starter
        starter.live = Unsearched()
        result = await runtime.run(outer, "Go.")
        assert result.output == "Done."
        assert (len(starter.live), starter._children) == (0, {})
        starter.live = {}  # the runtime's end does go through them


async def test_a_child_that_is_being_prepared_when_its_parent_ends_does_not_begin(tmp_path):
    """It would be nobody's: whoever ends a run ends the children that have begun."""
    gate, children, never = threading.Event(), [], []

    def answer(messages, step):
        never.append(messages)
        return say("never")

    @tool(effect="read")
    async def detach(ctx: RunContext) -> str:
        """Begin a child, and do not wait for it."""
        executor = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(executor)
        executor.submit(gate.wait)  # what the child's preparation needs a thread for waits
        model = ScriptedModel(answer)
        model.profile = replace(model.profile, provider="openai", name="gpt-4.1", context_tokens=0)
        children.append(asyncio.create_task(ctx.run_agent(Agent(model), "Go.")))
        await asyncio.sleep(0)
        return "begun"

    async with Runtime(tmp_path / "children.db", settings=Settings()) as runtime:
        agent = Agent(ScriptedModel([call("detach"), say("Done.")]), tools=[detach])
        try:
            assert (await runtime.run(agent, "Go.")).output == "Done."
        finally:
            gate.set()
        with pytest.raises(ConfigError, match="has ended"):
            await children[0]
        assert never == []
        assert runtime._starter.live == {}
