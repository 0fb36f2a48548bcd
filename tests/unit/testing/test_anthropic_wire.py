import json
import re

import pytest
from tests.unit.testing.wire_client import CLAUDE_TOOL, ask, message

from surefoot.testing import FakeProvider, ProviderRequest, call, call_raw, calls, refuse, say, status
from surefoot.testing.anthropic_wire import AnthropicWire, sign
from surefoot.testing.script import Fault
from surefoot.types import Label, Message, Part, ToolCall, Usage

USAGE = Usage(100, 50, cache_read_tokens=40, cache_write_tokens=10)
VERSION = {"anthropic-version": "2023-06-01"}


def read(body: object) -> ProviderRequest | Fault:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AnthropicWire().read(1, VERSION, data)


async def test_a_whole_reply():
    answer = calls(call("look_up", key="x"), call_raw("look_up", "[1"), text="Hi.", thinking="Hm.", usage=USAGE)
    async with FakeProvider([answer]) as provider:
        got = await message(provider, ask(tools=[CLAUDE_TOOL]))
    reply = got.json
    assert (reply["id"], reply["type"], reply["role"], reply["model"]) == ("msg_1", "message", "assistant", "m")
    assert reply["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": sign("Hm.")},
        {"type": "text", "text": "Hi."},
        {"type": "tool_use", "id": "call_1_0", "name": "look_up", "input": {"key": "x"}},
        {"type": "tool_use", "id": "call_1_1", "name": "look_up", "input": {}},
    ]
    assert reply["stop_reason"] == "tool_use"
    assert reply["usage"] == {
        "input_tokens": 50,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 40,
        "output_tokens": 50,
    }


async def test_stop_reasons():
    script = [say("x"), refuse("No."), say("long enough to cut"), say("x", finish_reason="content_filter", usage=None)]
    async with FakeProvider(script) as provider:
        replies = [(await message(provider, ask(max_tokens=2))).json for _ in range(4)]
    assert [reply["stop_reason"] for reply in replies] == ["end_turn", "refusal", "max_tokens", "refusal"]
    assert "usage" not in replies[3]


async def test_a_stream():
    answer = calls(
        call("look_up", key="a longer argument, in several pieces"),
        text="Let me see.",
        thinking="Hm, well.",
        usage=USAGE,
    )
    async with FakeProvider([answer, say("x", usage=None), call("look_up")]) as provider:
        events = (await message(provider, ask(stream=True))).events
        without = (await message(provider, ask(stream=True))).events
        silent = (await message(provider, ask(stream=True))).events
    assert [event["type"] for event in events[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    started = events[0]["message"]
    assert (started["content"], started["stop_reason"]) == ([], None)
    assert started["usage"]["input_tokens"] == 50
    assert started["usage"]["output_tokens"] == 1
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 50},
    }
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [start["type"] for start in starts] == ["thinking", "text", "tool_use"]
    assert starts[2]["input"] == {}
    filled: dict[int, str] = {}
    kinds = []
    for event in events:
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            kinds.append(delta["type"])
            filled[event["index"]] = filled.get(event["index"], "") + list(delta.values())[1]
    assert filled[0] == "Hm, well." + sign("Hm, well.")
    assert filled[1] == "Let me see."
    assert json.loads(filled[2]) == {"key": "a longer argument, in several pieces"}
    assert kinds.count("input_json_delta") > 2
    assert "usage" not in without[0]["message"]
    assert "usage" not in without[-2]
    assert [event["content_block"]["type"] for event in silent if event["type"] == "content_block_start"] == [
        "tool_use"
    ]


async def test_errors_have_the_providers_form():
    async with FakeProvider([status(529, "Overloaded"), status(500), status(418, name="teapot")]) as provider:
        got = [await message(provider, ask()) for _ in range(3)]
        unknown = await message(provider, ask(), headers=VERSION)
    assert [one.status for one in got] == [529, 500, 418]
    assert got[0].json == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert got[1].json["error"]["type"] == "api_error"
    assert got[2].json["error"]["type"] == "teapot"
    assert (unknown.status, unknown.json["error"]["type"]) == (401, "authentication_error")


def test_a_request_in_canonical_form():
    request = read(
        {
            "model": "m",
            "system": [
                {"type": "text", "text": "Be "},
                {"type": "text", "text": "kind.", "cache_control": {"type": "ephemeral"}},
            ],
            "messages": [
                {"role": "user", "content": "Go."},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": sign("Hm.")},
                        {"type": "text", "text": "See."},
                        {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
                        {"type": "tool_use", "id": "2", "name": "f", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "1", "content": "3", "is_error": True},
                        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "4"}]},
                        {"type": "text", "text": "Go on."},
                    ],
                },
            ],
            "tools": [CLAUDE_TOOL],
            "tool_choice": {"type": "none"},
            "max_tokens": 5,
            "temperature": 1,
        }
    )
    assert isinstance(request, ProviderRequest)
    assert request.messages == (
        Message.system("Be kind."),
        Message.user("Go."),
        Message.assistant("See.", (ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "f", "{}"))),
        Message("tool", (Part("3", Label("tool")),), tool_call_id="1", is_error=True),
        Message("tool", (Part("4", Label("tool")),), tool_call_id="2"),
        Message.user("Go on."),
    )
    assert (request.allow_tools, request.max_tokens, request.temperature, request.include_usage) == (
        False,
        5,
        1.0,
        True,
    )
    assert request.tools[0].name == "look_up"
    assert request.count.size_bytes == 8 + 3 + 4 + 9 + 3 + 1 + 1 + 6 + len(json.dumps([CLAUDE_TOOL]))


def user(*blocks: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": list(blocks)}]}


RESULT = {"type": "tool_result", "tool_use_id": "1"}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "sig-forged"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not a valid request"),
        (b'{"model":"m\xff"}', "not"),
        ({"model": "m", "messages": [{"role": "system", "content": ""}]}, "Invalid enum value 'system'"),
        ({"model": "m", "messages": [], "tools": [{"name": "x"}]}, "missing required field `input_schema`"),
        (user({"type": "tool_use", "id": "1", "name": "f", "input": {}}), "only the assistant makes tool_use"),
        (user({"type": "text", "text": "first"}, RESULT), "tool_result blocks come first"),
        ({"model": "m", "messages": [{"role": "assistant", "content": [RESULT]}]}, "only from the user"),
        ({"model": "m", "messages": [{"role": "assistant", "content": [THINKING]}]}, "signature does not fit"),
        (user({"type": "image"}), "Invalid value 'image'"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(body, reason):
    fault = read(body)
    assert isinstance(fault, Fault)
    assert fault.status == 400
    assert re.search(reason, fault.message)


async def test_a_request_without_its_version_is_refused():
    async with FakeProvider([]) as provider:
        got = await message(provider, ask(), headers={"x-api-key": "sk-fake"})
    assert got.status == 400
    assert "anthropic-version is required" in got.json["error"]["message"]
