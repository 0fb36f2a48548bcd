"""Runs and sessions that outgrow their model's window, over real HTTP, against a provider that refuses what is too long."""

import re

import msgspec
import pytest
from tests.unit.audit import open_bench, read_journal

from surefoot import UNLIMITED, Agent, Limits, tool
from surefoot.context import NOTE, SUMMARY_HEAD, SUMMARY_OF_OTHERS, is_note
from surefoot.errors import ConfigError, NotFound
from surefoot.growing_prompt import GrowingPrompt
from surefoot.journal.context_events import ContextSummarised, ContextTrimmed
from surefoot.journal.events import ModelRequested, ModelSwitched, RunStarted
from surefoot.journal.fold import fold
from surefoot.ladder import SUMMARY_NUDGE
from surefoot.providers import Provider
from surefoot.sections import ContextSettings
from surefoot.testing import FakeProvider, ScriptedModel, call, calls, say, status
from surefoot.types import Message

WIDE = Limits(tokens=UNLIMITED, usd=UNLIMITED, steps=UNLIMITED, model_calls=UNLIMITED, tool_calls=UNLIMITED)


@tool(effect="read")
async def read_page(number: int) -> str:
    """Read a page of the book."""
    return f"page {number}: " + "words " * 150


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def own(provider, **more):
    return {"own": Provider(provider.base_url, needs_key=False, free=True, **more)}


def is_asked(request, text):
    return any(text in message.text for message in request.messages)


def answer(request):
    """Repeats the question's number, once what it was asked for has been read."""
    question = [m for m in request.messages if m.role == "user" and m.text.startswith("question")][-1]
    if request.messages[-1].role == "tool" or not request.tools:
        return say(f"answer to {question.text}")
    return call("read_page", number=1)


@pytest.mark.parametrize("protocol", ["native", "json", "text"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_session_of_300_turns_never_sees_a_400(tmp_path, wire, protocol):
    turns = 300 if (wire, protocol) == ("openai", "native") else 40

    def reply(request):
        question = [m for m in request.messages if m.role == "user" and "question" in m.text][-1].text
        number = re.findall(r"question \d+", question)[-1]
        done = (
            request.messages[-1].role == "tool"
            or "Result" in request.messages[-1].text
            or "Observation" in request.messages[-1].text
        )
        return {
            "native": say(f"answer to {number}") if done else call("read_page", number=1),
            "json": say(msgspec.json.encode({"thought": "t", "action": "final", "answer": f"answer to {number}"} if done
                                           else {"thought": "t", "action": "read_page", "args": {"number": 1}}).decode()),
            "text": say(f"Thought: t\nFinal Answer: answer to {number}" if done
                        else 'Thought: t\nAction: read_page\nAction Input: {"number": 1}'),
        }[protocol]  # fmt: skip

    window = 8_000
    async with FakeProvider(reply, api_key="", context_tokens=window, input_multiplier=4) as provider:
        providers = own(provider, context_tokens=window, wire=wire, protocol=protocol, max_output_tokens=600)
        async with open_bench(tmp_path, providers=providers, audit_again=False) as bench:
            agent = Agent("own:m", tools=[read_page], limits=WIDE)
            trims = 0
            for number in range(turns):
                result = await bench.run(agent, f"question {number}", user="u", session="s")
                assert result.output == f"answer to question {number}"
                trims += len(of(ContextTrimmed, await read_journal(bench.store, result.run_id)))
        assert provider.stats.faults == {}
        assert trims >= turns // 20
        assert trims <= turns // 2, "a trim makes room for several turns"


async def test_a_run_of_200_steps_never_sees_a_400_and_keeps_its_question(tmp_path):
    def reply(request):
        assert is_asked(request, "find the needle")
        assert is_asked(request, "Be kind.")
        seen = [int(n) for m in request.messages for n in re.findall(r"page (\d+):", m.text)]
        return (
            call("read_page", number=seen[-1] + 1)
            if seen and seen[-1] < 200
            else call("read_page", number=1)
            if not seen
            else say("found")
        )

    window = 8_000
    async with FakeProvider(reply, api_key="", context_tokens=window) as provider:
        async with open_bench(tmp_path, providers=own(provider, context_tokens=window)) as bench:
            agent = Agent("own:m", instructions="Be kind.", tools=[read_page], limits=WIDE)
            result = await bench.run(agent, "find the needle")
            assert result.output == "found"
            assert result.budget.tool_calls == 200
            trimmed = of(ContextTrimmed, await read_journal(bench.store, result.run_id))
        assert provider.stats.faults == {}
        assert (
            result.left_out
            == sum(event.left_out for event in trimmed)
            == 401 - sum(message.role in {"assistant", "tool"} for message in result.messages)
        )
        assert 2 <= len(trimmed) <= 200 // 5, "a trim makes room for many steps"
        assert all(event.window == window for event in trimmed)


@pytest.mark.parametrize("window", [2_500, 4_000, 16_000])
@pytest.mark.parametrize("parallel", [1, 3])
async def test_huge_outputs_fit_any_window(tmp_path, window, parallel):
    @tool(effect="read", max_output_bytes=1_000_000)
    async def dump(number: int) -> str:
        """Dump it."""
        return f"dump {number} " + '"é' * 100_000

    def reply(request):
        number = sum(message.role == "tool" for message in request.messages)
        if is_asked(request, "dump 40 "):
            return say("enough")
        last = max([int(n) for m in request.messages for n in re.findall(r"dump (\d+) ", m.text)], default=0)
        assert number <= 200
        return calls(*[call("dump", number=last + 1) for _ in range(parallel)])

    async with FakeProvider(reply, api_key="", context_tokens=window, input_multiplier=4) as provider:
        async with open_bench(tmp_path, providers=own(provider, context_tokens=window)) as bench:
            result = await bench.run(Agent("own:m", tools=[dump], limits=WIDE), "dump all")
            assert result.output == "enough"
        assert provider.stats.faults == {}


async def test_the_reply_is_shortened_before_the_conversation(tmp_path):
    asked = []

    def reply(request):
        asked.append(
            (request.max_tokens, len(request.body), any(is_note(m) or m.text == NOTE for m in request.messages))
        )
        return call("read_page", number=1) if len(asked) < 12 else say("done")

    async with FakeProvider(reply, api_key="", context_tokens=6_000, input_multiplier=4) as provider:
        providers = own(provider, context_tokens=6_000, max_output_tokens=2_000, trusts_usage=False)
        async with open_bench(tmp_path, providers=providers) as bench:
            result = await bench.run(Agent("own:m", tools=[read_page], limits=WIDE), "read")
            assert result.output == "done"
    wholly = [max_tokens for max_tokens, _, noted in asked if not noted]
    assert wholly[0] == 2_000
    assert 512 <= wholly[-1] < 2_000
    assert any(noted for *_, noted in asked)
    assert all(max_tokens >= 512 for max_tokens, *_ in asked)


async def test_a_question_that_may_fit_is_asked_although_its_bytes_do_not(tmp_path):
    async with (
        FakeProvider([say("long")], api_key="", context_tokens=4_000) as provider,
        open_bench(tmp_path, providers=own(provider, context_tokens=4_000)) as bench,
    ):
        result = await bench.run(Agent("own:m", limits=WIDE), "words " * 1_500)
        assert result.output == "long"
        events = await read_journal(bench.store, result.run_id)
        assert of(ContextTrimmed, events) == []
        assert of(ModelRequested, events)[0].max_tokens >= 512


async def test_what_stays_keeps_its_labels_and_journal_and_run_agree(tmp_path):
    def read(messages, _):
        seen = [int(n) for m in messages for n in re.findall(r"page (\d+):", m.text)]
        return say("done") if 30 in seen else call("read_page", number=max(seen, default=0) + 1)

    model = ScriptedModel(read, context_tokens=6_000)
    async with open_bench(tmp_path) as bench:  # whose audit folds each journal and compares
        result = await bench.run(Agent(model, instructions="Be kind.", tools=[read_page], limits=WIDE), "read all")
        events = await bench.stream(Agent(model, instructions="Be kind.", tools=[read_page], limits=WIDE), "read all")
        assert of(ContextTrimmed, events) != []
    labels = {part.label.author for message in result.messages if message.role == "tool" for part in message.parts}
    assert labels == {"third_party"}
    assert [is_note(message) for message in result.messages].count(True) == 1


# ---------------------------------------------------------------------------------------------- summaries


def summing(request):
    if request.messages[-1].text == SUMMARY_NUDGE:
        return say("Pages were words.")
    done = is_asked(request, "page 24:")
    last = max([int(n) for m in request.messages for n in re.findall(r"page (\d+):", m.text)], default=0)
    return say("done") if done else call("read_page", number=last + 1)


def with_summaries(provider, window=6_000, **more):
    return {
        "providers": own(provider, context_tokens=window, **more),
        "context": ContextSettings(summarise_with="own:cheap"),
    }


async def test_a_cheaper_model_sums_up_what_is_about_to_go(tmp_path):
    async with FakeProvider(summing, api_key="", context_tokens=6_000, input_multiplier=4) as provider:
        prices = {"m": {"input": 10, "output": 10}, "cheap": {"input": 1, "output": 1}}
        settings = with_summaries(provider)
        settings["providers"] = {"own": Provider(provider.base_url, needs_key=False, context_tokens=6_000)}
        async with open_bench(tmp_path, prices=prices, **settings) as bench:
            agent = Agent("own:m", instructions="Be kind.", tools=[read_page], limits=WIDE)
            result = await bench.run(agent, "read all")
            events = await read_journal(bench.store, result.run_id)
        assert provider.stats.faults == {}
    assert result.output == "done"
    summed = of(ContextSummarised, events)
    assert [event.text for event in summed] == ["Pages were words."] * len(summed)
    assert summed
    assert of(ContextTrimmed, events) == []
    asked = of(ModelRequested, events)
    assert {event.model for event in asked if event.purpose == "summary"} == {"own:cheap"}
    assert {event.model for event in asked if event.purpose != "summary"} == {"own:m"}
    assert len(of(ModelSwitched, events)) == 2 * len(summed)
    summary = asked[[event.purpose for event in asked].index("summary")]
    assert summary.hold_nano == summary.hold_tokens * 1_000, "held at the price of the model that sums up"
    assert result.left_out >= 2 * len(summed)
    first = next(m for m in result.messages if m.text.startswith(SUMMARY_HEAD))
    assert first.parts[0].label == SUMMARY_OF_OTHERS
    assert [m.text for m in result.messages[:2]] == ["Be kind.", "read all"]


@pytest.mark.parametrize("trouble", [status(500), status(400), say(""), say("x", cut_after=1)])
async def test_without_a_summary_the_oldest_is_left_out(tmp_path, trouble):
    def reply(request):
        if request.messages[-1].text == SUMMARY_NUDGE:
            return trouble
        return summing(request)

    async with (
        FakeProvider(reply, api_key="", context_tokens=6_000, input_multiplier=4) as provider,
        open_bench(tmp_path, **with_summaries(provider)) as bench,
    ):
        agent = Agent("own:m", tools=[read_page], limits=WIDE)
        result = await bench.run(agent, "read all")
        events = await read_journal(bench.store, result.run_id)
    assert result.output == "done"
    assert of(ContextTrimmed, events) != []
    assert not any(m.text.startswith(SUMMARY_HEAD) for m in result.messages)
    assert result.budget.tool_calls == 24, "no page is read twice: what was set aside came back"


async def test_a_summary_that_an_account_refuses_is_done_without(tmp_path):
    async with FakeProvider(summing, api_key="", context_tokens=6_000, input_multiplier=4) as provider:
        settings = with_summaries(provider)
        settings["providers"] = {"own": Provider(provider.base_url, needs_key=False, context_tokens=6_000)}
        settings["prices"] = {"m": {"input": 1, "output": 1}, "cheap": {"input": 9_000, "output": 9_000}}
        settings["budgets"] = {"user:u": {"day": {"usd": 2}}}
        async with open_bench(tmp_path, **settings) as bench:
            result = await bench.run(Agent("own:m", tools=[read_page], limits=WIDE), "read all", user="u")
            events = await read_journal(bench.store, result.run_id)
    assert result.output == "done"
    assert result.stop_reason == "final"
    assert of(ContextTrimmed, events) != []
    assert [event.purpose for event in of(ModelRequested, events)] == ["step"] * result.budget.model_calls


async def test_a_cancelled_summary_loses_nothing_that_was_set_aside(tmp_path):
    runs = []

    async def reply(request):
        if request.messages[-1].text == SUMMARY_NUDGE:
            await bench.runtime.cancel(runs[0])
        return summing(request)

    async with (
        FakeProvider(reply, api_key="", context_tokens=6_000, input_multiplier=4) as provider,
        open_bench(tmp_path, **with_summaries(provider)) as bench,
    ):
        agent = Agent("own:m", tools=[read_page], limits=WIDE)
        events = []
        async for event in bench.runtime.stream(agent, "read all", user="u", session="s"):
            events.append(event)
            if isinstance(event, RunStarted):
                runs.append(event.run_id)
        state = await bench.audit(runs[0])
        assert state.finished.stop_reason == "cancelled"
        assert "page" in state.messages[-1].text
        assert SUMMARY_NUDGE not in [message.text for message in state.messages]


async def test_a_process_that_dies_while_it_sums_up_loses_nothing_that_was_set_aside(tmp_path):
    """Its journal ends with the request for the summary: the next run of the session begins with all that was said."""
    async with (
        FakeProvider(summing, api_key="", context_tokens=6_000, input_multiplier=4) as provider,
        open_bench(tmp_path, **with_summaries(provider)) as bench,
    ):
        result = await bench.run(Agent("own:m", tools=[read_page], limits=WIDE), "read all", user="u", session="s")
        events = await read_journal(bench.store, result.run_id)
    end = next(place for place, event in enumerate(events) if getattr(event, "sets_aside", 0))
    before = fold(events[:end])
    dying = fold(events[: end + 2])
    assert isinstance(events[end + 1], ModelRequested)
    assert dying.messages != before.messages
    assert dying.conversation == before.conversation == before.messages


@pytest.mark.parametrize(("model", "error"), [("nobody", ConfigError), ("nobody:m", NotFound), ("own:", ConfigError)])
async def test_an_unknown_model_for_summaries_is_refused_before_the_run_by_the_name_of_its_setting(
    tmp_path, model, error
):
    providers = {"own": Provider("http://127.0.0.1:9/v1", needs_key=False)}
    async with open_bench(tmp_path, context=ContextSettings(summarise_with=model), providers=providers) as bench:
        with pytest.raises(error, match=rf"^\[context\] summarise_with: model '{model}'"):
            await bench.runtime.run(Agent(ScriptedModel([say("Hi.")])), "Hi.")
        assert await bench.runtime.list_runs() == []


async def test_a_count_of_what_was_sent_says_nothing_of_a_prompt_that_begins_anew(tmp_path):
    async with open_bench(tmp_path) as bench:
        result = await bench.run(Agent(ScriptedModel([say("so")]), limits=WIDE), "words " * 100)
        prompt = GrowingPrompt(bench.store.live[result.run_id])
        for counted in (False, True, False):
            prompt.open()
            prompt.show()
            prompt.mark_sent()
            if counted:
                prompt.measure(10)
            assert prompt.bound() > 10
            assert prompt.bound_in_window(prompt.bound()) == (10 if counted else prompt.bound())
            assert (prompt.density() < 1) is counted


async def test_what_joins_a_prompt_that_was_counted_is_bounded_by_its_bytes(tmp_path):
    async with open_bench(tmp_path) as bench:
        trusted = Agent(ScriptedModel([say("so")], trusts_usage=True), limits=WIDE)
        result = await bench.run(trusted, "words " * 100)
        prompt = GrowingPrompt(bench.store.live[result.run_id])
        prompt.open()
        prompt.show()
        prompt.mark_sent()
        prompt.measure(10)
        before = prompt.wire.size
        prompt.wire.append(Message.user("more " * 50))
        assert prompt.bound() == prompt.bound_in_window(10**6) == 10 + prompt.wire.size - before > 250


# ---------------------------------------------------------------------------------------------- which window


async def test_the_window_is_the_settings_then_what_is_known_then_a_default(tmp_path):
    from surefoot.context import DEFAULT_WINDOW

    providers = {
        "own": Provider("http://127.0.0.1:9/v1", needs_key=False),
        "set": Provider("http://127.0.0.1:9/v1", needs_key=False, context_tokens=5_000),
        "openai": Provider("http://127.0.0.1:9/v1", needs_key=False),
        "anthropic": Provider("http://127.0.0.1:9", needs_key=False, wire="anthropic"),
    }
    known = {
        "own:any": DEFAULT_WINDOW,
        "set:any": 5_000,
        "openai:gpt-4.1": 1_000_000,
        "openai:not-a-model": DEFAULT_WINDOW,
        "openai:" + "x" * 300: DEFAULT_WINDOW,
        "anthropic:claude-sonnet-4-5": 200_000,
    }
    async with open_bench(tmp_path, providers=providers) as bench:
        for model, window in known.items():
            compiled = await bench.runtime._compiler.compile(Agent(model))
            assert (model, compiled.window) == (model, window)


async def test_an_exact_count_decides_where_there_is_one(tmp_path):
    """Four bytes a token: what does not fit by its bytes fits, and what does not fit by its tokens is left out."""
    async with FakeProvider(summing, api_key="", context_tokens=8_000, input_multiplier=0.9) as provider:
        providers = {"openai": Provider(provider.base_url, needs_key=False, context_tokens=8_000)}
        async with open_bench(tmp_path, providers=providers) as bench:
            result = await bench.run(Agent("openai:gpt-4.1", tools=[read_page], limits=WIDE), "read all")
            events = await read_journal(bench.store, result.run_id)
        assert provider.stats.faults == {}
        assert result.output == "done"
        assert max(len(request.body) for request in provider.requests) > 8_000
        assert of(ContextTrimmed, events) == []


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(), "tokens"),
        (Limits(on_limit="raise"), "tokens"),
        (Limits(tokens=UNLIMITED, usd="0.20"), "usd"),
        (Limits(ladder=("trim", "finish")), "tokens"),
    ],
)
async def test_a_session_does_not_use_up_the_budget_of_a_question(tmp_path, limits, limit):
    """A window that is larger than the budget never fills: the session must go on all the same."""
    async with FakeProvider(answer, api_key="") as provider:
        providers = own(provider, context_tokens=400_000)
        rates = {"own:m": {"input": 8, "output": 8}}
        async with open_bench(tmp_path, providers=providers, prices=rates, audit_again=False) as bench:
            agent = Agent("own:m", tools=[read_page], limits=limits)
            trims = []
            for number in range(30):
                question = f"question {number} " + "blah " * 300
                result = await bench.run(agent, question, user="u", session="s")
                assert (result.stop_reason, result.output) == ("final", f"answer to {question}"), number
                trims += of(ContextTrimmed, await read_journal(bench.store, result.run_id))
    assert {event.limit for event in trims} == {limit}
    assert len(trims) < 15  # half of what fits is freed at a time


async def test_what_a_run_did_itself_is_never_forgotten_for_its_budget(tmp_path):
    def reply(request):
        return call("read_page", number=1) if request.tools else say("out")

    limits = Limits(tokens=9_000, steps=UNLIMITED, tool_calls=UNLIMITED)
    async with (
        FakeProvider(reply, api_key="") as provider,
        open_bench(tmp_path, providers=own(provider, context_tokens=400_000), audit_again=False) as bench,
    ):
        agent = Agent("own:m", tools=[read_page], limits=limits)
        await bench.run(agent, "One?", user="u", session="s")
        result = await bench.run(agent, "Two?", user="u", session="s")
        trims = of(ContextTrimmed, await read_journal(bench.store, result.run_id))
    assert result.stop_reason == "budget"
    assert [event.limit for event in trims] == ["tokens"]
    asked = [m.text for m in result.messages if m.role == "user" and m.parts[0].label.author == "user"]
    assert asked == ["Two?"]
    assert len([m for m in result.messages if m.role == "tool"]) == result.budget.tool_calls
