import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import ConfigError, ModelBroken, ModelOverloaded, ModelRefused, ModelUnreachable
from surefoot.models.base import Options, Reply
from surefoot.testing import (
    Answer,
    Brain,
    Mix,
    Price,
    ScriptedModel,
    ScriptedPrompt,
    call,
    call_raw,
    calls,
    fail,
    garbage,
    hang,
    overflow,
    refuse,
    reset,
    say,
    status,
)
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall, ToolSpec, Usage

ECHO = ToolSpec(
    "echo", "Repeats.", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
)


def open_prompt(model: ScriptedModel, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> ScriptedPrompt:
    prompt = model.open(tools, None)
    for message in messages or (Message.user("Hello"),):
        prompt.append(message)
    return prompt


async def ask(model: ScriptedModel, prompt: ScriptedPrompt, max_tokens: int = 100, timeout_s: float = 10.0) -> Reply:
    return await model.respond(prompt, max_tokens, Options(), timeout_s)


async def stream(model: ScriptedModel, prompt: ScriptedPrompt, timeout_s: float = 10.0) -> list[str | Reply]:
    return [piece async for piece in model.stream(prompt, 100, Options(), timeout_s)]


async def test_a_script_is_played_from_its_beginning_in_each_run():
    model = ScriptedModel(["one", call("echo", text="x"), say("two")])
    first, second = open_prompt(model), open_prompt(model)
    assert (await ask(model, first)).message.text == "one"
    assert (await ask(model, first)).message.tool_calls == (ToolCall("call_1_0", "echo", '{"text":"x"}'),)
    assert (await ask(model, second)).message.text == "one"
    assert (await ask(model, first)).message.text == "two"
    assert [request.step for request in model.requests] == [1, 2, 1, 3]


async def test_an_exhausted_script_says_so_and_is_not_worth_a_retry():
    model = ScriptedModel(["only"], name="short")
    prompt = open_prompt(model)
    await ask(model, prompt)
    with pytest.raises(
        ModelRefused, match="script of scripted:short is exhausted: it has 1 replies and this is call 2"
    ) as e:
        await ask(model, prompt)
    assert not e.value.retryable


async def test_a_resumed_run_goes_on_where_it_was_and_a_new_turn_begins_anew():
    model = ScriptedModel(["one", "two", "three"])
    result = Message("tool", (Part("3", Label("tool")),), tool_call_id="x")
    nudge = Message.user("Answer now.", SYSTEM_LABEL)
    resumed = open_prompt(model, Message.user("Q"), Message.assistant("one"), result, nudge)
    assert (await ask(model, resumed)).message.text == "two"
    resumed.append(Message.assistant("two"))
    assert (await ask(model, resumed)).message.text == "three"
    next_turn = open_prompt(model, Message.user("Q"), Message.assistant("answer"), Message.user("And?"))
    assert (await ask(model, next_turn)).message.text == "one"
    next_turn.append(Message.assistant("one"))
    next_turn.append(Message.user("And then?"))
    assert (await ask(model, next_turn)).message.text == "one"


async def test_a_function_sees_the_prompt_and_keeps_no_state():
    def reply(messages: list[Message], step: int) -> Answer | str:
        messages.clear()
        return call("echo", step=step) if step < 3 else f"after {step}"

    model = ScriptedModel(reply)
    prompt = open_prompt(model)
    assert (await ask(model, prompt)).message.tool_calls[0].arguments == '{"step":1}'
    assert (await ask(model, prompt)).finish_reason == "tool_calls"
    assert (await ask(model, prompt)).message.text == "after 3"
    assert model.requests[-1].messages == (Message.user("Hello"),)


async def test_an_async_function_lets_the_test_decide_when():
    gate = asyncio.Event()

    async def reply(messages: list[Message], step: int) -> str:
        await gate.wait()
        return "opened"

    model = ScriptedModel(reply)
    task = asyncio.create_task(ask(model, open_prompt(model)))
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    assert (await task).message.text == "opened"


async def test_what_a_cancelled_call_cost_is_on_the_bill():
    async def never(messages: list[Message], step: int) -> str:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    model = ScriptedModel(never)
    task = asyncio.create_task(ask(model, open_prompt(model), max_tokens=70))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.bill.usage.output_tokens == 70
    assert model.bill.charges[0].reason == "cancelled"


async def test_the_profile_and_the_request_are_as_told():
    model = ScriptedModel(["x"], name="n", protocol="json", trusts_usage=True, max_output_tokens=9)
    profile = model.profile
    assert (profile.id, profile.provider, profile.name) == ("scripted:n", "scripted", "n")
    assert (profile.protocol, profile.trusts_usage, profile.max_output_tokens) == ("json", True, 9)
    prompt = model.open((ECHO,), 0.5)
    await model.respond(prompt, 7, Options(allow_tools=False), 3.0)
    request = model.requests[0]
    assert (request.tools, request.temperature, request.max_tokens, request.timeout_s) == ((ECHO,), 0.5, 7, 3.0)
    assert (request.options.allow_tools, request.stream) == (False, False)
    await model.close()


async def test_requests_are_bounded():
    model = ScriptedModel(lambda messages, step: "x", record=3)
    prompt = open_prompt(model)
    for _ in range(5):
        await ask(model, prompt)
    assert [request.step for request in model.requests] == [3, 4, 5]


async def test_usage_is_honest_and_max_tokens_is_kept():
    model = ScriptedModel([say("a word more than fits")], prices=Price("1", "2"))
    prompt = open_prompt(model, Message.system("1234"), Message.user("12345"))
    reply = await ask(model, prompt, max_tokens=2)
    assert reply.message.text == "a word m"
    assert reply.finish_reason == "length"
    assert reply.usage == Usage(3 + 9, 2)
    assert model.bill.nano == 12 * 1_000 + 2 * 2_000


async def test_a_multiplier_and_made_up_usage():
    model = ScriptedModel(
        [say("x"), say("x", usage=None), say("x", usage=Usage(5, 6)), refuse("No.")], input_multiplier=4
    )
    prompt = open_prompt(model, Message.user("1234"))
    assert (await ask(model, prompt)).usage == Usage(4 + 6, 1)
    assert (await ask(model, prompt)).usage is None
    assert (await ask(model, prompt)).usage == Usage(5, 6)
    refusal = await ask(model, prompt)
    assert (refusal.finish_reason, refusal.message.text) == ("refusal", "No.")
    with pytest.raises(ConfigError):
        ScriptedModel([], input_multiplier=5)


async def test_random_usage_is_the_same_for_the_same_prompt_and_seed_in_any_order():
    async def usages(texts: list[str], seed: int) -> dict[str, Usage | None]:
        model = ScriptedModel(lambda messages, step: say("x", usage="random"), seed=seed)
        return {text: (await ask(model, open_prompt(model, Message.user(text)))).usage for text in texts}

    texts = [f"question {number}" for number in range(9)]
    first = await usages(texts, 1)
    assert first == await usages(texts[::-1], 1)
    assert first != await usages(texts, 2)
    assert len(set(map(str, first.values()))) == 9


MESSAGES = st.lists(
    st.one_of(
        st.builds(Message.user, st.text(max_size=20)),
        st.builds(
            Message.assistant,
            st.text(max_size=20),
            st.just((ToolCall("id", "näme", '{"a": "\\u00e9"}'),)) | st.just(()),
        ),
        st.builds(lambda text: Message("tool", (Part(text, Label("tool")),), tool_call_id="id"), st.text(max_size=20)),
    ),
    max_size=6,
)


@given(MESSAGES, st.booleans(), st.sampled_from(["computed", "random"]), st.integers(1, 50))
def test_the_size_bounds_every_usage(messages, with_tools, usage, max_tokens):
    model = ScriptedModel([say("some text", usage=usage)], input_multiplier=4)
    prompt = model.open((ECHO,) if with_tools else (), None)
    for message in messages:
        prompt.append(message)
    prompt.step = 0
    reply = asyncio.run(ask(model, prompt, max_tokens))
    assert reply.usage is not None
    assert reply.usage.input_tokens <= prompt.size
    assert reply.usage.output_tokens <= max_tokens


def test_the_body_is_json_of_the_request():
    prompt = open_prompt(ScriptedModel([]), Message.user("Hello"), tools=(ECHO,))
    body = json.loads(prompt.body(5, Options(response_schema={"type": "object"}), stream=True))
    assert body["messages"][0]["role"] == "user"
    assert (body["max_tokens"], body["stream"], body["response_schema"]) == (5, True, {"type": "object"})
    assert body["tools"][0]["name"] == "echo"


async def test_a_stream_gives_words_and_then_the_reply():
    model = ScriptedModel([say("Three little words", thinking="hm", pace_s=0.001), call("echo")])
    prompt = open_prompt(model)
    *pieces, reply = await stream(model, prompt)
    assert pieces == ["Three", " little", " words"]
    assert isinstance(reply, Reply)
    assert reply.message.text == "Three little words"
    assert json.loads(reply.message.blocks) == [{"type": "thinking", "thinking": "hm"}]
    assert reply.response_id == "scripted-1"
    assert model.requests[0].stream
    assert [type(piece) for piece in await stream(model, prompt)] == [Reply]


async def test_a_cut_stream_breaks_after_its_pieces_and_is_billed_in_full():
    model = ScriptedModel([say("one two three", cut_after=2), say("one", cut_after=99), say("whole", cut_after=0)])
    prompt = open_prompt(model)
    pieces = model.stream(prompt, 100, Options(), 10)
    assert [await anext(pieces), await anext(pieces)] == ["one", " two"]
    with pytest.raises(ModelBroken, match="cut after 2 pieces"):
        await anext(pieces)
    assert model.bill.usage.output_tokens == 4
    with pytest.raises(ModelBroken):
        await stream(model, prompt)
    with pytest.raises(ModelBroken):
        await ask(model, prompt)
    assert model.bill.charges.total == 3


@pytest.mark.parametrize(
    ("step", "kind", "billed"),
    [
        (status(429, retry_after_s=7), ModelOverloaded, False),
        (status(503), ModelOverloaded, False),
        (status(529, billed=True), ModelOverloaded, True),
        (status(400), ModelRefused, False),
        (status(429, name="insufficient_quota"), ModelRefused, False),
        (overflow(), ModelRefused, False),
        (status(500), ModelBroken, True),
        (status(502, billed=False), ModelBroken, False),
        (reset(), ModelBroken, True),
        (reset(after_headers=True), ModelBroken, True),
        (garbage(), ModelBroken, True),
        (fail(ModelUnreachable("down")), ModelUnreachable, False),
        (fail(ModelBroken("lost")), ModelBroken, True),
        (fail(KeyError("bug")), KeyError, True),
    ],
)
async def test_faults_are_the_errors_that_a_real_model_raises(step, kind, billed):
    model = ScriptedModel([step])
    with pytest.raises(kind):
        await ask(model, open_prompt(model), max_tokens=50)
    assert model.bill.usage.output_tokens == (50 if billed else 0)


async def test_retry_after_and_status_are_on_the_error():
    model = ScriptedModel([status(429, retry_after_s=7), status(429, headers={"Retry-After-Ms": "250"})])
    prompt = open_prompt(model)
    with pytest.raises(ModelOverloaded) as error:
        await ask(model, prompt)
    assert (error.value.status, error.value.retry_after_s) == (429, 7.0)
    with pytest.raises(ModelOverloaded) as error:
        await ask(model, prompt)
    assert error.value.retry_after_s == 0.25


async def test_an_error_that_is_raised_again_and_again_keeps_no_old_traceback():
    error = ModelOverloaded("busy")
    model = ScriptedModel(lambda messages, step: fail(error))
    prompt = open_prompt(model)
    depths = []
    for _ in range(3):
        with pytest.raises(ModelOverloaded) as caught:
            await ask(model, prompt)
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


@pytest.mark.parametrize("step", [hang(), say("x", delay_s=60), status(500, delay_s=60)])
async def test_what_does_not_come_in_time_is_broken_and_billed(step):
    model = ScriptedModel([step, step])
    prompt = open_prompt(model)
    with pytest.raises(ModelBroken, match="no reply within"):
        await ask(model, prompt, timeout_s=0.01)
    with pytest.raises(ModelBroken, match="no reply within"):
        await stream(model, prompt, timeout_s=0.01)
    assert model.bill.charges.total == 2


async def test_a_stream_that_is_too_slow_is_broken():
    model = ScriptedModel([say("one two", pace_s=60)])
    with pytest.raises(ModelBroken, match="no reply within"):
        await stream(model, open_prompt(model), timeout_s=0.01)


async def test_a_timeout_of_the_scripts_own_is_not_ours():
    def reply(messages: list[Message], step: int) -> str:
        raise TimeoutError("mine")

    model = ScriptedModel(reply)
    with pytest.raises(TimeoutError, match="mine"):
        await ask(model, open_prompt(model))


async def test_a_brain_calls_a_tool_and_answers():
    model = ScriptedModel(Brain(calls=1))
    prompt = open_prompt(model, tools=(ECHO,))
    assert (await ask(model, prompt)).message.tool_calls[0].arguments == '{"text":"text"}'
    no_tools = await model.respond(prompt, 100, Options(allow_tools=False), 10)
    assert no_tools.message.text == "Done."
    schema = await model.respond(prompt, 100, Options(allow_tools=False, response_schema={"type": "null"}), 10)
    assert schema.message.text == "null"


async def test_a_mix_is_chosen_by_the_prompt_not_by_the_order():
    async def texts(order: list[int]) -> dict[int, str]:
        model = ScriptedModel(Mix([(1, "a"), (1, "b")]), seed=3)
        return {
            number: (await ask(model, open_prompt(model, Message.user(f"{number}")))).message.text for number in order
        }

    first = await texts(list(range(12)))
    assert first == await texts(list(range(11, -1, -1)))
    assert set(first.values()) == {"a", "b"}


async def test_several_calls_at_once_and_raw_arguments():
    model = ScriptedModel([calls(call("a", x=1), call_raw("b", "{broken", id="mine"), text="Both.")])
    message = (await ask(model, open_prompt(model))).message
    assert message.text == "Both."
    assert message.tool_calls == (ToolCall("call_1_0", "a", '{"x":1}'), ToolCall("mine", "b", "{broken"))


async def test_what_is_no_choice_is_named():
    model = ScriptedModel([3])
    with pytest.raises(ConfigError, match="a script holds replies"):
        await ask(model, open_prompt(model))


async def test_a_reply_lets_other_runs_go_first():
    model = ScriptedModel(lambda messages, step: messages[0].text)
    order: list[str] = []

    async def run(name: str) -> None:
        for _ in range(3):
            reply = await ask(model, open_prompt(model, Message.user(name)))
            order.append(reply.message.text)

    await asyncio.gather(run("a"), run("b"))
    assert order == ["a", "b"] * 3
