import enum
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from surefoot.errors import ConfigError
from surefoot.testing import Brain
from surefoot.testing.brain import count_results, sample_json
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall, ToolSpec


class Colour(enum.Enum):
    RED = "red"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=3, multiple_of=5)]
    tags: Annotated[list[Annotated[str, Meta(min_length=2, max_length=3)]], Meta(min_length=2)]
    note: str | None = None


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: Inner
    colour: Colour
    mode: Literal["a", "b"]
    ratio: Annotated[float, Meta(gt=0, lt=1)]
    few: Annotated[int, Meta(lt=0)]
    least: Annotated[int, Meta(le=0)]
    more: Annotated[int, Meta(gt=0)]
    flag: bool
    nothing: None
    pair: tuple[int, str]
    maybe: Inner | None
    number: float


ADD = ToolSpec("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
ECHO = ToolSpec("echo", "", {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})


def result(text: str = "3") -> Message:
    return Message("tool", (Part(text, Label("tool")),), tool_call_id="x")


def test_arguments_fit_the_schema():
    schema = msgspec.json.schema(Arguments)
    sampled = msgspec.json.decode(sample_json(schema, "hello"), type=Arguments)
    assert sampled.name == "hello"
    assert sampled.inner == Inner(5, ["hel", "hel"])


@given(st.integers(-50, 50), st.integers(0, 30), st.integers(1, 7))
def test_numbers_fit_their_bounds(low, width, step):
    for lower, upper in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
        high = low + width + step + 1
        bounds = {lower: low, upper: high}
        number = msgspec.json.decode(sample_json({"type": "number"} | bounds, ""))
        assert low < number < high
        whole = msgspec.json.decode(sample_json({"type": "integer", lower: low, "multipleOf": step}, ""))
        assert whole >= low
        assert lower == "minimum" or whole > low
        assert whole % step == 0
        whole = msgspec.json.decode(sample_json({"type": "integer", upper: high}, ""))
        assert whole <= high
        assert upper == "maximum" or whole < high


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 5}, 5),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "string", "examples": ["like this"]}, "like this"),
        ({"type": ["null", "boolean"]}, True),
        ({"type": ["null"]}, None),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"allOf": [{"type": "object"}, {"properties": {"a": {"type": "null"}}, "required": ["a"]}]}, {"a": None}),
        ({"properties": {"a": {}}, "required": ["a", "b"]}, {"a": "text", "b": "text"}),
        ({"type": "array", "prefixItems": [{"type": "null"}], "items": {"const": 1}, "minItems": 3}, [None, 1, 1]),
        ({"type": "array", "items": True, "minItems": 1}, ["text"]),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": "string", "minLength": 6, "maxLength": 8}, "text.."),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"const": 1}}}, 1),
        ({}, "text"),
    ],
)
def test_samples(schema, value):
    assert msgspec.json.decode(sample_json(schema, "text")) == value


def test_a_schema_that_nothing_fits_is_said_to_be_one():
    endless = {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}}}
    with pytest.raises(ConfigError, match="requires itself without end"):
        sample_json(endless, "")
    circle = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}
    with pytest.raises(ConfigError, match="requires itself without end"):
        sample_json(circle, "")
    with pytest.raises(ConfigError, match=r"refers to '#/\$defs/B', which it does not define"):
        sample_json({"$ref": "#/$defs/B"}, "")
    with pytest.raises(ConfigError, match="does not define"):
        sample_json({"$ref": "#/$defs/B/C"}, "")


def test_it_calls_the_first_tool_until_it_has_enough_results():
    brain = Brain(calls=3, parallel=2, answer="Enough.")
    question = Message.user("Go.")
    assert [one.name for one in brain.think([question], (ADD, ECHO)).calls] == ["add", "add"]
    assert len(brain.think([question, result(), result()], (ADD, ECHO)).calls) == 1
    assert brain.think([question, result(), result(), result()], (ADD, ECHO)).text == "Enough."
    assert brain.think([question], ()).text == "Enough."


def test_results_count_from_the_users_last_message_on():
    nudge = Message.user("Answer now.", SYSTEM_LABEL)
    old = [Message.user("Before"), result(), result()]
    assert count_results([*old, Message.user("Now"), result(), nudge, result()]) == 2
    assert count_results([*old, Message("user")]) == 0


def test_it_answers_a_schema_with_json():
    answer = Brain(calls=0).think([Message.user("Go.")], (ADD,), {"type": "object", "required": ["x"]})
    assert answer.text == '{"x":"text"}'


def test_an_echo_finds_every_canary_of_the_prompt_once():
    brain = Brain(echo=True, answer="Seen:")
    messages = [
        Message.system("canary-A1"),
        Message.user("canary-B2 canary-A1"),
        Message.assistant("", (ToolCall("1", "echo", '{"text":"canary-C3"}'),)),
    ]
    assert brain.think(messages, (ECHO,)).calls[0].arguments == '{"text":"canary-A1 canary-B2 canary-C3"}'
    assert brain.think([*messages, result()], (ECHO,)).text == "Seen: canary-A1 canary-B2 canary-C3"
    assert Brain(echo=True, answer="Seen:").think([Message.user("none")], ()).text == "Seen:"
    assert Brain(answer="No echo.").think(messages, ()).text == "No echo."
    assert Brain(echo=True, canary=r"\d+").think([Message.user("42")], ()).text == "Done. 42"
