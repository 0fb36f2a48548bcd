"""What holds for both wires: bounds, prompts that only grow, replies made to do harm, streams equal to whole replies."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.budget.tokens import VOCABULARIES, load_encoding
from surefoot.errors import ModelBroken
from surefoot.models import anthropic_reply, openai_reply
from surefoot.models.anthropic import Anthropic
from surefoot.models.base import ModelProfile, Options
from surefoot.models.http import HttpClient
from surefoot.models.openai_chat import OpenAIChat
from surefoot.models.status import Peer
from surefoot.types import Label, Message, Part, ToolCall, ToolSpec, Usage

PEER = Peer("fake:m", "http://h/v1", "KEY")
PROFILE = ModelProfile("fake:m", "fake", "m")
HTTP = HttpClient()
MODELS = {
    "openai": OpenAIChat(PROFILE, "http://h/v1", "", HTTP),
    "anthropic": Anthropic(PROFILE, "http://h/v1", "", HTTP),
}
TOOLS = (ToolSpec("look_up", "Finds «things».", {"type": "object", "properties": {"key": {"type": "string"}}}),)

wires = pytest.mark.parametrize("wire", MODELS)
texts = st.text(max_size=40) | st.text(
    st.sampled_from(' \n\t"\\aé\u0344\ufdfa\U0001d160ﬁ…漢\U0001f469\u200d\0\ud800'), max_size=60
)


@st.composite
def conversations(draw):
    messages = [Message.system(draw(texts)), Message.user(draw(texts))]
    for number in range(draw(st.integers(0, 3))):
        made = [
            ToolCall(f"c{number}_{n}", "look_up", json.dumps({"key": draw(texts)}))
            for n in range(draw(st.integers(1, 2)))
        ]
        messages.append(Message.assistant(draw(texts), tuple(made)))
        messages += [Message("tool", (Part(draw(texts), Label("tool")),), tool_call_id=one.id) for one in made]
    return messages


def mend(text):
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- prompts


@wires
@settings(deadline=None)  # the first one reads the vocabularies
@given(conversation=conversations())
def test_size_bounds_what_the_published_tokenizers_count(wire, conversation):
    prompt = MODELS[wire].open(TOOLS, None)
    for message in conversation:
        prompt.append(message)
    said = [mend(message.text) for message in conversation]
    said += [mend(part) for message in conversation for one in message.tool_calls for part in (one.name, one.arguments)]
    said += [TOOLS[0].name, TOOLS[0].description, json.dumps(TOOLS[0].parameters)]
    # What the cookbook of tiktoken measured around them: 3 and a role for each message, 3 for the reply, 12 and 7 for a tool.
    framing = 4 * len(conversation) + 3 + 19 + 8 * sum(len(message.tool_calls) for message in conversation)
    for name in VOCABULARIES:
        encoding = load_encoding(name)
        assert sum(len(encoding.encode_ordinary(text)) for text in said) + framing <= prompt.size


@wires
@pytest.mark.parametrize("stream", [False, True])
@settings(deadline=None)
@given(conversation=conversations())
def test_a_prompt_only_grows_at_its_end(wire, stream, conversation):
    """Providers cache what two requests have in common from their beginning."""
    prompt = MODELS[wire].open(TOOLS, 0.5)
    again = MODELS[wire].open(TOOLS, 0.5)
    prompt.append(conversation[0])
    again.append(conversation[0])
    before, size = b"", 0
    for message in conversation[1:]:
        prompt.append(message)
        again.append(message)
        body = prompt.body(100, Options(), stream=stream)
        assert json.loads(body)["max_tokens"] == 100
        assert body == again.body(100, Options(), stream=stream) == prompt.body(100, Options(), stream=stream)
        assert body.startswith(before)
        assert prompt.size >= size
        before, size = re.sub(rb'(?:\]\})?\],"max_tokens":.*', b"", body, flags=re.DOTALL), prompt.size


@wires
def test_the_schema_of_an_answer_is_written_once_and_only_when_asked_for(wire):
    prompt = MODELS[wire].open((), None)
    prompt.append(Message.user("hi"))
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    other = {**schema, "title": "Other"}
    plain = prompt.body(9, Options(), stream=False)
    first = prompt.body(9, Options(response_schema=schema), stream=False)
    assert prompt.body(9, Options(response_schema=schema), stream=False) == first != plain
    assert b'"Other"' in prompt.body(9, Options(response_schema=other), stream=False)
    assert prompt.body(9, Options(), stream=False) == plain


# --- replies made to do harm

FLOOD = b"[" * 200_000 + b"]" * 200_000
HARM = [
    FLOOD,
    b'{"error":' + FLOOD + b"}",
    b'{"unknown":' + FLOOD + b"}",
    b'{"choices":[{"message":{"tool_calls":[{"function":{"arguments":{"a":' + FLOOD + b"}}}]}}]}",
    b'{"type":"message_start","content":[{"type":"tool_use","input":' + FLOOD + b"}]}",
    b'{"type":"content_block_start","content_block":{"type":"tool_use","input":' + FLOOD + b"}}",
]


@pytest.mark.parametrize("body", HARM, ids=range(len(HARM)))
@pytest.mark.parametrize(
    "read",
    [
        lambda body: openai_reply.read_reply(body, PEER),
        lambda body: anthropic_reply.read_reply(body, PEER),
        openai_reply.ChatAssembly(PEER).take,
        anthropic_reply.MessagesAssembly(PEER).take,
    ],
    ids=["openai", "anthropic", "openai streamed", "anthropic streamed"],
)
def test_a_flood_of_brackets_is_a_broken_reply(read, body):
    with pytest.raises(ModelBroken, match=r"^fake:m: the provider's reply is broken: "):
        read(body)


@wires
def test_a_flood_of_brackets_as_arguments_goes_back_as_text(wire):
    prompt = MODELS[wire].open((), None)
    prompt.append(Message.assistant("", (ToolCall("c", "f", FLOOD.decode()),)))
    body = json.loads(prompt.body(9, Options(), stream=False))
    assert FLOOD.decode() in str(body["messages"])


@given(st.binary(max_size=60), st.data())
def test_bytes_without_meaning_are_a_broken_reply(body, data):
    read = data.draw(st.sampled_from([openai_reply.read_reply, anthropic_reply.read_reply]))
    with pytest.raises(ModelBroken):
        read(body, PEER)


@pytest.mark.parametrize(
    "event",
    [
        b'{"type":"content_block_start","index":0}',
        b'{"type":"content_block_start","index":0,"content_block":null}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":7}}',
        b'{"type":"content_block_start","index":0,"content_block":"text"}',
    ],
)
def test_a_block_that_cannot_be_read_breaks_the_stream(event):
    with pytest.raises(ModelBroken, match="it cannot be read"):
        anthropic_reply.MessagesAssembly(PEER).take(event)


def test_events_of_no_use_change_nothing():
    assembly = anthropic_reply.MessagesAssembly(PEER)
    for event in (
        b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{}}}',
        b'{"type":"content_block_delta","index":0}',
        b'{"type":"message_start"}',
        b'{"type":"message_delta","usage":{"input_tokens":1,"output_tokens":1}}',
        b'{"type":"message_delta","delta":{"stop_reason":null},"usage":{"input_tokens":1,"output_tokens":2}}',
        b'{"type":"a_later_invention","content":"x"}',
        b'{"type":"message_stop"}',
    ):
        assembly.take(event)
    reply = assembly.finish()
    assert (reply.message, reply.usage, reply.finish_reason) == (Message.assistant("a"), Usage(1, 2), "stop")


# --- streams

CALLS = st.lists(st.tuples(st.sampled_from(["f", "g"]), st.lists(st.text(max_size=6), max_size=6)), max_size=5)


def write_deltas(style, number, name, pieces, whole):
    """The deltas of one call as one kind of server writes them."""
    place = {"indexed": {"index": number}, "all zero": {"index": 0}, "no index": {}}[style]
    first = {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": ""}}
    if whole:
        first["function"]["arguments"] = "".join(pieces)
        return [{**place, **first}]
    return [{**place, **first}, *[{**place, "function": {"arguments": piece}} for piece in pieces]]


@given(CALLS, st.sampled_from(["indexed", "all zero", "no index"]), st.booleans(), st.booleans(), st.text(max_size=5))
def test_calls_in_pieces_come_together_whatever_the_server_does_with_the_index(calls, style, whole, ascii_only, text):
    assembly = openai_reply.ChatAssembly(PEER)
    deltas = [{"content": text}, {"content": text}] if text else []
    for number, (name, pieces) in enumerate(calls):
        deltas += [{"tool_calls": [one]} for one in write_deltas(style, number, name, pieces, whole)]
    for delta in deltas:
        event = {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        assembly.take(json.dumps(event, ensure_ascii=ascii_only, separators=(",", ":")).encode())
    assembly.take(b"[DONE]")
    made = tuple(ToolCall(f"c{number}", name, "".join(pieces)) for number, (name, pieces) in enumerate(calls))
    assert assembly.finish().message == Message.assistant(text * 2, made)


BLOCKS = st.lists(
    st.tuples(st.just("text"), st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4))
    | st.tuples(st.just("tool_use"), st.lists(st.sampled_from([" ", "\n"]), max_size=3))
    | st.tuples(st.just("thinking"), st.lists(st.text(max_size=6), max_size=4))
    | st.tuples(st.just("redacted_thinking"), st.just([])),
    max_size=6,
)


def stream_block(index, kind, pieces):
    """A block as the API gives it whole, and as the events of a stream."""
    if kind == "text":
        whole, start, field = {"type": kind, "text": "".join(pieces)}, {"type": kind, "text": ""}, "text"
    elif kind == "tool_use":
        pieces = ['{"a":', *pieces, f"{index}", "}"]
        start, field = {"type": kind, "id": f"t{index}", "name": "f", "input": {}}, "partial_json"
        whole = start | {"input": json.loads("".join(pieces))}
    elif kind == "thinking":
        start, field = {"type": kind, "thinking": "", "signature": ""}, "thinking"
        whole = start | {"thinking": "".join(pieces), "signature": "signed"}
    else:
        whole, start, field = {"type": kind, "data": "Emw="}, {"type": kind, "data": "Emw="}, ""
    events = [{"type": "content_block_start", "index": index, "content_block": start}]
    events += [{"type": "content_block_delta", "index": index, "delta": {field: piece}} for piece in pieces]
    if kind == "thinking":
        events.append({"type": "content_block_delta", "index": index, "delta": {"signature": "signed"}})
    return whole, [*events, {"type": "content_block_stop", "index": index}]


@given(BLOCKS)
def test_a_streamed_message_says_what_the_whole_one_says(blocks):
    pairs = [stream_block(index, kind, pieces) for index, (kind, pieces) in enumerate(blocks)]
    content = [whole for whole, _ in pairs]
    whole = anthropic_reply.read_reply(json.dumps({"content": content, "stop_reason": "end_turn"}).encode(), PEER)
    assembly = anthropic_reply.MessagesAssembly(PEER)
    shown = [assembly.take(json.dumps(event).encode()) for _, events in pairs for event in events]
    assembly.take(b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}')
    streamed = assembly.finish()
    assert "".join(shown) == streamed.message.text == whole.message.text
    assert [json.loads(one.arguments) for one in streamed.message.tool_calls] == [
        json.loads(one.arguments) for one in whole.message.tool_calls
    ]
    assert bool(streamed.message.blocks) == bool(whole.message.blocks) == any("thinking" in kind for kind, _ in blocks)
    if whole.message.blocks:
        assert json.loads(streamed.message.blocks) == json.loads(whole.message.blocks) == content
