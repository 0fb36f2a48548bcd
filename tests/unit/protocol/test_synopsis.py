"""Tools described in plain text."""

import dataclasses
import enum
from typing import Annotated, Any, Literal

import pytest

from surefoot.protocol.synopsis import describe_answer, describe_tools
from surefoot.tools import tool
from surefoot.types import ToolSpec


def describe(properties, **rest):
    return describe_tools((ToolSpec("t", "Does it.", {"type": "object", "properties": properties, **rest}),))


@pytest.mark.parametrize(
    ("schema", "described"),
    [
        ({"type": "string"}, "string"),
        ({}, "any"),
        (True, "any"),
        ({"type": "string", "format": "date"}, "string (date)"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"oneOf": [{"type": "integer"}, True]}, "integer | any"),
        ({"allOf": [{"type": "integer"}]}, "integer"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"const": None}, "null"),
        ({"type": "array"}, "any[]"),
        ({"type": "array", "items": {"type": "number"}}, "number[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "object"}, "object"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "{[key]: integer}"),
        (
            {"type": "object", "properties": {"x": {"type": "integer"}, "y": {}}, "required": ["x"]},
            "{x: integer, y?: any}",
        ),
        ({"$ref": "#/$defs/Missing"}, "any"),
        ({"type": "integer", "default": 3}, "integer = 3"),
        ({"type": "string", "default": None}, "string"),
    ],
)
def test_a_type_is_described(schema, described):
    assert describe({"a": schema}, required=["a"]) == f"- t(a: {described}): Does it."


def test_a_recursive_type_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "required": ["next"]}
    described = describe({"a": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": node}})
    assert described == "- t(a?: {next: object}): Does it."
    alias = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Alias"}]}
    assert "null | Alias" in describe({"a": alias}, **{"$defs": {"Alias": alias}})


def test_deep_objects_are_cut():
    deep = {"type": "object", "properties": {"d": {"type": "integer"}}}
    for name in "cba":
        deep = {"type": "object", "properties": {name: deep}}
    assert describe({"x": deep}) == "- t(x?: {a?: {b?: {c?: object}}}): Does it."


def test_a_tool_from_a_function():
    class Unit(enum.Enum):
        C = "celsius"
        F = "fahrenheit"

    @dataclasses.dataclass
    class Place:
        city: str
        country: str = "FR"

    @tool(effect="read")
    def forecast(
        place: Place, days: Annotated[int, "how many days"] = 3, unit: Unit = Unit.C, tag: Literal["a"] | None = None
    ) -> str:
        """The weather.

        Only for Europe.
        """
        raise NotImplementedError

    assert describe_tools((forecast.spec,)) == (
        '- forecast(place: {city: string, country?: string = "FR"}, days?: integer = 3, '
        'unit?: "celsius" | "fahrenheit" = "celsius", tag?: "a" | null): The weather.\n'
        "  Only for Europe.\n"
        "    days: how many days"
    )


def test_several_tools_are_one_list():
    one = ToolSpec("a", "A.", {"type": "object"})
    two = ToolSpec("b", "B.", {"type": "object", "properties": {"x": {"description": "first\nsecond"}}})
    assert describe_tools((one, two)) == "- a(): A.\n- b(x?: any): B.\n    x: first\n      second"
    assert describe_tools(()) == ""


def test_an_answer_is_described_by_its_schema():
    schema: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}
    assert describe_answer(schema).endswith('\n{"type":"array","items":{"type":"integer"}}')
