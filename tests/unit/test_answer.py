"""`AnswerType`: a structured answer out of a model's text."""

import dataclasses
import datetime as dt
import enum
from typing import Any, Literal, Optional, TypedDict

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.answer import AnswerType
from surefoot.errors import ConfigError


@dataclasses.dataclass
class Address:
    city: str
    zip_code: str = ""


class Person(msgspec.Struct):
    name: str
    age: int
    home: Address | None = None


class Model(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


class Strict(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("the name\nis bad")
        if self.name == "worse":
            raise LookupError("no such\nname")


class Row(TypedDict):
    id: int


class Colour(enum.Enum):
    RED = "Red"
    GREEN = "green"


class Node(msgspec.Struct):
    value: int
    next: Optional["Node"] = None


ADA = Person("Ada", 36)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 36}',
        '\n  {"name": "Ada", "age": 36} \n',
        '```json\n{"name": "Ada", "age": 36}\n```',
        '```\n{"name": "Ada", "age": 36}\n```',
        '```{"name": "Ada", "age": 36}```',
        'Here you are:\n```json\n{"name": "Ada", "age": 36}\n```\nAnything else?',
        'The answer is {"name": "Ada", "age": 36}. I hope that helps.',
        "{'name': 'Ada', 'age': 36,}",
        'I used {placeholders} before: {"name": "Ada", "age": 36}',
        'From [1] and {"x": 1}: {"name": "Ada", "age": 36}',
        '{"name": "Ada", "age": 36}\nAgain: {"name": "Ada", "age": 36}',
        '<think>{"name": "Bob", "age": 1}</think>{"name": "Ada", "age": 36}',
        '[{"name": "Ada", "age": 36}]',
    ],
)
def test_an_object_is_found(text):
    assert AnswerType(Person).decode(text) == ADA


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        (" \n ", "it is empty"),
        ("```json\n```", "it is empty"),
        ("I do not know.", "it is not JSON: JSON is malformed"),
        ('{"name": "Ada"}', "Object missing required field `age`"),
        ('{"name": "Ada", "age": "36"}', r"Expected `int`, got `str` - at `\$.age`"),
        ('{"name": "Ada", "age": 36, "home": {}}', r"missing required field `city` - at `\$.home`"),
        ('so: {"name": "Ada", "age": "36"} or {oh no', r"Expected `int`, got `str` - at `\$.age`"),
        ('so: {"name": "Ada", "age": 36', 'it is not JSON: "," or "}" is missing after'),
        ('{"name": "Ada", "age": 36} {"name": "Bob", "age": 7}', "it holds more than one JSON value that fits"),
        ("[1, 2]", "Expected `object`, got `array`"),
        ('{"name": "\ud800", "age": "1"}', r"Expected `int`, got `str` - at `\$.age`"),
        ('{"a":' * 5000, "it is not JSON"),
    ],
)
def test_a_fault_tells_the_model_what_is_wrong(text, fault):
    with pytest.raises(ValueError, match=fault) as raised:
        AnswerType(Person).decode(text)
    assert "\n" not in str(raised.value)
    assert not str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "42", 42),
        (int, "**42**", 42),
        (int, "`42`.", 42),
        (int, "```\n42\n```", 42),
        (float, "42", 42.0),
        (float, "-1.5e3", -1500.0),
        (float, '"2.5"', 2.5),
        (bool, "true", True),
        (bool, "True.", True),
        (bool, "FALSE", False),
        (Literal["yes", "no"], "yes", "yes"),
        (Literal["yes", "no"], '"yes"', "yes"),
        (Literal["yes", "no"], "**Yes**.", "yes"),
        (Literal["a", 3], "3", 3),
        (Literal["a", 3], "A", "a"),
        (Colour, "red", Colour.RED),
        (Colour, '"green"', Colour.GREEN),
        (Colour | None, "red", Colour.RED),
        (Colour | None, "null", None),
        (int | None, "None", None),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (dt.date, "`2024-02-29`", dt.date(2024, 2, 29)),
        (Person | str, "Nobody is known.", "Nobody is known."),
        (Person | str, '{"name": "Ada", "age": 36}', ADA),
        (int | str, "about 42", "about 42"),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "The numbers are [1, 2].", [1, 2]),
        (list[Person], '```\n[{"name": "Ada", "age": 36}]\n```', [ADA]),
        (dict[str, int], 'so {"a": 1}', {"a": 1}),
        (tuple[int, str], '[1, "x"]', (1, "x")),
        (Row, '{"id": 1}', {"id": 1}),
        (Any, "free text", "free text"),
        (Any, '{"a": 1}', {"a": 1}),
        (Address, '{"city": "Paris"}', Address("Paris")),
        (Node, '{"value": 1, "next": {"value": 2}}', Node(1, Node(2))),
        (Model, '{"name": "Ada", "age": 36}', Model(name="Ada", age=36)),
        (list[Model], '[{"name": "Ada", "age": 36}]', [Model(name="Ada", age=36)]),
    ],
)
def test_every_kind_of_type(kind, text, value):
    found = AnswerType(kind).decode(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        (int, "about 42", '"about 42" does not fit: Expected `int`, got `str`'),
        (int, "42.5", "Expected `int`, got `float`"),
        (int, '{"a": 1}', "Expected `int`, got `object`"),
        (bool, "1", "Expected `bool`, got `int`"),
        (Literal["yes", "no"], "perhaps", '"perhaps" does not fit: Invalid enum value'),
        (Literal["yes", "no"], "yes or no", "does not fit: Invalid enum value"),
        (Colour, "blue", "Invalid enum value 'blue'"),
        (dt.date, "yesterday", "Invalid RFC3339 encoded date"),
        (list[int], '["a"]', r"Expected `int`, got `str` - at `\$\[0\]`"),
        (Model, '{"name": "Ada", "age": -1}', "age: Input should be greater than or equal to 0"),
        (Strict, '{"name": "bad"}', "the name is bad"),
        (Strict, '{"name": "worse"}', "LookupError: no such name"),
        (int, "x" * 5000, '"x{60}" does not fit'),
    ],
)
def test_a_wrong_value_of_every_kind(kind, text, fault):
    with pytest.raises(ValueError, match=fault) as raised:
        AnswerType(kind).decode(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


class Unresolved:
    pass


class Broken(msgspec.Struct):
    field: "Nowhere"  # noqa: F821 - the mistake under test


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Unresolved, r"Agent\(output=Unresolved\): .*Unresolved is not a supported type; supported are str, int"),
        (complex, r"Agent\(output=complex\): complex is not a supported type"),
        (list[complex], "complex is not a supported type"),
        (Broken, "Nowhere"),
        ("Person", r"Agent\(output='Person'\)"),
    ],
)
def test_an_unsupported_type_is_refused_in_one_line(kind, fault):
    with pytest.raises(ConfigError, match=fault) as raised:
        AnswerType(kind)
    assert "\n" not in str(raised.value)


def test_the_schema_is_the_type_s():
    assert AnswerType(Literal["yes", "no"]).schema == {"type": "string", "enum": ["no", "yes"]}
    schema = AnswerType(Person).schema
    assert schema["type"] == "object"
    assert schema["required"] == ["name", "age"]
    assert schema["$defs"].keys() == {"Address"}


def test_a_flood_of_brackets_is_given_up_soon():
    with pytest.raises(ValueError, match="it is not JSON"):
        AnswerType(Person).decode("{" * 100_000 + '{"name": "Ada", "age": 36}')


@given(st.text())
def test_any_text_gives_a_value_or_a_value_error(text):
    for kind in (Person, list[int], Literal["a", "b"]):
        try:
            value = AnswerType(kind).decode(text)
        except ValueError:
            continue
        assert value is not None


@given(st.text(), st.integers(), st.text(alphabet="abc .,:\n"), st.text(alphabet="abc .,:\n"))
def test_prose_around_an_object_does_no_harm(name, age, before, after):
    value = Person(name, age % 100)
    assert AnswerType(Person).decode(f"{before}{msgspec.json.encode(value).decode()}{after}") == value
