"""The ladder: what a run does as its budget runs low. Every run here is audited: see `tests.unit.audit`."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit import open_bench, read_journal

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.budget.limits import read_limits
from surefoot.context import SUMMARY_HEAD, SUMMARY_OF_OTHERS, TRIMMED, trim_results
from surefoot.errors import ConfigError, PriceUnknown
from surefoot.journal.context_events import ContextSummarised
from surefoot.journal.events import (
    LimitReached,
    ModelRequested,
    ModelSwitched,
    Nudged,
    RungTaken,
    RunStarted,
    TextDelta,
)
from surefoot.journal.fold import fold
from surefoot.ladder import SUMMARY_NUDGE, SUMMARY_TOKENS, TRIM_BYTES
from surefoot.next_call import FINAL_NUDGE
from surefoot.providers import Provider
from surefoot.testing import FakeProvider, ScriptedModel, call, hang, say, status
from surefoot.types import Label, Message, Part, ToolCall

LAST = "Call no more tools"
THIRD = Label("third_party", source="read_page")


@tool(effect="read")
async def read_page(number: int) -> str:
    """Read a page of the book."""
    return f"page {number}: " + "x" * 3_000


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path) as bench:
        yield bench


def limits(*ladder, tokens=40_000, **more):
    given = {
        "tokens": tokens,
        "usd": UNLIMITED,
        "steps": 1_000,
        "model_calls": 1_000,
        "tool_calls": 1_000,
        "ladder": ladder,
        "warn_at": 0.1,
        **more,
    }
    return Limits(**given)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def read(count):
    return [call("read_page", number=number) for number in range(1, count + 1)]


async def test_trim_cuts_older_results_and_keeps_every_call_with_its_label(bench):
    model = ScriptedModel([*read(6), say("Done.")])
    agent = Agent(model, tools=[read_page], limits=limits("trim"))
    result = await bench.run(agent, "Read the book.")
    events = await read_journal(bench.store, result.run_id)
    [taken] = of(RungTaken, events)
    assert (taken.rung, taken.limit, taken.keep_bytes) == ("trim", "tokens", TRIM_BYTES)
    assert 0.1 <= taken.used < 0.3
    place = events.index(taken)
    before = sum(isinstance(event, ModelRequested) for event in events[:place])
    shown = model.requests[before].messages
    results = [message for message in shown if message.role == "tool"]
    assert all(message.text == message.text[:TRIM_BYTES] + TRIMMED for message in results[:-1])
    assert len(results[-1].text) > 3_000
    assert {message.tool_call_id for message in results} == {c.id for m in shown for c in m.tool_calls}
    assert all(part.label.author == "third_party" for message in results for part in message.parts)
    assert result.output == "Done."
    assert result.budget.rungs == ("trim",)


async def test_summarise_goes_on_with_a_summary_instead_of_the_conversation(bench):
    def answer(messages, step):
        if messages[-1].text == SUMMARY_NUDGE:
            return say("Pages 1 and 2 hold x.")
        if messages[-1].parts[0].label == SUMMARY_OF_OTHERS:
            return say("It is all x.")
        return call("read_page", number=step)

    model = ScriptedModel(answer)
    agent = Agent(model, instructions="Read.", tools=[read_page], limits=limits("summarise"))
    result = await bench.run(agent, "What is in the book?")
    events = await read_journal(bench.store, result.run_id)
    assert [event.text for event in of(ContextSummarised, events)] == ["Pages 1 and 2 hold x."]
    assert [(m.role, m.text) for m in result.messages] == [
        ("system", "Read."),
        ("user", "What is in the book?"),
        ("user", f"{SUMMARY_HEAD}Pages 1 and 2 hold x."),
        ("assistant", "It is all x."),
    ]
    assert [event.purpose for event in of(ModelRequested, events)][-2:] == ["summary", "step"]
    asked = model.requests[-2]
    assert not asked.options.allow_tools
    assert asked.max_tokens == SUMMARY_TOKENS
    assert not result.messages[2].parts[0].label.trusted
    assert result.budget.rungs == ("summarise",)
    assert tuple(fold(events).messages) == result.messages


@pytest.mark.parametrize("nothing", ["", "  "])
async def test_an_empty_summary_changes_nothing(bench, nothing):
    def answer(messages, step):
        if messages[-1].text == SUMMARY_NUDGE:
            return say(nothing)
        return say("x") if step > 5 else call("read_page", number=step)

    result = await bench.run(Agent(ScriptedModel(answer), tools=[read_page], limits=limits("summarise")), "Read.")
    assert [event.text for event in of(ContextSummarised, await read_journal(bench.store, result.run_id))] == [""]
    assert SUMMARY_NUDGE not in [message.text for message in result.messages]
    assert result.budget.rungs == ("summarise",)
    assert len(result.messages) > 5


async def test_a_summary_that_does_not_fit_is_left_out(bench):
    model = ScriptedModel(lambda messages, step: say("Done.") if LAST in messages[-1].text else read(step)[-1])
    result = await bench.run(
        Agent(model, tools=[read_page], limits=limits("summarise", tokens=12_000, warn_at=1.0)), "Read."
    )
    events = await read_journal(bench.store, result.run_id)
    assert [event.rung for event in of(RungTaken, events)] == ["summarise"]
    assert "summary" not in [event.purpose for event in of(ModelRequested, events)]
    assert (result.output, result.stop_reason) == ("Done.", "budget")


async def test_finish_asks_for_the_answer_before_the_budget_is_at_its_end(bench):
    model = ScriptedModel(
        lambda messages, step: say("So far.") if LAST in messages[-1].text else call("read_page", number=step)
    )
    result = await bench.run(Agent(model, tools=[read_page], limits=limits("finish")), "Read.")
    assert (result.output, result.stop_reason, result.limit) == ("So far.", "budget", "tokens")
    events = await read_journal(bench.store, result.run_id)
    [reached] = of(LimitReached, events)
    assert reached.message.endswith("% of tokens are used")
    assert of(Nudged, events)[-1].text == FINAL_NUDGE.format(why=reached.message)
    assert result.budget.remaining_pct > 50


async def test_rungs_are_taken_in_order_at_equal_distances(bench):
    model = ScriptedModel(
        lambda messages, step: say("Done.") if LAST in messages[-1].text else call("read_page", number=step)
    )
    ladder = limits("trim", "finish", tokens=UNLIMITED, steps=10, warn_at=0.4)
    result = await bench.run(Agent(model, tools=[read_page], limits=ladder), "Read.")
    events = await read_journal(bench.store, result.run_id)
    assert [(event.rung, event.limit, event.used) for event in of(RungTaken, events)] == [
        ("trim", "steps", 0.4),
        ("finish", "steps", 0.7),
    ]
    assert result.budget.rungs == ("trim", "finish")


async def test_a_shortage_takes_the_next_rung_before_the_last_answer(bench):
    """With a warning at 100 % no share is ever reached, but there comes a prompt that does not fit twice."""
    model = ScriptedModel([*read(5), say("Done.")])
    result = await bench.run(
        Agent(model, tools=[read_page], limits=limits("trim", tokens=22_000, warn_at=1.0)), "Read."
    )
    events = await read_journal(bench.store, result.run_id)
    [taken] = of(RungTaken, events)
    assert taken.limit == "tokens"
    assert taken.used < 1
    assert result.budget.steps > 4


async def test_a_cheaper_model_goes_on_with_the_same_conversation(tmp_path):
    seen = []

    def reply(request):
        seen.append(request)
        return say("The cheap one answers.")

    async with FakeProvider(reply, api_key="") as provider:
        dear = ScriptedModel(lambda messages, step: call("read_page", number=step))
        prices = {"cheap": {"input": 1, "output": 2}, "scripted": {"input": 50, "output": 100}}
        providers = {"fake": Provider(provider.base_url, needs_key=False, trusts_usage=True)}
        async with open_bench(tmp_path, prices=prices, providers=providers) as bench:
            agent = Agent(
                dear, instructions="Read.", tools=[read_page], limits=limits("model=fake:cheap", usd="5", tokens=30_000)
            )
            result = await bench.run(agent, "Read the book.")
            events = await read_journal(bench.store, result.run_id)
            state = fold(events)
    [switched] = of(ModelSwitched, events)
    assert (switched.model, switched.protocol, switched.system.text) == ("fake:cheap", "native", "Read.")
    assert result.output == "The cheap one answers."
    assert result.budget.rungs == ("model=fake:cheap",)
    assert list(state.models) == [dear.profile.id, "fake:cheap"]
    assert state.models["fake:cheap"].nano > 0
    assert of(ModelRequested, events)[-1].model == "fake:cheap"
    assert [message.role for message in seen[0].messages][:3] == ["system", "user", "assistant"]
    assert of(RunStarted, events)[0].limits["ladder"] == "model=fake:cheap"


async def test_a_model_of_the_ladder_is_checked_before_the_run_begins(bench):
    agent = Agent(ScriptedModel([say("x")]), limits=limits("model=openai:no-such-model", usd="1"))
    with pytest.raises((PriceUnknown, ConfigError)):
        await bench.runtime.run(agent, "Go.")
    assert await bench.runtime.list_runs() == []


async def test_another_protocol_has_its_own_system_message(tmp_path):
    async with FakeProvider([say("Final Answer: done")], api_key="") as provider:
        providers = {"fake": Provider(provider.base_url, needs_key=False, protocol="text")}
        async with open_bench(tmp_path, providers=providers, prices={"old": 1}) as bench:
            model = ScriptedModel(lambda messages, step: call("read_page", number=step))
            agent = Agent(model, instructions="Read.", tools=[read_page], limits=limits("model=fake:old"))
            result = await bench.run(agent, "Read.")
    assert result.output == "done"
    assert "Final Answer" in result.messages[0].text
    assert result.messages[0].text.startswith("Read.")


@pytest.mark.parametrize(
    ("ladder", "message"),
    [
        (("jump",), "'jump'"),
        (("model=gpt-4.1",), "'model=gpt-4.1'"),
        (("trim", "trim"), "each rung stands once"),
        (("finish", "trim"), "nothing comes after 'finish'"),
        ((1,), "…1…"),
        ("trim ", "'trim '"),
    ],
)
def test_wrong_ladders_are_refused(ladder, message):
    with pytest.raises(ConfigError) as caught:
        Limits(ladder=ladder)
    assert message in str(caught.value)


def test_a_ladder_of_the_settings_is_a_list():
    assert read_limits({"ladder": ["trim", "finish"]}, "[limits]").ladder == ("trim", "finish")
    with pytest.raises(ConfigError, match=r"\[limits\]: .*'leap'"):
        read_limits({"ladder": ["leap"]}, "[limits]")


TEXTS = st.text(max_size=60)


@given(st.lists(st.tuples(st.integers(1, 3), TEXTS), max_size=6), st.integers(0, 20))
def test_trimming_keeps_the_shape_of_the_conversation(steps, keep_bytes):
    messages = [Message.user("q")]
    for step, (count, text) in enumerate(steps):
        made = tuple([ToolCall(f"{step}.{number}", "t", "{}") for number in range(count)])
        messages.append(Message.assistant("", made))
        messages += [Message("tool", (Part(text, THIRD),), (), made_call.id) for made_call in made]
    trimmed = trim_results(messages, keep_bytes)
    assert [(m.role, m.tool_calls, m.tool_call_id) for m in trimmed] == [
        (m.role, m.tool_calls, m.tool_call_id) for m in messages
    ]
    assert [[p.label for p in m.parts] for m in trimmed] == [[p.label for p in m.parts] for m in messages]
    assert all(len(t.text.encode()) <= len(m.text.encode()) for t, m in zip(trimmed, messages, strict=True))
    assert trim_results(trimmed, keep_bytes) == trimmed
    if steps:
        assert trimmed[-steps[-1][0] :] == messages[-steps[-1][0] :]


@pytest.mark.parametrize("fault", [status(400), status(429), say("cut", cut_after=1)], ids=str)
async def test_a_summary_that_fails_leaves_no_trace_in_the_conversation(bench, fault):
    def answer(messages, step):
        return fault if messages[-1].text == SUMMARY_NUDGE else say("x") if step > 5 else call("read_page", number=step)

    agent = Agent(ScriptedModel(answer), tools=[read_page], limits=limits("summarise", tokens=90_000, warn_at=0.04))
    result = await bench.run(agent, "Read.")
    assert result.output == "x"
    assert SUMMARY_NUDGE not in [message.text for message in result.messages]
    events = await read_journal(bench.store, result.run_id)
    assert [event.purpose for event in of(ModelRequested, events)].count("summary") == 1


async def test_a_summary_is_not_streamed_as_if_it_were_the_answer(bench):
    def answer(messages, step):
        if messages[-1].text == SUMMARY_NUDGE:
            return say("a secret plan")
        return say("It is x.") if messages[-1].parts[0].label == SUMMARY_OF_OTHERS else call("read_page", number=step)

    events = await bench.stream(Agent(ScriptedModel(answer), tools=[read_page], limits=limits("summarise")))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "It is x."


async def test_the_next_run_of_a_session_does_not_inherit_the_request_for_a_summary(bench):
    asked = asyncio.Event()

    def answer(messages, step):
        if messages[-1].text == SUMMARY_NUDGE:
            asked.set()
            return hang()
        return call("read_page", number=step)

    agent = Agent(ScriptedModel(answer), tools=[read_page], limits=limits("summarise"))
    task = asyncio.create_task(bench.runtime.run(agent, "Read.", user="u", session="s"))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    model = ScriptedModel([say("Fine.")])
    await bench.run(Agent(model), "How are you?", user="u", session="s")
    assert SUMMARY_NUDGE not in [message.text for message in model.requests[0].messages]
