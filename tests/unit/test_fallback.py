"""`Agent(models=[...])`: the run goes on with the next model, over real HTTP where the wire matters."""

import re

import pytest
from tests.unit.audit import open_bench

from surefoot import Agent, Limits, tool
from surefoot.context import translate
from surefoot.errors import ConfigError, ModelBroken, ModelOverloaded, ModelRefused, ModelUnreachable, PriceUnknown
from surefoot.journal.events import ModelFailed, ModelRequested, ModelSwitched, TextDelta
from surefoot.journal.fold import fold
from surefoot.narrator import Narrator
from surefoot.providers import Provider
from surefoot.sections import BreakerSettings, RetrySettings
from surefoot.testing import FakeProvider, Price, ScriptedModel, call, calls, fail, refuse, reset, say, status
from surefoot.types import Message, ToolCall

PRICES = {"one": {"input": 2, "output": 8}, "two": {"input": 1, "output": 4}, "three": {"input": 1, "output": 1}}
ONCE = RetrySettings(attempts=1)


@tool(effect="read")
async def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def model(script, name):
    return ScriptedModel(script, name=name, prices=Price(2, 8))


@pytest.fixture
async def bench(tmp_path):
    async with open_bench(tmp_path, prices=PRICES) as bench:
        yield bench


async def journal(bench):
    _, events = await bench.runtime.read_run(list(bench.store.live)[-1])
    return events


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("error", [ModelUnreachable("gone"), ModelBroken("cut"), ModelOverloaded("later")])
async def test_the_run_goes_on_with_the_next_model_when_the_attempts_are_used_up(bench, error):
    first, second = model([fail(error)] * 4, "one"), model([call("look", page=1), say("Done.")], "two")
    result = await bench.run(Agent(models=[first, second], tools=[look], limits=Limits(steps=3)))
    events = await journal(bench)
    assert (result.output, result.models) == ("Done.", ("scripted:two",))
    assert [(e.model, e.attempt, e.step) for e in of(ModelRequested, events)] == [
        *[("scripted:one", attempt, 1) for attempt in (1, 2, 3, 4)],
        ("scripted:two", 5, 1),  # the same step, and so no limit on steps is used twice
        ("scripted:two", 1, 2),
    ]
    (switched,) = of(ModelSwitched, events)
    assert (switched.model, switched.reason) == ("scripted:two", f"{error.code}: {error}")
    assert first.requests.total == 4
    assert second.requests.total == 2


async def test_a_hold_of_the_second_model_has_its_own_price(bench):
    first, second = model([status(503)] * 4, "one"), model([say("Done.")], "two")
    await bench.run(Agent(models=[first, second], max_tokens=100))
    asked = of(ModelRequested, await journal(bench))
    assert asked[0].hold_nano > asked[-1].hold_nano > 0
    assert asked[0].prices != asked[-1].prices


async def test_the_run_stays_on_the_new_model_and_new_runs_try_the_first_one_first(bench):
    scripts = {"fails": True}

    def first(messages, step):
        return status(401) if scripts["fails"] else say("From one.")

    one, two = model(first, "one"), model([call("look", page=1), call("look", page=2), say("From two.")], "two")
    agent = Agent(models=[one, two], tools=[look])
    assert (await bench.run(agent)).output == "From two."
    assert (one.requests.total, two.requests.total) == (1, 3)
    scripts["fails"] = False
    assert (await bench.run(agent)).models == ("scripted:one",)


@pytest.mark.parametrize("code", [401, 402, 403, 404])
async def test_a_refusal_for_the_sake_of_the_account_goes_on_elsewhere(bench, code):
    one, two = model([status(code)], "one"), model([say("Done.")], "two")
    assert (await bench.run(Agent(models=[one, two]))).output == "Done."
    assert one.requests.total == 1


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_a_malformed_request_is_no_better_elsewhere(bench, code):
    one, two = model([status(code)], "one"), model([say("never")], "two")
    with pytest.raises(ModelRefused, match="scripted error"):
        await bench.runtime.run(Agent(models=[one, two]), "Go.")
    assert two.requests.total == 0


async def test_a_refusal_of_the_model_itself_is_an_answer(bench):
    one, two = model([refuse("No.")], "one"), model([say("never")], "two")
    result = await bench.run(Agent(models=[one, two]))
    assert (result.stop_reason, two.requests.total) == ("refusal", 0)


async def test_when_the_last_one_fails_too_the_error_names_each(tmp_path):
    async with open_bench(tmp_path, prices=PRICES, retry=ONCE) as bench:
        scripts = [[status(404)], [fail(ModelUnreachable("nobody listens"))], [status(429, retry_after_s=7)]]
        models = [model(script, name) for script, name in zip(scripts, ("one", "two", "three"), strict=True)]
        with pytest.raises(ModelOverloaded) as raised:
            await bench.runtime.run(Agent(models=models), "Go.")
        text = str(raised.value)
        assert re.match(
            r"all 3 models failed: scripted:one: .*404.*; scripted:two: nobody listens; scripted:three: ", text
        )
        assert (raised.value.status, raised.value.retry_after_s) == (429, 7.0)
        state = await bench.last()
        assert state.finished.error == text


async def test_streamed_text_of_a_failed_attempt_is_void(tmp_path):
    async with open_bench(tmp_path, prices=PRICES, retry=ONCE) as bench:
        one, two = model([say("half of it", cut_after=1)], "one"), model([say("All of it.")], "two")
        text = ""
        async for event in bench.runtime.stream(Agent(models=[one, two]), "Go."):
            if isinstance(event, ModelFailed):
                text = ""
            elif isinstance(event, TextDelta):
                text += event.text
        assert text == "All of it."


async def test_every_model_is_checked_before_the_run_begins(tmp_path, monkeypatch):
    one = model([say("never")], "one")
    providers = {"nowhere": Provider("http://127.0.0.1:9/v1", needs_key=False)}
    async with open_bench(tmp_path, providers=providers) as bench:
        await check_models(bench, one, monkeypatch)


async def check_models(bench, one, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(
        ConfigError, match="no API key for provider 'openai': set the environment variable OPENAI_API_KEY"
    ):
        await bench.runtime.run(Agent(models=[one, "openai:gpt-4.1"]), "Go.")
    with pytest.raises(PriceUnknown, match="no price is known for 'nowhere:unknown'"):
        await bench.runtime.run(Agent(models=[one, "nowhere:unknown"]), "Go.")
    assert one.requests.total == 0
    assert await bench.runtime.list_runs() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "a:b", "models": ["c:d"]}, "give one of the two"),
        ({}, "name its model"),
        ({"models": "a:b"}, r"must be a list; for one model write Agent\('a:b'\)"),
        ({"models": ["a:b", "a:b"]}, "'a:b' is there twice"),
        ({"models": ["a:b", 7]}, r"models=\[... 7\].*must be a text such as"),
        ({"models": [f"a:{n}" for n in range(9)]}, "9 models are more than 8"),
    ],
)
def test_wrong_models_are_refused_with_one_clear_error(options, message):
    with pytest.raises(ConfigError, match=message):
        Agent(**options)


async def test_no_room_for_the_next_model_ends_as_a_budget(bench):
    """The charge of the first is in full, and what is left does not hold the second."""
    one, two = model([reset()] * 4, "one"), model([say("never")], "two")
    result = await bench.run(Agent(models=[one, two], max_tokens=900, limits=Limits(tokens=1_300)))
    assert (result.stop_reason, result.limit) == ("budget", "tokens")
    assert two.requests.total == 0


async def test_the_last_answer_goes_on_with_the_next_model(bench):
    def first(messages, step):
        return call("look", page=1) if step == 1 else status(503)

    one, two = model(first, "one"), model(lambda messages, step: say("From two."), "two")
    result = await bench.run(Agent(models=[one, two], tools=[look], limits=Limits(steps=2)))
    assert (result.output, result.stop_reason, result.limit) == ("From two.", "budget", "steps")
    assert result.models == ("scripted:one", "scripted:two")


async def test_a_rung_of_the_ladder_that_fails_goes_back_to_a_model_that_has_not(bench):
    cheap = model(lambda messages, step: status(500), "three")

    def first(messages, step):
        return call("look", page=step) if step < 5 else say("Done.")

    one = model(first, "one")
    limits = Limits(steps=9, tokens=1_000_000, model_calls=100, warn_at=0.2, ladder=["model=scripted:three"])
    agent = Agent(models=[one, model([], "two")], tools=[look], limits=limits)
    bench.runtime._starter._rungs[agent, "model=scripted:three"] = agent.replace(model=cheap, protocol="auto")
    result = await bench.run(agent)
    assert (result.output, result.budget.rungs) == ("Done.", ("model=scripted:three",))
    switched = of(ModelSwitched, await journal(bench))
    assert [(event.model, bool(event.reason)) for event in switched] == [
        ("scripted:three", False), ("scripted:one", True),
    ]  # fmt: skip


async def test_show_tells_why(bench):
    one, two = model([status(401)], "one"), model([say("Done.")], "two")
    await bench.run(Agent(models=[one, two]))
    narrator = Narrator()
    lines = [line.text for event in await journal(bench) for line in narrator.tell(event)]
    assert any(line.startswith("goes on with scripted:two (model_refused: scripted:one: ") for line in lines)


# --- translation


def test_translation_keeps_pairs_and_drops_what_only_the_old_provider_knows():
    odd = [
        Message.user("Q"),
        Message.assistant("t", (ToolCall("toolu:1/β", "look", "{}"), ToolCall("x" * 90, "look", "{}")), blocks="[{}]"),
        Message("tool", (), (), "toolu:1/β"),
        Message("tool", (), (), "x" * 90),
        Message.assistant("done", blocks='[{"type":"thinking"}]'),
    ]
    translated = translate(odd)
    assert [call.id for call in translated[1].tool_calls] == ["call00001", "call00002"]
    assert [message.tool_call_id for message in translated[2:4]] == ["call00001", "call00002"]
    assert {message.blocks for message in translated} == {""}
    assert translate(translated) == translated


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first_wire", ["openai", "anthropic"])
async def test_over_http_the_conversation_goes_on_at_a_provider_of_another_wire(
    tmp_path, monkeypatch, first_wire, stream
):
    """Both are as strict as the real ones: ids, pairs and blocks would be refused."""
    monkeypatch.setenv("KEY", "sk-fake")
    other = {"openai": "anthropic", "anthropic": "openai"}[first_wire]

    def first(request):
        if request.messages[-1].role == "tool":
            return status(529)
        return calls(call("look", page=1), call("look", page=2), thinking="Two pages at once.")

    async with FakeProvider(first) as one, FakeProvider([call("look", page=3), say("Three pages.")]) as two:
        providers = {
            "a": Provider(one.base_url, "KEY", wire=first_wire),
            "b": Provider(two.base_url, "KEY", wire=other),
        }
        async with open_bench(tmp_path, prices=PRICES, providers=providers) as bench:
            agent = Agent(models=["a:one", "b:two"], tools=[look])
            result = None if stream else await bench.run(agent)
            if stream:
                await bench.stream(agent)
            events = await journal(bench)
        assert fold(events).finished.output == "Three pages."
        assert [request.messages[-1].text for request in two.requests] == ["page 2", "page 3"]
        assert "thinking" not in two.requests[0].body.decode()
        assert one.stats.requests + two.stats.requests == len(of(ModelRequested, events)) == 1 + 4 + 2
        assert result is None or result.models == ("a:one", "b:two")


async def test_an_open_breaker_sends_new_runs_on_at_once(tmp_path):
    dead = Provider("http://127.0.0.1:9/v1", needs_key=False, free=True)
    async with FakeProvider(lambda request: say("Done."), api_key="") as two:
        providers = {"dead": dead, "b": Provider(two.base_url, needs_key=False, free=True)}
        breaker = BreakerSettings(failures=3, cooldown_s=1_000, max_cooldown_s=1_000)
        async with open_bench(tmp_path, providers=providers, breaker=breaker) as bench:
            agent = Agent(models=["dead:m", "b:m"])
            for _ in range(3):
                assert (await bench.run(agent)).output == "Done."
            asked = of(ModelRequested, await journal(bench))
            assert [event.model for event in asked] == ["b:m"]
            (switched,) = of(ModelSwitched, await journal(bench))
            assert re.match(r"model_unreachable: dead:m: left alone for another \d+\.\d s after", switched.reason)
