import asyncio
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import ConfigError, ModelBroken, ModelOverloaded, ModelRefused
from surefoot.models.base import ModelProfile, Options, Reply
from surefoot.models.http import HttpClient
from surefoot.models.openai_chat import OpenAIChat
from surefoot.models.wire import FRAMING_TOKENS, MAX_HEADS
from surefoot.testing import FakeProvider, call, calls, garbage, hang, refuse, reset, say, status
from surefoot.types import Label, Message, Part, ToolCall, ToolSpec, Usage

ADD = ToolSpec("add", "Add two numbers.", {"type": "object", "properties": {"a": {"type": "integer"}}})
TOOLS = (ADD,)
PLAIN = Options()
KEY = "sk-live-0123456789"


def profile(name="gpt-4.1", provider="openai"):
    return ModelProfile(f"{provider}:{name}", provider, name)


def make(http, url="http://127.0.0.1:9/v1", name="gpt-4.1", key=KEY, **options):
    return OpenAIChat(profile(name), url, key, http, **options)


def tool_message(text, call_id="call_1"):
    return Message("tool", (Part(text, Label("tool")),), tool_call_id=call_id)


def ask(model, *messages, tools=(), temperature=None):
    prompt = model.open(tools, temperature)
    for message in messages or (Message.user("hi"),):
        prompt.append(message)
    return prompt


def body_of(prompt, max_tokens=100, options=PLAIN, *, stream=False):
    return msgspec.json.decode(prompt.body(max_tokens, options, stream=stream))


async def collect(model, prompt, options=PLAIN, timeout_s=5.0):
    texts, reply = [], None
    async for piece in model.stream(prompt, 100, options, timeout_s):
        assert reply is None, "the reply comes last"
        if isinstance(piece, Reply):
            reply = piece
        else:
            texts.append(piece)
    return texts, reply


# --- what is sent


def test_a_whole_conversation_in_wire_form(http):
    arguments = '{"a": "ü\\n"}'
    prompt = ask(
        make(http),
        Message.system("Be brief."),
        Message("user", (Part("one ", Label("user")), Part("“two”", Label("third_party")))),
        Message.assistant("", (ToolCall("call_1", "add", arguments), ToolCall("call_2", "add", "{oops"))),
        tool_message("3"),
        tool_message('say "no"', "call_2"),
        Message.assistant("Then", (ToolCall("call_3", "add", "{}"),)),
        tool_message("4", "call_3"),
        Message.assistant("Done."),
        tools=TOOLS,
        temperature=0.2,
    )
    function = {"name": "add", "arguments": arguments}
    assert body_of(prompt) == {
        "model": "gpt-4.1",
        "temperature": 0.2,
        "tools": [{"type": "function", "function": msgspec.to_builtins(ADD)}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one “two”"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": function},
                    {"id": "call_2", "type": "function", "function": {"name": "add", "arguments": "{oops"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
            {"role": "tool", "tool_call_id": "call_2", "content": 'say "no"'},
            {
                "role": "assistant",
                "content": "Then",
                "tool_calls": [{"id": "call_3", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "call_3", "content": "4"},
            {"role": "assistant", "content": "Done."},
        ],
        "max_tokens": 100,
    }


def test_options_go_into_the_tail_and_leave_no_trace(http):
    prompt = ask(make(http), tools=TOOLS)
    plain = prompt.body(7, PLAIN, stream=False)
    schema = {"type": "object"}
    other = body_of(prompt, 5, Options(allow_tools=False, response_schema=schema), stream=True)
    assert other["max_tokens"] == 5
    assert other["stream"] is True
    assert other["stream_options"] == {"include_usage": True}
    assert other["tool_choice"] == "none"
    assert other["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "strict": False, "schema": schema},
    }
    assert body_of(prompt, 5, Options(response_schema={"type": "array"}))["response_format"]["json_schema"][
        "schema"
    ] == {"type": "array"}
    assert body_of(prompt, 5, Options(response_schema=schema))["response_format"]["json_schema"]["schema"] == schema
    assert prompt.body(7, PLAIN, stream=False) == plain


def test_no_tool_choice_without_tools(http):
    assert "tool_choice" not in body_of(ask(make(http)), options=Options(allow_tools=False))
    assert "tools" not in body_of(ask(make(http)))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("gpt-4.1", "max_tokens"), ("gpt-4o", "max_tokens"), ("o3", "max_completion_tokens"),
        ("o4-mini-2025-04-16", "max_completion_tokens"), ("gpt-5-mini", "max_completion_tokens"),
        ("openai/gpt-5", "max_completion_tokens"), ("openrouter/openai/o1", "max_completion_tokens"),
        ("olmo-2", "max_tokens"), ("deepseek-chat", "max_tokens"),
    ],
)  # fmt: skip
def test_the_name_of_the_limit_depends_on_the_model(http, name, field):
    body = body_of(ask(make(http, name=name)), 11)
    assert body[field] == 11
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


def test_the_name_of_the_limit_can_be_set(http):
    assert body_of(ask(make(http, name="o3", max_tokens_field="max_tokens")), 11)["max_tokens"] == 11


def test_runs_share_the_beginning_of_their_requests_and_nothing_else(http):
    model = make(http)
    system = Message.system("S")
    first = ask(model, system, Message.user("canary"), tools=TOOLS)
    second = ask(model, system, Message.user("other"), tools=TOOLS)
    third = ask(model, Message.system("T"), tools=TOOLS)
    assert b"canary" not in second.body(1, PLAIN, stream=False)
    assert body_of(second)["messages"][0] == {"role": "system", "content": "S"}
    assert body_of(third)["messages"] == [{"role": "system", "content": "T"}]
    assert body_of(first)["messages"][1]["content"] == "canary"
    assert body_of(ask(model, tools=TOOLS, temperature=0.0))["temperature"] == 0.0
    assert "temperature" not in body_of(ask(model, tools=TOOLS))


def test_tools_of_the_same_address_are_not_confused(http):
    model = make(http)
    for number in range(MAX_HEADS + 40):
        tools = (ToolSpec(f"t{number}", "", {}),)
        assert body_of(ask(model, tools=tools))["tools"][0]["function"]["name"] == f"t{number}"


def test_halves_of_surrogate_pairs_do_not_break_a_request(http):
    prompt = ask(
        make(http),
        Message.system("x\ud800y"),
        Message.user("a\ud83d\ude00b\udc00c"),
        Message.assistant("", (ToolCall("i\ud800", "add", '{"a":"\ud800"}'),)),
    )
    messages = body_of(prompt)["messages"]
    assert messages[0]["content"] == "x\ufffdy"
    assert messages[1]["content"] == "a😀b\ufffdc"
    assert messages[2]["tool_calls"][0]["function"]["arguments"] == '{"a":"\ufffd"}'


TEXTS = st.text(max_size=40) | st.text(st.sampled_from("aé\u0344\ufdfa\U0001d160ﬁ…"), max_size=20)


@settings(deadline=None)  # the first one imports the HTTP library
@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
def test_size_bounds_the_bytes_of_the_text_however_it_is_normalised(texts, description):
    model = make(HttpClient())
    tools = (ToolSpec("t", description, {"type": "object"}),)
    prompt = model.open(tools, None)
    before = prompt.size
    for text in texts:
        prompt.append(Message.user(text))
        prompt.append(Message.assistant("", (ToolCall("i", "t", text),)))
        assert prompt.size > before
        before = prompt.size
    for form in ("NFC", "NFD", "NFKC", None):
        whole = [text if form is None else unicodedata.normalize(form, text) for text in [*texts, *texts, description]]
        if form != "NFD":  # no tokenizer decomposes
            assert prompt.size >= sum(len(text.encode("utf-8", "replace")) for text in whole) + FRAMING_TOKENS
    assert prompt.size >= len(prompt.body(1, PLAIN, stream=False)) - len('],"max_tokens":1}') + FRAMING_TOKENS


# --- what comes back, whole


def expect(text, tool_calls, reason, usage, response_id, *tier):
    return Reply(Message.assistant(text, tool_calls), usage, reason, response_id, *tier)


GOLDEN = {
    "openai_answer": expect("The order is confirmed: 4711 → “ready”.", (), "stop", Usage(1206, 12, 1024), "chatcmpl-A1", "default"),
    "openai_tool_calls": expect(
        "Both at once.",
        (ToolCall("call_a", "add", '{"a": 1, "b": 2}'), ToolCall("call_b", "search_orders", '{"customer_id":"C-20031"}')),
        "tool_calls",
        Usage(310, 41),
        "chatcmpl-A2",
    ),
    "openai_refusal": expect("I'm sorry, I can't assist with that.", (), "refusal", Usage(81, 11), "chatcmpl-A3"),
    "openai_length": expect("", (), "length", Usage(55, 256, reasoning_tokens=256), "chatcmpl-A4"),
    "openai_content_filter": expect("The first part", (), "content_filter", Usage(20, 3), "chatcmpl-A5"),
    "deepseek_reasoning": expect("9.8 is larger.", (), "stop", Usage(640, 48, 512, 0, 40), "930c60df"),
    "legacy_function_call": expect("", (ToolCall("", "add", '{"a":1}'),), "tool_calls", None, "chatcmpl-A6"),
    "server_object_arguments": expect(
        "", (ToolCall("", "add", '{"a":1,"b":[true,null]}'), ToolCall("x", "", "")), "tool_calls", Usage(0, 0), ""
    ),
    "mistral_parts": expect("Shown text.", (), "stop", Usage(9, 30), "m1"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
async def test_golden_replies(http, raw, write_answer, fixture_bytes, name):
    expected = GOLDEN[name]
    async with raw(write_answer(fixture_bytes(f"{name}.json"), content_type="application/json")) as server:
        model = make(http, server.url)
        assert await model.respond(ask(model), 100, PLAIN, 5.0) == expected
        text = expected.message.text
        streamed = [piece async for piece in model.stream(ask(model), 100, PLAIN, 5.0)]
        assert streamed == [*([text] if text else []), expected], "a server that does not stream is understood too"


async def test_the_request_on_the_wire(http, raw, write_answer, fixture_bytes):
    async with raw(write_answer(fixture_bytes("openai_answer.json"))) as server:
        model = make(http, server.url + "/?api-version=1", headers={"x-title": "test"})
        await model.respond(ask(model), 100, PLAIN, 5.0)
        keyless = make(http, server.url, key="")
        await keyless.respond(ask(keyless), 100, PLAIN, 5.0)
        head, body = server.requests[0]
        lines = head.decode().lower().split("\r\n")
        assert lines[0] == "post /v1/chat/completions?api-version=1 http/1.1"
        assert f"authorization: bearer {KEY}" in lines
        assert "content-type: application/json" in lines
        assert "x-title: test" in lines
        assert msgspec.json.decode(body)["messages"] == [{"role": "user", "content": "hi"}]
        assert b"authorization" not in server.requests[1][0].lower()


def test_a_full_url_is_not_doubled(http):
    for url in ("http://h/v1", "http://h/v1/", "http://h/v1/chat/completions"):
        assert str(make(http, url)._endpoint.url) == "http://h/v1/chat/completions"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (b"null", None),
        (b"{}", None),
        (b'{"prompt_tokens":5}', None),
        (b'{"prompt_tokens":5,"completion_tokens":-1}', None),
        (b'{"prompt_tokens":-5,"completion_tokens":1}', None),
        (b'{"prompt_tokens":"5","completion_tokens":1}', None),
        (b'{"prompt_tokens":5.5,"completion_tokens":1}', None),
        (b'{"prompt_tokens":null,"completion_tokens":1}', None),
        (b'{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}}', None),
        (b'{"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":2}}', None),
        (b'{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}', None),
        (b'"none"', None),
        (b'{"prompt_tokens":0,"completion_tokens":0}', Usage(0, 0)),
        (b'{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":null}', Usage(5, 1)),
        (b'{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":null}}', Usage(5, 1)),
        (
            b'{"prompt_tokens":5,"completion_tokens":1,"total_tokens":26,"completion_tokens_details":{"reasoning_tokens":20}}',
            Usage(5, 21, reasoning_tokens=20),
        ),
    ],
)
async def test_usage_that_cannot_be_right_is_missing(http, raw, write_answer, usage, expected):
    body = b'{"id":"i","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":%b}' % usage
    async with raw(write_answer(body)) as server:
        model = make(http, server.url)
        reply = await model.respond(ask(model), 100, PLAIN, 5.0)
        assert reply.message.text == "x"
        assert reply.usage == expected


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"<html>hello</html>", b"{}", b'{"choices":[]}', b'{"choices":null}',
        b'{"choices":[{}]}', b'{"choices":[{"message":null}]}', b'{"choices":[{"message":{"content":5}}]}',
        b'{"error":{"code":429,"message":"busy"}}', b'{"error":"busy","choices":[{"message":{"content":"x"}}]}',
        b'{"choices":[{"message":{"content":"half"},"finish_reason":"error"}]}', b'{"id":"\xff\xfe"}',
    ],
)  # fmt: skip
async def test_a_reply_that_cannot_be_used_counts_as_sent(http, raw, write_answer, body):
    async with raw(write_answer(body)) as server:
        model = make(http, server.url)
        with pytest.raises(ModelBroken, match="reply is broken") as caught:
            await model.respond(ask(model), 100, PLAIN, 5.0)
        assert caught.value.sent
        assert ("busy" in str(caught.value)) == (b"busy" in body)


# --- what comes back, streamed


STREAMS = {
    "openai_answer.sse": expect('The sum is "3 €"\n\\.', (), "stop", Usage(19, 8, 16), "chatcmpl-S1", "default"),
    "openai_tool_calls.sse": expect(
        "",
        (ToolCall("call_a", "add", '{"a": 1, "b": 2} '), ToolCall("call_b", "search_orders", "{}")),
        "tool_calls",
        Usage(300, 40),
        "chatcmpl-S2",
    ),
    "server_crlf.sse": expect("Hi", (), "stop", Usage(5, 9, reasoning_tokens=7), "S3"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_golden_streams(http, raw, write_events, fixture_bytes, name):
    sizes = [0, 1, 7, 64, 1000]
    async with raw(*[write_events(fixture_bytes(name), size) for size in sizes]) as server:
        model = make(http, server.url)
        for _ in sizes:
            texts, reply = await collect(model, ask(model))
            assert reply == STREAMS[name]
            assert "".join(texts) == reply.message.text
        assert msgspec.json.decode(server.requests[0][1])["stream"] is True


def chunk(delta="{}", finish="null", extra=""):
    return f'data: {{"id":"i","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]{extra}}}\n\n'


def tool_delta(*parts):
    return '{"tool_calls":[' + ",".join(parts) + "]}"


DONE = "data: [DONE]\n\n"
STOP = chunk(finish='"stop"')


@pytest.mark.parametrize(
    "case",
    [
        (chunk('{"content":"x"}') + STOP, "x", (), "stop"),
        (chunk('{"content":"x"}') + DONE, "x", (), "stop"),
        (chunk('{"content":"x"}', extra=',"usage":{"prompt_tokens":1,"completion_tokens":1}') + STOP + DONE, "x", (), "stop"),
        (chunk('{"content":"x"}') + STOP + chunk(extra=',"usage":{"prompt_tokens":"?"}') + DONE, "x", (), "stop"),
        (chunk('{"refusal":"I "}') + chunk('{"refusal":"cannot."}') + STOP + DONE, "I cannot.", (), "refusal"),
        (chunk('{"content":[{"type":"text","text":"p"}]}') + STOP, "p", (), "stop"),
        (chunk("null") + chunk('{"content":"a"}', '"length"'), "a", (), "length"),
        (
            chunk('{"function_call":{"name":"f","arguments":""}}') + chunk('{"function_call":{"arguments":"{}"}}')
            + chunk(finish='"function_call"'), "", (ToolCall("", "f", "{}"),), "tool_calls"),
        (  # no index: whole calls
            chunk(tool_delta('{"id":"a","function":{"name":"f","arguments":"{}"}}', '{"id":"b","function":{"name":"g","arguments":{"x":1}}}'))
            + STOP, "", (ToolCall("a", "f", "{}"), ToolCall("b", "g", '{"x":1}')), "tool_calls"),
        (  # no index and no id
            chunk(tool_delta('{"function":{"name":"f","arguments":"{"}}')) + chunk(tool_delta('{"function":{"arguments":"}"}}'))
            + chunk(tool_delta('{"function":{"name":"g"}}')) + STOP,
            "", (ToolCall("", "f", "{}"), ToolCall("", "g", "")), "tool_calls"),
        (  # every call has index 0
            chunk(tool_delta('{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}'))
            + chunk(tool_delta('{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}')) + STOP,
            "", (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")), "tool_calls"),
        (  # the id is repeated
            chunk(tool_delta('{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}'))
            + chunk(tool_delta('{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}')) + STOP,
            "", (ToolCall("a", "f", "{}"),), "tool_calls"),
        (chunk(tool_delta('{"index":0}')) + STOP, "", (ToolCall("", "", ""),), "tool_calls"),
        (
            'data: {"choices":[{"index":1,"delta":{"content":"second choice"}}]}\n\n' + chunk('{"content":"x"}') + STOP,
            "x", (), "stop"),
    ],
)  # fmt: skip
async def test_streams_of_other_servers(http, raw, write_events, case):
    stream, text, tool_calls, reason = case
    async with raw(write_events(stream.encode())) as server:
        model = make(http, server.url)
        texts, reply = await collect(model, ask(model))
        assert "".join(texts) == text
        assert reply is not None
        assert (reply.message, reply.finish_reason, reply.usage) == (Message.assistant(text, tool_calls), reason, None)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("", "was cut"),
        (": nothing\n\n", "was cut"),
        (chunk('{"content":"x"}'), "was cut"),
        (chunk('{"content":"x"}') + 'data: {"error":{"message":"overloaded"}}\n\n', "overloaded"),
        (chunk('{"content":"x"}') + "data: {oops\n\n", "cannot be read"),
        (chunk('{"content":"x"}', '"error"'), "failed in the middle"),
        ("<html>no stream</html>", "was cut"),
    ],
)
async def test_a_stream_that_breaks_counts_as_sent(http, raw, write_events, stream, said):
    async with raw(write_events(stream.encode())) as server:
        model = make(http, server.url)
        with pytest.raises(ModelBroken, match=said) as caught:
            await collect(model, ask(model))
        assert caught.value.sent


async def test_an_endless_event_is_given_up(http, raw, write_events):
    async with raw(write_events(b"data: " + b"x" * (9 << 20), 1 << 20)) as server:
        model = make(http, server.url)
        with pytest.raises(ModelBroken, match="too long"):
            await collect(model, ask(model))


def to_json(value):
    return msgspec.json.encode(value).decode()


PIECES = st.text(max_size=6).map(to_json)
EVENTS = st.lists(
    st.one_of(
        PIECES.map(lambda piece: f'{{"content":{piece}}}'),
        st.tuples(st.integers(0, 2), PIECES).map(
            lambda pair: tool_delta(f'{{"index":{pair[0]},"function":{{"arguments":{pair[1]}}}}}')
        ),
        st.just('{"role":"assistant"}'),
        st.just('{"content":null}'),
    ),
    max_size=12,
)


@given(EVENTS)
def test_templates_change_nothing(deltas):
    """However events follow each other, what is assembled is what each says on its own."""
    from surefoot.models.openai_reply import ChatAssembly
    from surefoot.models.status import Peer

    assembly = ChatAssembly(Peer("m", "a", "k"))
    text, arguments = "", {}
    for delta in deltas:
        shown = assembly.take(chunk(delta)[6:-2].encode())
        value = msgspec.json.decode(delta)
        assert shown == (value.get("content") or "")
        text += shown
        for one in value.get("tool_calls", ()):
            arguments[one["index"]] = arguments.get(one["index"], "") + one["function"]["arguments"]
    assembly.take(STOP[6:-2].encode())
    reply = assembly.finish()
    assert reply.message.text == text
    assert [one.arguments for one in reply.message.tool_calls] == list(arguments.values())


# --- against a provider that checks what it is told


@pytest.mark.parametrize("chunk_bytes", [0, 5])
async def test_a_run_with_tools_whole_and_streamed(http, chunk_bytes):
    script = [
        calls(call("add", a=1), call("add", a=2), text="Both."),
        say("It is „3“."),
        refuse("No."),
        say("x" * 4000),
    ]
    async with FakeProvider([*script, *script], api_key=KEY, chunk_bytes=chunk_bytes) as provider:
        model = make(http, provider.base_url)

        async def play(send):
            prompt = ask(model, Message.system("S"), Message.user("add"), tools=TOOLS)
            first = await send(prompt)
            prompt.append(first.message)
            for one in first.message.tool_calls:
                prompt.append(tool_message("1", one.id))
            size = prompt.size
            second = await send(prompt)
            assert second.usage is not None
            assert second.usage.input_tokens <= size
            return [first, second, await send(prompt), await send(prompt)]

        async def stream(prompt):
            texts, reply = await collect(model, prompt)
            assert "".join(texts) == reply.message.text
            return reply

        whole = await play(lambda prompt: model.respond(prompt, 100, PLAIN, 5.0))
        streamed = await play(stream)
        for one, other in zip(whole, streamed, strict=True):
            assert one.message.text == other.message.text
            assert [c.arguments for c in one.message.tool_calls] == [c.arguments for c in other.message.tool_calls]
            assert (one.usage, one.finish_reason) == (other.usage, other.finish_reason)
        assert [reply.finish_reason for reply in whole] == ["tool_calls", "stop", "refusal", "length"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (status(400, "bad"), ModelRefused),
        (status(429, "slow", retry_after_s=2), ModelOverloaded),
        (status(500, "oops"), ModelBroken),
        (reset(), ModelBroken),
        (reset(after_headers=True), ModelBroken),
        (garbage(), ModelBroken),
        (garbage(html=True), ModelRefused),
        (say("cut in the middle", cut_after=1), ModelBroken),
        (say("cut in the middle", cut_after=1, cut="error"), ModelBroken),
    ],
)
async def test_faults_become_errors_whole_and_streamed(http, fault, kind):
    async with FakeProvider([fault, fault], api_key=KEY) as provider:
        model = make(http, provider.base_url)
        with pytest.raises(kind) as whole:
            await model.respond(ask(model), 100, PLAIN, 5.0)
        with pytest.raises(kind) as streamed:
            await collect(model, ask(model))
        for caught in (whole, streamed):
            assert type(caught.value) is kind
            assert KEY not in str(caught.value)
            assert caught.value.retry_after_s == (2.0 if kind is ModelOverloaded else None)


async def test_a_wrong_key_is_refused(http):
    async with FakeProvider(["never"], api_key="another-key") as provider:
        model = make(http, provider.base_url, key_setting="OPENAI_API_KEY")
        with pytest.raises(ModelRefused, match="check OPENAI_API_KEY"):
            await model.respond(ask(model), 100, PLAIN, 5.0)


async def test_a_key_that_was_never_sent_is_asked_for_by_its_setting(http):
    async with FakeProvider(["never"] * 3, api_key="another-key") as provider:
        model = make(http, provider.base_url, key="", key_setting="OPENAI_API_KEY")
        said = r"the provider wants a key and none was sent \(HTTP 401\), set OPENAI_API_KEY"
        with pytest.raises(ModelRefused, match=said):
            await model.respond(ask(model), 100, PLAIN, 5.0)
        with pytest.raises(ModelRefused, match=said):
            await collect(model, ask(model))
        own = make(http, provider.base_url, key="", headers={"authorization": "Bearer a-wrong-key"})
        with pytest.raises(ModelRefused, match="refuses the key"):
            await own.respond(ask(own), 100, PLAIN, 5.0)


@pytest.mark.parametrize("echo", ["Bearer own-secret-value", "own-secret-value", "query-secret-value"])
async def test_keys_in_headers_and_queries_are_masked_too(http, raw, write_answer, echo):
    async with raw(write_answer(f'{{"error":"no {echo}!"}}'.encode(), "400 Bad Request")) as server:
        url = f"{server.url}?version=1&api_key=query-secret-value"
        model = make(http, url, key="", headers={"authorization": "Bearer own-secret-value", "x-app": "shop"})
        with pytest.raises(ModelRefused, match=r": no \[key\]!$"):
            await model.respond(ask(model), 100, PLAIN, 5.0)


async def test_a_model_that_hangs_is_given_up(http):
    async with FakeProvider([hang(), hang()], api_key=KEY) as provider:
        model = make(http, provider.base_url)
        with pytest.raises(ModelBroken, match=r"within 0\.05 s"):
            await model.respond(ask(model), 100, PLAIN, 0.05)
        with pytest.raises(ModelBroken, match=r"within 0\.05 s"):
            await collect(model, ask(model), timeout_s=0.05)


async def test_a_stream_that_is_left_early_gives_its_connection_up(http, raw):
    left = asyncio.Event()

    async def drip(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        event = chunk('{"content":"x"}').encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await reader.read()  # b"" when the caller closes
        left.set()

    async with raw(drip) as server:
        model = make(http, server.url)
        stream = model.stream(ask(model), 100, PLAIN, 60.0)
        assert await anext(stream) == "x"
        await stream.aclose()
        async with asyncio.timeout(5):
            await left.wait()


@pytest.mark.parametrize(
    "base_url", ["", "api.openai.com/v1", "ftp://h/v1", "http://", "http://h:99999/v1", "http://a b/v1"]
)
def test_a_wrong_base_url_is_named(http, base_url):
    with pytest.raises(ConfigError, match=r"openai:gpt-4\.1: base_url"):
        make(http, base_url)


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(http):
    for key in ("sk-тест-key", "sk-a\nb"):
        with pytest.raises(ConfigError, match="check OPENAI_API_KEY") as caught:
            make(http, key=key, key_setting="OPENAI_API_KEY")
        assert key not in str(caught.value)


async def test_closing_a_model_leaves_the_pool_to_the_others(http):
    async with FakeProvider(["one"], api_key=KEY) as provider:
        model = make(http, provider.base_url)
        await model.close()
        assert (await model.respond(ask(model), 100, PLAIN, 5.0)).message.text == "one"
