import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import ModelBroken, ModelOverloaded, ModelRefused
from surefoot.models.anthropic import TOOL_PROMPT_TOKENS, Anthropic
from surefoot.models.base import ModelProfile, Options, Reply
from surefoot.models.http import HttpClient
from surefoot.models.wire import FRAMING_TOKENS
from surefoot.testing import FakeProvider, call, calls, refuse, say, status
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall, ToolSpec, Usage

ADD = ToolSpec("add", "Add two numbers.", {"type": "object", "properties": {"a": {"type": "integer"}}})
NOW = ToolSpec("now", "The time.", {"type": "object", "properties": {}})
PLAIN = Options()
KEY = "sk-ant-0123456789"
MARK = {"cache_control": {"type": "ephemeral"}}
THINKING = '[{"type":"thinking","thinking":"Two — add.","signature":"s=="},{"type":"text","text":"I add."}]'


def make(http, url="http://127.0.0.1:9", name="claude-sonnet-4-5", **options):
    return Anthropic(ModelProfile(f"anthropic:{name}", "anthropic", name), url, KEY, http, **options)


def tool_message(text, call_id, *, is_error=False):
    return Message("tool", (Part(text, Label("tool")),), tool_call_id=call_id, is_error=is_error)


def ask(model, *messages, tools=(), temperature=None):
    prompt = model.open(tools, temperature)
    for message in messages or (Message.user("hi"),):
        prompt.append(message)
    return prompt


def body_of(prompt, max_tokens=100, options=PLAIN, *, stream=False):
    return msgspec.json.decode(prompt.body(max_tokens, options, stream=stream))


async def collect(model, prompt, timeout_s=5.0):
    items = [item async for item in model.stream(prompt, 100, PLAIN, timeout_s)]
    assert isinstance(items[-1], Reply)
    return items[:-1], items[-1]


# --- what is sent


def test_a_whole_conversation_in_wire_form(http):
    prompt = ask(
        make(http),
        Message.system("Be brief."),
        Message.system("And kind."),
        Message.user("one"),
        Message.user("two"),
        Message.assistant(
            "Both.", (ToolCall("t1", "add", '{"a": 1.50}'), ToolCall("t2", "add", "{oops"), ToolCall("t3", "now", "[]"))
        ),
        tool_message("3", "t1"),
        tool_message("bad arguments", "t2", is_error=True),
        tool_message("", "t3"),
        Message.user("Answer now.", SYSTEM_LABEL),
        Message.assistant("Done."),
        Message.assistant("Really."),
        tools=(ADD, NOW),
        temperature=0.0,
    )
    assert b'"input":{"a": 1.50}' in prompt.body(100, PLAIN, stream=False), "the model's own text"
    assert body_of(prompt) == {
        "model": "claude-sonnet-4-5",
        "temperature": 0.0,
        "tools": [
            {"name": "add", "description": "Add two numbers.", "input_schema": ADD.parameters},
            {"name": "now", "description": "The time.", "input_schema": NOW.parameters, **MARK},
        ],
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "And kind.", **MARK}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Both."},
                    {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1.5}},
                    {"type": "tool_use", "id": "t2", "name": "add", "input": {"not_an_object": "{oops"}},
                    {"type": "tool_use", "id": "t3", "name": "now", "input": {"not_an_object": "[]"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "3"},
                    {"type": "tool_result", "tool_use_id": "t2", "content": "bad arguments", "is_error": True},
                    {"type": "tool_result", "tool_use_id": "t3", "content": ""},
                    {"type": "text", "text": "Answer now."},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Done."}, {"type": "text", "text": "Really."}]},
        ],
        "max_tokens": 100,
        **MARK,
    }


def test_options_go_into_the_tail(http):
    prompt = ask(make(http), tools=(ADD,))
    plain = prompt.body(7, PLAIN, stream=False)
    body = body_of(prompt, 5, Options(allow_tools=False), stream=True)
    assert (body["max_tokens"], body["stream"], body["tool_choice"]) == (5, True, {"type": "none"})
    assert "tool_choice" not in body_of(ask(make(http)), options=Options(allow_tools=False))
    assert prompt.body(7, PLAIN, stream=False) == plain


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("name", "schema", "is_sent"),
    [
        ("claude-sonnet-4-5", CLOSED, True),
        ("claude-opus-5-20260801", CLOSED, True),
        ("claude-sonnet-4-5", {"type": "object"}, False),
        ("claude-3-7-sonnet-20250219", CLOSED, False),
        ("claude-sonnet-4-20250514", CLOSED, False),
        ("claude-opus-4-1", CLOSED, False),
    ],
)
def test_structured_output_where_the_model_takes_the_schema(http, name, schema, is_sent):
    prompt = ask(make(http, name=name))
    for _ in range(2):
        body = body_of(prompt, options=Options(response_schema=schema))
        assert body.get("output_config") == ({"format": {"type": "json_schema", "schema": schema}} if is_sent else None)
    assert "output_config" not in body_of(prompt)


def test_caching_can_be_left_out(http):
    prompt = ask(make(http, cache=False), Message.system("S"), Message.user("u"), tools=(ADD,))
    assert b"cache_control" not in prompt.body(1, PLAIN, stream=False)


def test_thinking_goes_back_as_it_came(http):
    prompt = ask(make(http), Message.user("u"), Message.assistant("I add.", (), THINKING), Message.assistant("More."))
    assert THINKING[1:-1].encode() in prompt.body(1, PLAIN, stream=False)
    assert [block["type"] for block in body_of(prompt)["messages"][1]["content"]] == ["thinking", "text", "text"]


def test_messages_that_say_nothing_are_left_out(http):
    prompt = ask(
        make(http), Message.user("a"), Message.assistant(" \n"), Message.assistant("", (), "[]"), Message.user("b")
    )
    assert body_of(prompt)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]
    assert body_of(make(http).open((), None))["messages"] == []


def test_a_late_system_message_joins_the_users_side(http):
    body = body_of(ask(make(http), Message.user("u"), Message.system("nudge")))
    assert "system" not in body
    assert body["messages"][0]["content"] == [{"type": "text", "text": "u"}, {"type": "text", "text": "nudge"}]


def test_runs_share_the_beginning_of_their_requests_and_nothing_else(http):
    model, tools = make(http), (ADD,)
    first = ask(model, Message.system("canary"), Message.user("canary"), tools=tools)
    second = ask(model, Message.user("other"), tools=tools)
    assert b"canary" in first.body(1, PLAIN, stream=False)
    assert b"canary" not in second.body(1, PLAIN, stream=False)
    assert body_of(second)["tools"] == body_of(first)["tools"]


def test_halves_of_surrogate_pairs_do_not_break_a_request(http):
    prompt = ask(make(http), Message.user("x\ud800"), Message.assistant("", (ToolCall("t", "add", '{"a":"\ud800"}'),)))
    messages = body_of(prompt)["messages"]
    assert messages[0]["content"][0]["text"] == "x\ufffd"
    assert messages[1]["content"][0]["input"] == {"a": "\ufffd"}


@settings(deadline=None)  # the first one imports the HTTP library
@given(st.lists(st.text(st.sampled_from("aé\u0344\ufdfa\U0001d160ﬁ\n"), max_size=20), min_size=1, max_size=5))
def test_size_bounds_the_bytes_of_the_text_however_it_is_normalised(texts):
    import unicodedata

    model = make(HttpClient())
    tools = (ToolSpec("t", texts[0], {}),)
    prompt = ask(model, *[Message.user(text) for text in texts], tools=tools)
    for form in ("NFC", "NFKC"):
        whole = [unicodedata.normalize(form, text) for text in [*[text for text in texts if text.strip()], texts[0]]]
        bound = sum(len(text.encode()) for text in whole) + FRAMING_TOKENS + TOOL_PROMPT_TOKENS
        assert prompt.size >= bound
    assert ask(model).size < TOOL_PROMPT_TOKENS, "without tools the API adds no prompt of its own"


# --- what comes back

CALLS = (ToolCall("toolu_01", "add", '{"a": 1,"b":2.50}'), ToolCall("toolu_02", "add", "{}"))


def content_of(body):
    start = body.index(b'"content":') + len(b'"content":')
    return body[start : body.index(b',"stop_reason"')].decode()


GOLDEN = {
    "anthropic_answer": Reply(
        Message.assistant("The order is confirmed."), Usage(2012, 9, 1800, 200), "stop", "msg_01A", "standard"
    ),
    "anthropic_thinking_tools": Reply(Message.assistant("I add.", CALLS), Usage(400, 120), "tool_calls", "msg_01B"),
    "anthropic_refusal": Reply(Message.assistant(""), Usage(30, 0), "refusal", "msg_01C"),
}


@pytest.mark.parametrize("name", GOLDEN)
async def test_golden_replies(http, raw, write_answer, fixture_bytes, name):
    body, expected = fixture_bytes(f"{name}.json"), GOLDEN[name]
    async with raw(write_answer(body, content_type="application/json")) as server:
        model = make(http, server.url)
        reply = await model.respond(ask(model), 100, PLAIN, 5.0)
        blocks = content_of(body) if "thinking" in name else ""
        message = Message.assistant(expected.message.text, expected.message.tool_calls, blocks)
        assert reply == msgspec.structs.replace(expected, message=message)
        head = server.requests[0][0].decode().lower().split("\r\n")
        assert head[0] == "post /v1/messages http/1.1"
        assert f"x-api-key: {KEY}" in head
        assert "anthropic-version: 2023-06-01" in head


@pytest.mark.parametrize("size", [0, 1, 50])
async def test_a_golden_stream(http, raw, write_events, fixture_bytes, size):
    async with raw(write_events(fixture_bytes("anthropic_thinking_tools.sse"), size)) as server:
        model = make(http, server.url)
        texts, reply = await collect(model, ask(model))
        assert "".join(texts) == reply.message.text == "I add."
        assert reply.message.tool_calls == (
            ToolCall("toolu_03", "add", '{"a": 1, "b": 2}'),
            ToolCall("toolu_04", "now", "{}"),
        )
        assert msgspec.json.decode(reply.message.blocks) == [
            {"type": "thinking", "thinking": "Let me add “1”.", "signature": "EqQBCg=="},
            {"type": "text", "text": "I add."},
            {"type": "redacted_thinking", "data": "Emw="},
            {"type": "tool_use", "id": "toolu_03", "name": "add", "input": {"a": 1, "b": 2}},
            {"type": "tool_use", "id": "toolu_04", "name": "now", "input": {}},
        ]
        assert (reply.usage, reply.finish_reason, reply.response_id) == (
            Usage(1028, 60, 1000, 3),
            "tool_calls",
            "msg_02",
        )


def test_urls_with_and_without_their_path(http):
    for url in ("http://h", "http://h/", "http://h/v1", "http://h/v1/messages"):
        assert str(make(http, url)._endpoint.url) == "http://h/v1/messages"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (b"null", None), (b"{}", None), (b'{"input_tokens":5}', None), (b'{"output_tokens":5}', None),
        (b'{"input_tokens":-1,"output_tokens":1}', None), (b'{"input_tokens":"5","output_tokens":1}', None),
        (b'{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":-1}', None),
        (b'{"input_tokens":0,"output_tokens":0}', Usage(0, 0)),
        (b'{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":null}', Usage(1, 1)),
    ],
)  # fmt: skip
async def test_usage_that_cannot_be_right_is_missing(http, raw, write_answer, usage, expected):
    body = b'{"id":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":%b}' % usage
    async with raw(write_answer(body)) as server:
        model = make(http, server.url)
        reply = await model.respond(ask(model), 100, PLAIN, 5.0)
        assert (reply.message.text, reply.usage) == ("x", expected)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("tool_use", "tool_calls"),
        ("max_tokens", "length"), ("model_context_window_exceeded", "length"), ("refusal", "refusal"), ("new", "stop"),
    ],
)  # fmt: skip
async def test_each_stop_reason(http, raw, write_answer, reason, expected):
    async with raw(write_answer(b'{"content":[],"stop_reason":"%b"}' % reason.encode())) as server:
        model = make(http, server.url)
        assert (await model.respond(ask(model), 100, PLAIN, 5.0)).finish_reason == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "cannot be read"), (b"{}", "holds no content"), (b'{"content":5}', "cannot be read"),
        (b'{"type":"error","error":{"type":"api_error","message":"inside"}}', "inside"), (b"<html>", "cannot be read"),
    ],
)  # fmt: skip
async def test_a_reply_that_cannot_be_used_counts_as_sent(http, raw, write_answer, body, said):
    async with raw(write_answer(body)) as server:
        model = make(http, server.url)
        with pytest.raises(ModelBroken, match=said) as caught:
            await model.respond(ask(model), 100, PLAIN, 5.0)
        assert caught.value.sent


def event(**fields):
    return b"data: %b\n\n" % msgspec.json.encode(fields)


START = event(type="message_start", message={"id": "m", "usage": {"input_tokens": 10, "output_tokens": 1}})
BLOCK = event(type="content_block_start", index=0, content_block={"type": "text", "text": "a"})
TEXT = event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "b"})
END = event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
STOP = event(type="message_stop")


@pytest.mark.parametrize(
    ("stream", "usage"),
    [
        (START + BLOCK + TEXT + END + STOP, Usage(10, 5)),
        (START + BLOCK + TEXT + END, Usage(10, 5)),
        (START + BLOCK + TEXT + STOP, None),
        (BLOCK + TEXT + END + STOP, None),
        (START + BLOCK + TEXT + event(type="message_delta", delta={"stop_reason": "end_turn"}) + STOP, None),
        (START + BLOCK + TEXT + event(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": "5"}) + STOP, None),
        (
            START + BLOCK + TEXT
            + event(type="message_delta", delta={"stop_reason": "end_turn"},
                    usage={"output_tokens": 5, "input_tokens": 11, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3})
            + STOP,
            Usage(16, 5, 2, 3),
        ),
        (START + BLOCK + TEXT + event(type="content_block_delta", index=0) + event(type="later_invention") + END + STOP, Usage(10, 5)),
    ],
)  # fmt: skip
async def test_usage_of_a_stream(http, raw, write_events, stream, usage):
    async with raw(write_events(stream)) as server:
        model = make(http, server.url)
        texts, reply = await collect(model, ask(model))
        assert "".join(texts) == reply.message.text == "ab"
        assert reply.usage == usage


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"", "was cut"), (START + BLOCK + TEXT, "was cut"), (START + TEXT, "belongs to no block"),
        (START + event(type="error", error={"type": "overloaded_error", "message": "Overloaded"}), "Overloaded"),
        (START + b"data: {oops\n\n", "cannot be read"),
        (START + b'data: {"type":"content_block_start","index":0,"content_block":{"type":5}}\n\n', "cannot be read"),
    ],
)  # fmt: skip
async def test_a_stream_that_breaks_counts_as_sent(http, raw, write_events, stream, said):
    async with raw(write_events(stream)) as server:
        model = make(http, server.url)
        with pytest.raises(ModelBroken, match=said) as caught:
            await collect(model, ask(model))
        assert caught.value.sent


async def test_a_tool_call_whose_arguments_were_cut_stays_as_it_came(http, raw, write_events):
    stream = (
        START
        + event(
            type="content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
        )
        + event(
            type="content_block_start",
            index=1,
            content_block={"type": "tool_use", "id": "t", "name": "add", "input": {}},
        )
        + event(type="content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a": 1'})
        + event(type="message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 5})
        + STOP
    )
    async with raw(write_events(stream)) as server:
        model = make(http, server.url)
        _, reply = await collect(model, ask(model))
        assert reply.finish_reason == "length"
        assert reply.message.tool_calls == (ToolCall("t", "add", '{"a": 1'),)
        assert msgspec.json.decode(reply.message.blocks)[1]["input"] == {"not_an_object": '{"a": 1'}


# --- against a provider that checks what it is told


@pytest.mark.parametrize("chunk_bytes", [0, 5])
async def test_a_run_with_tools_whole_and_streamed(http, chunk_bytes):
    script = [
        calls(call("add", a=1), call("add", a=2), text="Both.", thinking="Hm „ü“."),
        say("It is 3.", cache_read_tokens=20, cache_write_tokens=5),
        refuse("No."),
        say("x" * 4000),
    ]
    async with FakeProvider([*script, *script], api_key=KEY, chunk_bytes=chunk_bytes) as provider:
        model, tools = make(http, provider.base_url), (ADD,)

        async def play(send):
            prompt = ask(model, Message.system("S"), Message.user("add"), tools=tools)
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
        assert whole[1].usage is not None
        assert (whole[1].usage.cache_read_tokens, whole[1].usage.cache_write_tokens) == (20, 5)


@pytest.mark.parametrize(("fault", "kind"), [(status(529), ModelOverloaded), (status(400, "bad"), ModelRefused)])
async def test_faults_become_errors(http, fault, kind):
    async with FakeProvider([fault], api_key=KEY) as provider:
        model = make(http, provider.base_url)
        with pytest.raises(kind):
            await model.respond(ask(model), 100, PLAIN, 5.0)


async def test_a_wrong_key_is_refused(http):
    async with FakeProvider(["never"], api_key="another") as provider:
        model = make(http, provider.base_url, key_setting="ANTHROPIC_API_KEY")
        with pytest.raises(ModelRefused, match="check ANTHROPIC_API_KEY"):
            await model.respond(ask(model), 100, PLAIN, 5.0)
