"""The front door: running, streaming, cancelling, sessions, and an orderly end. Ctrl-C is tested in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from itertools import pairwise

import pytest
from tests.unit.audit import open_bench

from surefoot import UNLIMITED, Agent, Limits, RunContext, Runtime, tool
from surefoot.clock import SystemClock
from surefoot.config import Settings
from surefoot.errors import (
    BudgetExceeded,
    ConfigError,
    ModelRefused,
    NotFound,
    PriceUnknown,
    StoreError,
    TooManyRequests,
)
from surefoot.journal.events import ModelRequested, RunFinished, RunStarted, TextDelta
from surefoot.journal.fold import fold
from surefoot.once import run_sync
from surefoot.providers import Provider
from surefoot.sections import StoreSettings
from surefoot.store.sqlite import SqliteStore
from surefoot.testing import FakeProvider, ScriptedModel, call, calls, hang, say, status
from surefoot.types import Money


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


class Waiting:
    """A model that says when it has been asked, and answers when it is let."""

    def __init__(self, answer="Done."):
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.model = ScriptedModel(self._reply)
        self.answer = answer

    async def _reply(self, messages, step):
        self.asked.set()
        await self.go_on.wait()
        return say(self.answer)


def only(bench):
    (run_id,) = bench.store.live
    return run_id


# --- before a run


async def test_it_must_be_open():
    runtime = Runtime("never.db", settings=Settings())
    with pytest.raises(ConfigError, match="the runtime is not open: use it inside `async with Runtime"):
        await runtime.run(Agent(ScriptedModel([say("x")])), "Go.")


async def test_an_unknown_price_is_refused_before_any_byte(tmp_path):
    async with FakeProvider([say("x")], api_key="") as provider:
        async with open_bench(tmp_path, providers={"fake": Provider(provider.base_url, needs_key=False)}) as bench:
            error = await bench.fails(PriceUnknown, Agent("fake:unheard-of"))
            assert "unheard-of" in str(error)
            assert provider.stats.requests == 0
            assert bench.store.live == {}
            result = await bench.run(Agent("fake:unheard-of"), limits=Limits(usd=UNLIMITED))
            assert (result.output, result.cost) == ("x", None)
        async with asyncio.timeout(20):
            while provider.stats.connections:  # noqa: ASYNC110 - they are given up with the runtime
                await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("nobody:m", NotFound, "no provider 'nobody'"),
        ("deepseek:deepseek-chat", ConfigError, "DEEPSEEK_API_KEY"),
        ("gpt", ConfigError, "provider:name"),
    ],
)
async def test_a_model_that_cannot_be_had_leaves_no_run(bench, monkeypatch, *, model, error, message):
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    await bench.fails(error, Agent(model), match=message)
    assert bench.store.live == {}


@pytest.mark.parametrize("options", [{"user": "\ud800"}, {"session": 5}, {"user": None}])
async def test_names_must_be_text_that_can_be_kept(bench, options):
    await bench.fails(ConfigError, Agent(ScriptedModel([say("x")])), match="must be text", **options)
    assert bench.store.live == {}


async def test_the_question_must_be_text(bench):
    await bench.fails(ConfigError, Agent(ScriptedModel([])), question=5, match="the question must be text, not int")


@pytest.mark.parametrize("store", ["postgresql://host/db", "mysql://user:secret@host/db"])
def test_another_database_is_refused_without_its_password(store):
    with pytest.raises(ConfigError, match="only a SQLite file is supported") as caught:
        Runtime(store, settings=Settings())
    assert "secret" not in str(caught.value)


async def test_a_database_that_cannot_be_opened(tmp_path):
    (tmp_path / "not.db").write_text("this is no database, and long enough to be taken for one " * 40)
    for path, message in [
        (tmp_path / "none" / "x.db", "its directory does not exist"),
        (tmp_path / "not.db", "is not an SQLite"),
    ]:
        with pytest.raises(StoreError, match=message):
            async with Runtime(path, settings=Settings()):
                pass


async def test_settings_come_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUREFOOT_STORE", raising=False)
    (tmp_path / "surefoot.toml").write_text('[store]\npath = "mine.db"\n[limits]\nsteps = 1\n')
    async with Runtime() as runtime:
        result = await runtime.run(Agent(ScriptedModel([say("x")])), "Go.")
    assert (result.stop_reason, result.limit) == ("budget", "steps")
    assert (tmp_path / "mine.db").exists()


async def test_the_nearest_limits_hold(tmp_path):
    async with open_bench(tmp_path, limits={"tokens": 1_111}) as bench:
        model = ScriptedModel([say("x")])
        for agent_limits, call_limits, expected in [
            (None, None, 1_111), (Limits(tokens=2_222), None, 2_222), (Limits(tokens=2_222), Limits(tokens=3_333), 3_333),
        ]:  # fmt: skip
            result = await bench.run(Agent(model, limits=agent_limits), limits=call_limits)
            _, events = await bench.runtime.read_run(result.run_id)
            assert events[0].limits["tokens"] == expected


async def test_wrong_limits_in_the_settings_are_named():
    with pytest.raises(ConfigError, match=r"\[limits\]: .*steps"):
        Runtime("x.db", settings=Settings(limits={"steps": 0}))


# --- reading runs


async def test_runs_are_listed_and_read_by_the_beginning_of_their_id(bench):
    agent = Agent(ScriptedModel([say("x")]), name="desk")
    first = await bench.run(agent, "One?", user="u", session="s")
    second = await bench.run(agent, "Two?", user="v")
    assert [row.run_id for row in await bench.runtime.list_runs()] == [second.run_id, first.run_id]
    assert [row.question for row in await bench.runtime.list_runs(user="u", session="s")] == ["One?"]
    assert len(await bench.runtime.list_runs(limit=1)) == 1
    row, events = await bench.runtime.read_run(second.run_id[:-3])
    assert (row.agent, row.model, row.user, row.stop_reason) == ("desk", "scripted:model", "v", "final")
    assert fold(events).messages[-1].text == "x"
    with pytest.raises(NotFound, match="no run 'run_nothing'; `surefoot runs` lists what there is"):
        await bench.runtime.read_run("run_nothing")


# --- cancelling


async def test_cancelling_a_run_returns_what_there_is(bench):
    waiting = Waiting()
    task = asyncio.create_task(bench.run(Agent(waiting.model)))
    await waiting.asked.wait()
    assert await bench.runtime.cancel(only(bench)) is True
    assert await bench.runtime.cancel(only(bench)) in {True, False}  # asking twice changes nothing
    result = await task
    assert (result.stop_reason, result.output, result.budget.model_calls) == ("cancelled", "", 1)
    assert result.budget.tokens > 0
    assert await bench.runtime.cancel(result.run_id) is False
    assert await bench.runtime.cancel("run_nothing") is False


async def test_a_task_goes_on_unhurt_after_its_run_was_cancelled(bench):
    waiting = Waiting()

    async def work():
        async with asyncio.timeout(30):
            result = await bench.run(Agent(waiting.model))
            await asyncio.sleep(0)
            return result.stop_reason, asyncio.current_task().cancelling()

    task = asyncio.create_task(work())
    await waiting.asked.wait()
    await bench.runtime.cancel(only(bench))
    assert await task == ("cancelled", 0)


async def test_a_task_that_is_cancelled_as_well_is_cancelled(bench):
    """Whoever cancels the task must not be taken for whoever cancels the run."""
    waiting = Waiting()
    task = asyncio.create_task(bench.run(Agent(waiting.model)))
    await waiting.asked.wait()
    await bench.runtime.cancel(only(bench))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await bench.last()).finished.stop_reason == "cancelled"


async def test_a_cancellation_of_the_run_while_its_task_is_being_cancelled(bench):
    waiting = Waiting()
    task = asyncio.create_task(bench.run(Agent(waiting.model)))
    await waiting.asked.wait()
    task.cancel()
    await asyncio.sleep(0)
    await bench.runtime.cancel(only(bench))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await bench.last()).finished.stop_reason == "cancelled"


async def test_a_timeout_around_a_run_is_a_timeout(bench):
    limit = asyncio.timeout(None)

    def reply(messages, step):
        limit.reschedule(asyncio.get_running_loop().time())
        return hang()

    with pytest.raises(TimeoutError):
        async with limit:
            await bench.run(Agent(ScriptedModel(reply)))
    assert (await bench.last()).finished.stop_reason == "cancelled"


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("way", ["run", "stream"])
async def test_a_tool_may_cancel_its_own_run(bench, parallel, way):
    @tool(effect="read")
    async def stop(ctx: RunContext) -> str:
        """Stop."""
        assert await bench.runtime.cancel(ctx.run_id)
        return "stopped"

    asked = calls(call("stop"), call("look", page=1)) if parallel else call("stop")
    model = ScriptedModel([asked, say("never")])
    await getattr(bench, way)(Agent(model, tools=[stop, look]))
    state = await bench.last()
    assert state.finished.stop_reason == "cancelled"
    assert model.requests.total == 1
    assert asyncio.current_task().cancelling() == 0


async def test_cancelling_while_a_tool_runs(bench):
    running = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        running.set()
        await asyncio.get_running_loop().create_future()
        return ""

    task = asyncio.create_task(
        bench.run(Agent(ScriptedModel([calls(call("wait"), call("look", page=1))]), tools=[wait, look]))
    )
    await running.wait()
    await bench.runtime.cancel(only(bench))
    result = await task
    assert result.stop_reason == "cancelled"
    state = await bench.last()
    assert [one.call.name for one in state.intended.values()] == ["wait"]


async def test_a_stream_cancelled_while_it_waits_ends_with_its_end(bench):
    waiting = Waiting()
    task = asyncio.create_task(bench.stream(Agent(waiting.model)))
    await waiting.asked.wait()
    await bench.runtime.cancel(only(bench))
    events = await task
    assert isinstance(events[-1], RunFinished)
    assert events[-1].stop_reason == "cancelled"


@pytest.mark.parametrize("kind", [RunStarted, ModelRequested, TextDelta])
async def test_a_stream_cancelled_between_two_events_ends_with_its_end(bench, kind):
    events = []
    async with aclosing(bench.runtime.stream(Agent(ScriptedModel([say("one two three")])), "Go.")) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, kind):
                assert await bench.runtime.cancel(only(bench)) is True
    assert events[-1].stop_reason == "cancelled"
    assert sum(isinstance(event, TextDelta) for event in events) == (kind is TextDelta)
    await bench.audit_stream(events)


async def test_a_run_that_has_ended_cannot_be_cancelled(bench):
    async with aclosing(bench.runtime.stream(Agent(ScriptedModel([say("x")])), "Go.")) as stream:
        async for event in stream:
            if isinstance(event, RunFinished):
                assert await bench.runtime.cancel(only(bench)) is False
    assert (await bench.last()).finished.stop_reason == "final"


async def test_cancelling_one_run_leaves_the_others_alone(bench):
    waiting = [Waiting(f"number {n}") for n in range(3)]
    tasks = [asyncio.create_task(bench.run(Agent(one.model), f"number {n}")) for n, one in enumerate(waiting)]
    for one in waiting:
        await one.asked.wait()
    second = next(run.run_id for run in bench.store.live.values() if run.state.messages[-1].text == "number 1")
    await bench.runtime.cancel(second)
    for one in waiting:
        one.go_on.set()
    results = [await task for task in tasks]
    assert [result.stop_reason for result in results] == ["final", "cancelled", "final"]
    assert [result.output for result in results] == ["number 0", "", "number 2"]


# --- the end of the runtime


async def test_runs_that_still_run_at_the_end_are_cancelled_and_written(tmp_path):
    waiting, streaming = Waiting(), Waiting()
    store = SqliteStore(tmp_path / "end.db", clock=SystemClock())
    async with Runtime(store, settings=Settings()) as runtime:
        run = asyncio.create_task(runtime.run(Agent(waiting.model), "Go."))
        watched = runtime.stream(Agent(streaming.model), "Go.")
        seen = [await anext(watched)]
        reading = asyncio.create_task(anext_of(watched, seen))
        idle = runtime.stream(Agent(ScriptedModel([say("one two")])), "Go.")
        idle_seen = [await anext(idle) for _ in range(3)]
        queued = [asyncio.create_task(runtime.run(Agent(waiting.model), "Go.", session="s")) for _ in range(2)]
        await asyncio.gather(waiting.asked.wait(), streaming.asked.wait())
        async with asyncio.timeout(20):
            while len(runtime._starter.live) < 4:  # noqa: ASYNC110 - nothing tells that a run waits
                await asyncio.sleep(0.001)
    assert (await run).stop_reason == "cancelled"
    assert (await queued[0]).stop_reason == "cancelled"
    with pytest.raises(ConfigError, match="the runtime was closed before the run could begin"):
        await queued[1]
    assert [event async for event in idle][-1].stop_reason == "cancelled"
    assert isinstance(idle_seen[-1], TextDelta)
    await reading
    assert seen[-1].stop_reason == "cancelled"
    assert await runtime.cancel(seen[0].run_id) is False
    async with Runtime(tmp_path / "end.db", settings=Settings()) as later:
        rows = await later.list_runs()
        assert [(row.status, row.stop_reason) for row in rows] == [("finished", "cancelled")] * 4
        for row in rows:
            assert fold((await later.read_run(row.run_id))[1]).holds == {}


async def anext_of(stream, seen):
    async for event in stream:
        seen.append(event)


async def test_a_stream_that_nobody_reads_any_more_is_ended(tmp_path):
    async with Runtime(tmp_path / "end.db", settings=Settings()) as runtime:
        async for event in runtime.stream(Agent(ScriptedModel([say("one two")])), "Go."):
            run_id = event.run_id
            break
    async with Runtime(tmp_path / "end.db", settings=Settings()) as later:
        _, events = await later.read_run(run_id)
        assert events[-1].stop_reason == "cancelled"


async def test_everything_is_closed_whatever_fails(tmp_path):
    class Failing(SqliteStore):
        closed = False

        def finish(self, row, seq, record, posting=None):
            future = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError("full"))
            return future

        async def close(self):
            Failing.closed = True
            await super().close()

    async def leave_a_stream_open():
        async with Runtime(Failing(tmp_path / "f.db", clock=SystemClock()), settings=Settings()) as runtime:
            streams.append(runtime.stream(Agent(ScriptedModel([say("x")])), "Go."))
            await anext(streams[0])

    streams = []
    with pytest.raises(StoreError, match="full"):
        await leave_a_stream_open()
    assert Failing.closed
    await streams[0].aclose()


# --- sessions


async def test_a_session_goes_on_where_it_stopped(bench):
    model = ScriptedModel(lambda messages, step: say(f"answer to {messages[-1].text}"))
    agent = Agent(model, instructions="Be kind.")
    for number in range(3):
        result = await bench.run(agent, f"q{number}", user="u", session="s")
    assert [(m.role, m.text) for m in result.messages] == [
        ("system", "Be kind."),
        ("user", "q0"), ("assistant", "answer to q0"),
        ("user", "q1"), ("assistant", "answer to q1"),
        ("user", "q2"), ("assistant", "answer to q2"),
    ]  # fmt: skip
    events = await bench.stream(agent, "q3", user="u", session="s")
    assert [m.text for m in events[0].messages][-2:] == ["answer to q2", "q3"]


async def test_sessions_of_the_same_name_belong_to_their_users(bench):
    agent = Agent(ScriptedModel([say("ok")]))
    await bench.run(agent, "my secret", user="u", session="s")
    for user, session in [("v", "s"), ("u", "t"), ("", "s"), ("u", "")]:
        result = await bench.run(agent, "hello", user=user, session=session)
        assert [m.text for m in result.messages] == ["hello", "ok"]


async def test_runs_without_a_session_share_nothing_and_wait_for_nobody(bench):
    waiting = Waiting()
    task = asyncio.create_task(bench.run(Agent(waiting.model), "first", user="u"))
    await waiting.asked.wait()
    result = await bench.run(Agent(ScriptedModel([say("ok")])), "second", user="u")
    assert [m.text for m in result.messages] == ["second", "ok"]
    waiting.go_on.set()
    await task


async def test_runs_of_one_session_never_interleave(bench):
    """They come one after the other in the order of arrival, and each sees all that the ones before it left."""
    inside = []

    async def reply(messages, step):
        inside.append(messages[-1].text)
        assert len(inside) == 1, "two runs of one session at once"
        await asyncio.sleep(0.001)
        inside.clear()
        return call("look", page=step) if step < 3 else say(f"done {messages[-1].text}")

    agent = Agent(ScriptedModel(reply), tools=[look])
    tasks = [asyncio.create_task(bench.run(agent, f"q{n}", user="u", session="s")) for n in range(6)]
    results = [await task for task in tasks]
    whole = results[-1].messages
    assert [m.text for m in whole if m.role == "user"] == [f"q{n}" for n in range(6)]
    for earlier, later in pairwise(results):
        assert later.messages[: len(earlier.messages)] == earlier.messages
    runs = [await bench.runtime.read_run(result.run_id) for result in results]
    for (_, earlier), (_, later) in pairwise(runs):
        assert earlier[-1].at <= later[0].at


def make_nested(bench, session, way):
    """A tool that runs an agent in the same session, in one of the ways in which a tool may do that."""
    inner = Agent(ScriptedModel(lambda messages, step: say("inner answer")))

    async def ask() -> str:
        return (await bench.runtime.run(inner, "inner", user="u", session=session)).output

    @tool(timeout_s=2)
    async def nested() -> str:
        """Ask another agent."""
        if way == "task":
            return await asyncio.create_task(ask())
        if way == "other session":
            middle = Agent(ScriptedModel([call("within"), say("middle answer")]), tools=[tool(ask, name="within")])
            result = await bench.runtime.run(middle, "middle", user="u", session="t")
            return next(message.text for message in result.messages if message.role == "tool")
        return await ask()

    @tool(timeout_s=2)
    def blocking() -> str:
        """Ask another agent from a thread."""
        return asyncio.run_coroutine_threadsafe(ask(), loop).result()

    loop = asyncio.get_running_loop()
    return blocking if way == "thread" else nested


def only_result(result):
    (text,) = [message.text for message in result.messages if message.role == "tool"]
    return text


@pytest.mark.parametrize("way", ["at once", "task", "thread", "other session"])
async def test_a_run_inside_a_tool_of_its_own_session_is_refused_at_once(bench, way):
    nested = make_nested(bench, "s", way)
    agent = Agent(ScriptedModel([call(nested.spec.name), say("done")]), tools=[nested])
    result = await bench.runtime.run(agent, "outer", user="u", session="s")
    assert "ConfigError: session 's': run run_" in only_result(result)
    assert "give the inner run another session, or none" in only_result(result)
    assert result.output == "done"
    later = await bench.runtime.run(Agent(ScriptedModel([say("ok")])), "q", user="u", session="s")
    assert later.output == "ok"


@pytest.mark.parametrize("way", ["at once", "task", "thread"])
@pytest.mark.parametrize("session", ["", "other"])
async def test_a_run_inside_a_tool_may_have_another_session(bench, way, session):
    nested = make_nested(bench, session, way)
    agent = Agent(ScriptedModel([call(nested.spec.name), say("done")]), tools=[nested])
    result = await bench.runtime.run(agent, "outer", user="u", session="s")
    assert only_result(result) == "inner answer"


async def test_a_task_that_outlives_the_tool_of_a_session_may_run_in_it_afterwards(bench):
    over, left = asyncio.Event(), []

    async def work():
        await over.wait()
        return await bench.runtime.run(Agent(ScriptedModel([say("late")])), "q1", user="u", session="s")

    @tool
    async def begin() -> str:
        """Begin something."""
        left.append(asyncio.create_task(work()))
        return "begun"

    agent = Agent(ScriptedModel([call("begin"), say("done")]), tools=[begin])
    await bench.runtime.run(agent, "q0", user="u", session="s")
    over.set()
    assert (await left[0]).output == "late"


async def test_a_waiting_run_that_is_cancelled_leaves_the_queue(bench):
    waiting = Waiting()
    first = asyncio.create_task(bench.run(Agent(waiting.model), "q0", user="u", session="s"))
    await waiting.asked.wait()
    second = asyncio.create_task(bench.run(Agent(waiting.model), "q1", user="u", session="s"))
    third = asyncio.create_task(bench.run(Agent(waiting.model), "q2", user="u", session="s"))
    await asyncio.sleep(0)
    second.cancel()
    waiting.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await second
    await first
    assert [m.text for m in (await third).messages if m.role == "user"] == ["q0", "q2"]
    assert len(bench.store.live) == 2


async def test_a_session_survives_a_run_that_failed(bench):
    script = {"bad": status(400, "no"), "good": say("ok")}
    agent = Agent(ScriptedModel(lambda messages, step: script[messages[-1].text]))
    await bench.run(agent, "good", session="s")
    with pytest.raises(ModelRefused):
        await bench.runtime.run(agent, "bad", session="s")
    result = await bench.run(agent, "good", session="s")
    assert [m.text for m in result.messages] == ["good", "ok", "bad", "good", "ok"]


async def test_the_next_run_of_a_session_is_not_told_that_the_last_ones_budget_is_over(bench):
    model = ScriptedModel([call("look", page=1), say("Page one.")])
    first = await bench.run(Agent(model, tools=[look], limits=Limits(steps=2)), "q0", session="s")
    assert first.stop_reason == "budget"
    assert "budget of this run is at its end" in first.messages[-2].text
    second = await bench.run(Agent(ScriptedModel([say("ok")])), "q1", session="s")
    assert [m.role for m in second.messages] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert not any("budget" in m.text for m in second.messages)


async def test_a_run_that_was_cancelled_amid_its_tools_leaves_no_open_call(bench):
    @tool
    async def stop(ctx: RunContext) -> str:
        """Stop."""
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return ""

    task = asyncio.create_task(bench.run(Agent(ScriptedModel([call("stop")]), tools=[stop]), "q0", session="s"))
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await bench.run(Agent(ScriptedModel([say("ok")])), "q1", session="s")
    assert [m.text for m in result.messages] == ["q0", "q1", "ok"]


async def test_a_run_of_a_session_waits_for_the_one_of_another_process(tmp_path):
    other = SqliteStore(tmp_path / "bench.db", clock=SystemClock())
    async with open_bench(tmp_path) as bench:
        agent = Agent(ScriptedModel([say("ok")]))
        await bench.run(agent, "q0", session="s")
        waiting = Waiting()
        async with Runtime(other, settings=Settings()) as elsewhere:
            task = asyncio.create_task(elsewhere.run(Agent(waiting.model), "q1", session="s"))
            await waiting.asked.wait()
            with pytest.raises(TooManyRequests, match="another process"):
                await asyncio.wait_for(bench.runtime.run(agent, "no", session="s", on_busy="reject"), 20)
            after = asyncio.create_task(bench.run(agent, "q2", session="s"))
            await asyncio.sleep(0.1)  # it looks again and again
            assert not after.done()
            waiting.go_on.set()
            await task
            assert [m.text for m in (await after).messages] == ["q0", "ok", "q1", "Done.", "q2", "ok"]


# --- from a script


def test_run_sync_is_a_runtime_of_its_own(tmp_path):
    settings = Settings(store=StoreSettings(path=str(tmp_path / "s.db")))
    result = run_sync(Agent(ScriptedModel([say("Hi.")])), "Go.", user="u", settings=settings)
    assert (result.output, result.cost) == ("Hi.", Money(0))
    with pytest.raises(BudgetExceeded):
        run_sync(Agent(ScriptedModel([]), limits=Limits(tokens=5, on_limit="raise")), "Go.", settings=settings)


async def test_run_sync_refuses_a_running_loop():
    with pytest.raises(ConfigError, match="run_sync would block the running event loop"):
        run_sync(Agent(ScriptedModel([say("x")])), "Go.", settings=Settings())


SCRIPT = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
from surefoot import Agent, Runtime, tool
from surefoot.config import Settings
from surefoot.sections import StoreSettings
from surefoot.once import run_sync
from surefoot.testing import ScriptedModel, call, hang, say

@tool
async def wait() -> str:
    \"\"\"Wait.\"\"\"
    print("waiting", flush=True)
    await asyncio.Event().wait()
    return ""

@tool
def block() -> str:
    \"\"\"Block.\"\"\"
    print("waiting", flush=True)
    import time
    time.sleep(60)
    return ""

def think(messages, step):
    if sys.argv[2] == "model":
        print("waiting", flush=True)
        return hang()
    return call(sys.argv[2])

agent = Agent(ScriptedModel(think), tools=[wait, block])
try:
    run_sync(agent, "Go.", settings=Settings(store=StoreSettings(path=sys.argv[1])))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("where", ["model", "wait", "block"])
def test_ctrl_c_cancels_settles_and_journals(tmp_path, where):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "s.db"), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "waiting\n", child.stderr.read()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=30)
    assert (child.returncode, errors) == (130, "")
    state = asyncio.run(state_of_last(tmp_path / "s.db"))
    assert state.finished.stop_reason == "cancelled"
    assert state.holds == {}
    assert (state.tokens > 0) is True
    assert [one.call.name for one in state.intended.values()] == ([] if where == "model" else [where])


async def state_of_last(path):
    async with Runtime(path, settings=Settings()) as runtime:
        (row,) = await runtime.list_runs()
        assert (row.status, row.stop_reason) == ("finished", "cancelled")
        return fold((await runtime.read_run(row.run_id))[1])


COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from surefoot.cli import main
main()
"""


async def test_ctrl_c_at_the_command_line(tmp_path):
    """The command's own promise: what was in flight is settled and journaled, and the exit code is 130."""
    reached = asyncio.Event()

    def reply(request):
        reached.set()
        return hang()

    async with FakeProvider(reply, api_key="") as provider:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, "--store", str(tmp_path / "s.db"), "run", "Go.", "--model", "fake:m",
            "--base-url", provider.base_url, "--usd", "unlimited",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        waiting = asyncio.create_task(reached.wait())
        done, _ = await asyncio.wait({waiting, asyncio.create_task(child.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert waiting in done, (await child.communicate())[1].decode()
        child.send_signal(signal.SIGINT)
        _, errors = await child.communicate()
    assert child.returncode == 130, errors.decode()
    state = await state_of_last(tmp_path / "s.db")
    assert state.holds == {}
    assert state.tokens > 0
