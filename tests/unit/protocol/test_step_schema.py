"""The schema of a step."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.protocol.step_schema import THOUGHT_CHARS, build_schema
from surefoot.types import ToolSpec

TEXT = {"type": "string"}


def spec(name, properties, **more):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return ToolSpec(name, f"About {name}.", {**schema, **more})


def args_of(schema):
    """What one argument ``x`` with ``schema`` becomes."""
    step = build_schema((spec("t", {"x": schema}),), None, final="final", brief=False)
    return step["properties"]["args"]["properties"]["x"]


def test_each_tool_has_a_branch_and_the_answer_another():
    tools = (spec("add", {"a": {"type": "integer"}}), spec("now", {}))
    add, now, final = build_schema(tools, TEXT, final="final", brief=False)["anyOf"]
    assert add == {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "maxLength": THOUGHT_CHARS},
            "action": {"const": "add"},
            "args": {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        },
        "required": ["thought", "action", "args"],
        "additionalProperties": False,
    }
    assert now["properties"]["args"]["properties"] == {}
    assert final["properties"]["action"] == {"const": "final"}
    assert final["properties"]["answer"] == TEXT
    assert list(add["properties"]) == ["thought", "action", "args"]  # engines write in this order


def test_without_an_answer_only_tools_are_possible_and_one_branch_stands_alone():
    alone = build_schema((spec("now", {}),), None, final="final", brief=False)
    assert alone["properties"]["action"] == {"const": "now"}
    assert "anyOf" not in alone


def test_a_brief_answer_has_no_thought():
    schema = build_schema((), TEXT, final="final", brief=True)
    assert schema["required"] == ["action", "answer"]
    assert list(schema["properties"]) == ["action", "answer"]


def test_definitions_of_several_tools_and_the_answer_do_not_clash():
    first = spec("first", {"x": {"$ref": "#/$defs/Kind"}}, **{"$defs": {"Kind": {"enum": ["a"]}}})
    second = spec(
        "second",
        {"x": {"type": "array", "items": {"$ref": "#/$defs/Kind"}}},
        **{
            "$defs": {
                "Kind": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Kind"}, {"type": "null"}]}},
                }
            }
        },
    )
    answer = {"$ref": "#/$defs/Kind", "$defs": {"Kind": {"type": "integer"}}}
    schema = build_schema((first, second), answer, final="final", brief=False)
    assert schema["$defs"] == {
        "first.Kind": {"enum": ["a"]},
        "second.Kind": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/second.Kind"}, {"type": "null"}]}},
        },
        "final.Kind": {"type": "integer"},
    }
    branches = schema["anyOf"]
    assert branches[0]["properties"]["args"]["properties"]["x"] == {"$ref": "#/$defs/first.Kind"}
    assert branches[1]["properties"]["args"]["properties"]["x"]["items"] == {"$ref": "#/$defs/second.Kind"}
    assert branches[2]["properties"]["answer"] == {"$ref": "#/$defs/final.Kind"}


@pytest.mark.parametrize(
    ("given_schema", "sent"),
    [
        (True, {}),
        ({}, {}),
        ({"type": "string", "description": "d", "title": "t", "default": "x", "examples": ["y"]}, {"type": "string"}),
        ({"type": "string", "pattern": "^(?=a)"}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "email"}, {"type": "string"}),
        ({"type": "string", "minLength": 1, "maxLength": 20}, {"type": "string", "minLength": 1, "maxLength": 20}),
        ({"type": "string", "minLength": 5_000, "maxLength": 10_000}, {"type": "string"}),
        ({"type": "integer", "minimum": 3, "multipleOf": 2}, {"type": "integer", "minimum": 3}),
        ({"type": "number", "minimum": 3}, {"type": "number"}),
        ({"allOf": [{"$ref": "#/$defs/K"}], "description": "d"}, {"$ref": "#/$defs/t.K"}),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, {}),
        ({"oneOf": [{"type": "integer"}, True]}, {"anyOf": [{"type": "integer"}, {}]}),
        ({"enum": ["$ref", 1, None]}, {"enum": ["$ref", 1, None]}),
        ({"const": {"$ref": "kept"}}, {"const": {"$ref": "kept"}}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"type": "array", "prefixItems": [{"type": "integer"}], "items": False, "minItems": 1, "maxItems": 1},
            {"type": "array", "prefixItems": [{"type": "integer"}], "minItems": 1, "maxItems": 1},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer", "title": "t"}},
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}),
        (
            {"type": "object", "properties": {"$ref": {"type": "string"}}},
            {"type": "object", "properties": {"$ref": {"type": "string"}}},
        ),
    ],
)
def test_only_what_all_engines_read_alike_is_sent(given_schema, sent):
    assert args_of(given_schema) == sent


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)
schemas = st.recursive(
    st.booleans() | st.builds(lambda value: {"const": value}, values) | st.just({"$ref": "#/$defs/K"}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array"]),
            "properties": st.dictionaries(st.text(max_size=3), inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, max_size=2),
            "additionalProperties": inner,
            "maxLength": st.integers(0, 10_000),
            "pattern": st.text(max_size=3),
            "x-unknown": values,
        },
    ),
    max_leaves=8,
)


def references(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif key != "const":
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


@given(schemas)
def test_whatever_a_tool_declares_every_reference_leads_somewhere(schema):
    tool = spec("t", {"x": schema}, **{"$defs": {"K": {"type": "integer"}}})
    step = build_schema((tool, spec("u", {})), TEXT, final="final", brief=False)
    assert msgspec.json.decode(msgspec.json.encode(step)) == step
    assert set(references(step)) <= {f"#/$defs/{name}" for name in step["$defs"]}
