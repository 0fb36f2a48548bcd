import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.testing.wire_client import TOOL, ask, post

from surefoot.testing import FakeProvider, ProviderRequest, call, call_raw, calls, refuse, say
from surefoot.testing.generation import generate
from surefoot.testing.openai_wire import OpenAiWire
from surefoot.testing.script import Fault
from surefoot.types import Label, Message, Part, ToolCall, Usage

USAGE = Usage(100, 50, cache_read_tokens=40, reasoning_tokens=20)


def read(body: bytes) -> ProviderRequest | Fault:
    return OpenAiWire().read(1, {}, body)


async def test_a_whole_reply():
    async with FakeProvider([say("Hi.", usage=USAGE, thinking="Hm.")]) as provider:
        got = await post(provider, ask())
    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    reply = got.json
    assert (reply["id"], reply["object"], reply["model"]) == ("chatcmpl-1", "chat.completion", "m")
    assert reply["created"] > 1_700_000_000
    message = reply["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hi.", "refusal": None, "reasoning_content": "Hm."}
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
    }


async def test_tool_calls_refusals_and_other_ends():
    script = [
        calls(call("look_up", key="x"), call_raw("look_up", "{no")),
        refuse("I will not."),
        say("", finish_reason="content_filter"),
        say("cut off here", usage=None),
    ]
    async with FakeProvider(script) as provider:
        first = (await post(provider, ask(tools=[TOOL]))).json["choices"][0]
        second = (await post(provider, ask())).json["choices"][0]
        third = (await post(provider, ask())).json["choices"][0]
        fourth = (await post(provider, ask(max_tokens=1))).json
    assert first["finish_reason"] == "tool_calls"
    assert first["message"]["content"] is None
    assert first["message"]["tool_calls"] == [
        {"id": "call_1_0", "type": "function", "function": {"name": "look_up", "arguments": '{"key":"x"}'}},
        {"id": "call_1_1", "type": "function", "function": {"name": "look_up", "arguments": "{no"}},
    ]
    assert second["message"] == {"role": "assistant", "content": None, "refusal": "I will not."}
    assert second["finish_reason"] == "stop"
    assert third["finish_reason"] == "content_filter"
    assert fourth["choices"][0]["finish_reason"] == "length"
    assert fourth["choices"][0]["message"]["content"] == "cut "
    assert "usage" not in fourth


async def test_a_stream_of_text_calls_and_usage():
    answer = calls(call("look_up", key="a longer argument, in several pieces"), text="Let me see.", thinking="Hm.")
    async with FakeProvider([answer]) as provider:
        got = await post(provider, ask(stream=True, stream_options={"include_usage": True}))
    assert got.headers["content-type"].startswith("text/event-stream")
    *chunks, last, done = got.events
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert got.text == "Let me see."
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == ["Hm."]
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert (pieces[0]["id"], pieces[0]["type"], pieces[0]["index"]) == ("call_1_0", "function", 0)
    assert pieces[0]["function"] == {"name": "look_up", "arguments": ""}
    assert len(pieces) > 2
    assert json.loads("".join([piece["function"]["arguments"] for piece in pieces])) == {
        "key": "a longer argument, in several pieces"
    }
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "tool_calls"
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == provider.bill.usage.input_tokens


async def test_a_stream_without_usage_unless_asked_for_and_given():
    async with FakeProvider([say("a"), say("b", usage=None), refuse("No, sorry.")]) as provider:
        plain = await post(provider, ask(stream=True))
        missing = await post(provider, ask(stream=True, stream_options={"include_usage": True}))
        refused = await post(provider, ask(stream=True))
    for got in (plain, missing, refused):
        assert all("usage" not in event for event in got.events)
    deltas = [chunk["choices"][0]["delta"] for chunk in refused.events[1:-2]]
    assert deltas == [{"refusal": "No,"}, {"refusal": " sorry."}]


@given(st.text(), st.text())
def test_every_text_survives_a_stream(text, model):
    wire = OpenAiWire()
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 9}
    request = wire.read(1, {}, json.dumps(body).encode())
    if isinstance(request, Fault):
        assert any("\ud800" <= char <= "\udfff" for char in text + model)
        return
    assert request.messages[0].text == text
    generation = generate(say(text, overlong=True), request.count, 9, multiplier=1, key=(1,), call_id="c")
    events = [json.loads(event[6:]) for event in wire.write_events(request, generation, 0)[:-1]]
    assert "".join([event["choices"][0]["delta"].get("content", "") for event in events]) == text
    assert {event["model"] for event in events} == {model}


def test_a_request_in_canonical_form():
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be kind."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "A"}, {"type": "image_url"}, {"type": "text", "text": "B"}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "3"},
            {"role": "assistant", "refusal": "No."},
        ],
        "tools": [TOOL],
        "tool_choice": "none",
        "max_completion_tokens": 7,
        "temperature": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "null"}}},
    }
    request = read(json.dumps(body).encode())
    assert isinstance(request, ProviderRequest)
    assert request.messages == (
        Message.system("Be kind."),
        Message.user("AB"),
        Message.assistant("", (ToolCall("1", "f", "{}"),)),
        Message("tool", (Part("3", Label("tool")),), tool_call_id="1"),
        Message.assistant("No."),
    )
    assert request.tools[0].name == "look_up"
    assert (request.allow_tools, request.max_tokens, request.temperature) == (False, 7, 0.5)
    assert request.response_schema == {"type": "null"}
    tools_bytes = len(json.dumps([TOOL]).encode())
    assert request.count.size_bytes == 8 + 2 + 3 + 1 + 3 + tools_bytes + len('{"type": "null"}')
    assert request.count.messages == 5


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the body is not a valid request"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"model":"m"}', "missing required field `messages`"),
        (b'{"model":"m","messages":[{"role":"robot"}]}', r"Invalid enum value 'robot' - at `\$.messages\[0\].role`"),
        (b'{"model":"m","messages":[{"role":"user","content":5}]}', "content"),
        (b'{"model":"m","messages":[],"tools":[{"type":"function"}]}', "missing required field `function`"),
        (b'{"model":"m\xff","messages":[]}', "not"),
        (
            b'{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]}]}',
            "arguments",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_named(body, reason):
    fault = read(body)
    assert isinstance(fault, Fault)
    assert fault.status == 400
    assert re.search(reason, fault.message)


def test_no_tools_and_null_tools_are_no_tools():
    for tools in (b"", b',"tools":null', b',"tools":[]'):
        request = read(b'{"model":"m","messages":[]%b}' % tools)
        assert isinstance(request, ProviderRequest)
        assert request.tools == ()
