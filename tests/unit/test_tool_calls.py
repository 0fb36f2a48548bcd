"""The tool calls of one reply: side by side, in order, journaled, and within the budget."""

import asyncio
import threading

import pytest
from tests.unit.audit import open_bench

from surefoot import UNLIMITED, Agent, Limits, RunContext, ToolError, tool
from surefoot.journal.events import ModelRequested, ToolFinished, ToolIntended
from surefoot.providers import Provider
from surefoot.sections import ContextSettings
from surefoot.testing import FakeProvider, ScriptedModel, call, call_raw, calls, say
from surefoot.tool_calls import LEAST_RESULT_BYTES, cut_text
from surefoot.types import ToolCall


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


async def journal(bench):
    return (await bench.runtime.read_run(list(bench.store.live)[-1]))[1]


def results(result):
    return [message.text for message in result.messages if message.role == "tool"]


class Rendezvous:
    """Nobody passes before all are there: only calls that run side by side do."""

    def __init__(self, parties):
        self.missing = parties
        self.all_here = asyncio.Event()

    async def meet(self):
        self.missing -= 1
        if not self.missing:
            self.all_here.set()
        await self.all_here.wait()


async def test_calls_of_one_reply_run_side_by_side_and_answer_in_order(bench):
    meeting, ends = Rendezvous(3), []

    @tool(effect="read")
    async def attend(who: str) -> str:
        """Attend."""
        await meeting.meet()
        for _ in range({"a": 3, "b": 2, "c": 1}[who]):  # the first called ends last
            await asyncio.sleep(0)
        ends.append(who)
        return f"{who} was there"

    model = ScriptedModel([calls(*[call("attend", who=who) for who in "abc"]), say("All met.")])
    async with asyncio.timeout(20):
        result = await bench.run(Agent(model, tools=[attend]))
    assert ends == ["c", "b", "a"]
    assert results(result) == ["a was there", "b was there", "c was there"]
    finished = [event.content for event in await journal(bench) if isinstance(event, ToolFinished)]
    assert finished == ["c was there", "b was there", "a was there"]  # as it happened


async def test_blocking_tools_run_side_by_side_in_threads(bench):
    meeting = threading.Barrier(3, timeout=20)
    main = threading.current_thread()

    @tool(effect="read")
    def attend(who: str) -> str:
        """Attend."""
        meeting.wait()
        assert threading.current_thread() is not main
        return f"{who} was there"

    model = ScriptedModel([calls(*[call("attend", who=who) for who in "abc"]), say("All met.")])
    result = await bench.run(Agent(model, tools=[attend]))
    assert results(result) == ["a was there", "b was there", "c was there"]


async def test_what_the_model_gets_wrong_it_reads(bench):
    @tool(effect="read")
    async def look(page: int) -> str:
        """Look."""
        return f"page {page}"

    script = [
        call("lok", page=1),
        call_raw("look", '{"page": "one"}'),
        call_raw("look", "{no json"),
        calls(call("nothing"), call("look", page=2)),
        say("Done."),
    ]
    result = await bench.run(Agent(ScriptedModel(script), tools=[look]))
    unknown, wrong, broken, nothing, page = results(result)
    assert "no tool 'lok'. Did you mean look?" in unknown
    assert "look was not called" in wrong
    assert "page" in wrong
    assert "look was not called" in broken
    assert "no tool 'nothing'" in nothing
    assert page == "page 2"
    assert [m.is_error for m in result.messages if m.role == "tool"] == [True, True, True, True, False]
    intended = [event for event in await journal(bench) if isinstance(event, ToolIntended)]
    assert [event.call.arguments for event in intended] == ['{"page":2}']  # what is refused was never intended
    assert result.budget.tool_calls == 5


async def test_a_tool_that_fails_is_an_observation(bench):
    @tool
    async def fail(how: str) -> str:
        """Fail."""
        if how == "politely":
            raise ToolError("Ask for less.")
        raise LookupError(how)

    model = ScriptedModel([calls(call("fail", how="politely"), call("fail", how="badly")), say("Sorry.")])
    result = await bench.run(Agent(model, tools=[fail]))
    assert results(result) == ["Ask for less.", "fail failed: LookupError: badly"]
    assert result.stop_reason == "final"


async def test_a_tool_is_told_whose_run_it_is_and_a_key_of_its_own(bench):
    seen = []

    @tool(effect="read")
    async def who(ctx: RunContext, n: int) -> str:
        """Who am I?"""
        seen.append(ctx)
        return ctx.user

    model = ScriptedModel([calls(call("who", n=1), call("who", n=2)), call("who", n=3), say("You.")])
    result = await bench.run(Agent(model, tools=[who]), user="u1", session="s1", deps={"db": 1})
    assert {(ctx.user, ctx.session, ctx.run_id) for ctx in seen} == {("u1", "s1", result.run_id)}
    assert all(ctx.deps == {"db": 1} for ctx in seen)
    assert all(0 < ctx.remaining_s() <= 30 for ctx in seen)
    intended = [event for event in await journal(bench) if isinstance(event, ToolIntended)]
    assert [ctx.idempotency_key for ctx in seen] == [event.idempotency_key for event in intended]
    assert len({ctx.idempotency_key for ctx in seen}) == 3
    assert [ctx.call_id for ctx in seen] == [event.call.id for event in intended]


async def test_a_write_is_on_disk_before_it_starts_and_a_read_does_not_wait(bench):
    stored = []

    async def peek(ctx):
        records = await bench.store.records(ctx.run_id)
        stored.append(b"tool_intended" in b"".join(records))

    @tool
    async def pay(ctx: RunContext) -> str:
        """Pay."""
        await peek(ctx)
        return "paid"

    @tool(effect="read")
    async def quick() -> str:
        """Look."""
        stored.append(bench.store.writes[list(bench.store.live)[-1]])
        return "seen"

    await bench.run(Agent(ScriptedModel([call("pay"), say("Done.")]), tools=[pay]))
    assert stored == [True]
    await bench.run(Agent(ScriptedModel([call("quick"), say("Done.")]), tools=[quick]))
    assert stored[1][:1] == ["create"]


async def test_a_slow_read_is_journaled_while_it_runs(bench):
    """A crash during it shows what was going on."""

    @tool(effect="read")
    async def slow(ctx: RunContext) -> str:
        """Look long."""
        for _ in range(1_000):
            if b"tool_intended" in b"".join(await bench.store.records(ctx.run_id)):
                return "journaled"
            await asyncio.sleep(0.005)
        return "never journaled"

    result = await bench.run(Agent(ScriptedModel([call("slow"), say("Done.")]), tools=[slow]))
    assert results(result) == ["journaled"]


async def test_calls_beyond_the_limit_are_refused_one_by_one(bench):
    ran = []

    @tool(effect="read")
    async def look(page: int) -> str:
        """Look."""
        ran.append(page)
        return f"page {page}"

    model = ScriptedModel([calls(*[call("look", page=n) for n in range(4)]), say("Two of four.")])
    result = await bench.run(Agent(model, tools=[look], limits=Limits(tool_calls=2)))
    assert ran == [0, 1]
    assert results(result) == ["page 0", "page 1", *["Not run: the budget of tool calls is used up."] * 2]
    assert (result.stop_reason, result.limit, result.budget.tool_calls) == ("budget", "tool_calls", 2)


async def test_parallel_results_share_the_room(bench):
    @tool(effect="read")
    async def read(much: int) -> str:
        """Read."""
        return "word " * much

    model = ScriptedModel([calls(*[call("read", much=3_000) for _ in range(3)]), say("Read.")])
    result = await bench.run(Agent(model, tools=[read], limits=Limits(tokens=8_000)))
    assert result.output == "Read."
    finished = [event for event in await journal(bench) if isinstance(event, ToolFinished)]
    assert all(event.cut_bytes > 8_000 for event in finished)
    assert all(len(event.content) > 1_000 for event in finished)


async def test_a_result_keeps_enough_to_tell_something_however_little_room_there_is(tmp_path):
    async with open_bench(tmp_path, context=ContextSettings(read_more=False)) as bench:

        @tool(effect="read")
        async def read() -> str:
            """Read."""
            return "é" * 5_000

        model = ScriptedModel([call("read").but(usage=None), say("Read.")])
        result = await bench.run(Agent(model, tools=[read], limits=Limits(tokens=1_650), max_tokens=100), "x" * 350)
        (finished,) = [event for event in await journal(bench) if isinstance(event, ToolFinished)]
        assert len(finished.content.partition("\n")[0].encode()) >= LEAST_RESULT_BYTES - 10
        assert finished.cut_bytes == 10_000 - len(finished.content.partition("\n")[0].encode())
        assert result.stop_reason == "budget"


async def test_a_result_already_capped_by_its_tool_counts_both_cuts(tmp_path):
    async with open_bench(tmp_path, context=ContextSettings(read_more=False)) as bench:

        @tool(effect="read", max_output_bytes=4_000)
        async def read() -> str:
            """Read."""
            return "x" * 10_000

        model = ScriptedModel([call("read"), say("Read.")])
        await bench.run(Agent(model, tools=[read], limits=Limits(tokens=3_000), max_tokens=200))
        (finished,) = [event for event in await journal(bench) if isinstance(event, ToolFinished)]
        assert finished.cut_bytes >= 10_000 - len(finished.content.partition("\n")[0])
        assert finished.content.endswith("bytes cut: the budget has no room for them]")


async def test_the_next_call_after_a_cut_is_the_answer_it_was_cut_for(bench):
    @tool(effect="read")
    async def read() -> str:
        """Read."""
        return 'say "x" \\ ' * 2_000

    for tokens in range(2_000, 5_000, 250):
        model = ScriptedModel([call("read"), say("Read.")])
        result = await bench.run(Agent(model, tools=[read], limits=Limits(tokens=tokens), max_tokens=300))
        assert result.output == "Read.", tokens
        requested = [event for event in await journal(bench) if isinstance(event, ModelRequested)]
        assert requested[-1].max_tokens >= 200


@pytest.mark.parametrize("text", ['"' * 9_000, "\x01" * 9_000, "\n\\ " * 3_000, "\ufdfa" * 3_000, "word " * 2_000])
async def test_a_result_is_cut_by_what_it_takes_on_the_wire(tmp_path, text):
    """JSON makes six bytes of a control character, and a tokenizer may make eleven times its bytes of a ligature."""

    @tool(effect="read")
    async def read() -> str:
        """Read."""
        return text

    script = [calls(call("read"), call("read"), usage=None), say("Read.")]
    async with FakeProvider(script, api_key="") as provider:
        providers = {"fake": Provider(provider.base_url, needs_key=False)}
        async with open_bench(tmp_path, providers=providers) as bench:
            limits = Limits(tokens=6_000, usd=UNLIMITED)
            result = await bench.run(Agent("fake:m", tools=[read], limits=limits, max_tokens=200))
            assert result.output == "Read."
            finished = [event for event in await journal(bench) if isinstance(event, ToolFinished)]
            assert all(event.cut_bytes > 3_000 for event in finished)
            requested = [event for event in await journal(bench) if isinstance(event, ModelRequested)]
            assert requested[-1].max_tokens == 200
            assert requested[-1].hold_tokens > 2_500  # and the room was used


async def test_the_deadline_of_the_run_ends_a_tool(bench):
    @tool(timeout_s=60)
    async def wait() -> str:
        """Wait."""
        await asyncio.get_running_loop().create_future()
        return ""

    model = ScriptedModel([calls(call("wait"), call("wait")), say("never")])
    result = await bench.run(Agent(model, tools=[wait], limits=Limits(seconds=0.8)))
    assert all("timed out" in text and "the end of this run" in text for text in results(result))
    assert (result.stop_reason, result.limit, result.budget.model_calls) == ("budget", "seconds", 1)


async def test_ids_that_the_model_repeats_are_told_apart(bench):
    @tool(effect="read")
    async def look(page: int) -> str:
        """Look."""
        return f"page {page}"

    twice = calls(call_raw("look", '{"page": 1}', id="same"), call_raw("look", '{"page": 2}', id="same"))
    result = await bench.run(Agent(ScriptedModel([twice, twice, say("Done.")]), tools=[look]))
    assert results(result) == ["page 1", "page 2"] * 2
    first = next(message for message in result.messages if message.tool_calls)
    assert len({one.id for one in first.tool_calls}) == 2
    assert all(isinstance(one, ToolCall) for one in first.tool_calls)


@pytest.mark.parametrize(
    ("text", "room", "kept", "cut"), [("abc", 2, "ab", 1), ("é€", 4, "é", 3), ("é€", 1, "", 5), ("abc", 3, "abc", 0)]
)
def test_text_is_cut_between_characters(text, room, kept, cut):
    assert cut_text(text, room) == (f"{kept}\n[{cut} bytes cut: the budget has no room for them]", cut)


async def test_a_tool_that_cancels_its_own_task_still_has_an_answer(bench):
    @tool(effect="read")
    async def quits() -> str:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        return "never"

    @tool(effect="read")
    async def stays() -> str:
        return "here"

    model = ScriptedModel([calls(call("quits"), call("stays")), say("Done.")])
    result = await bench.run(Agent(model, tools=[quits, stays]))
    answers = [message.text for message in result.messages if message.role == "tool"]
    assert answers == ["quits failed: it cancelled itself.", "here"]
