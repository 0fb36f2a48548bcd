"""Types as JSON Schema and back: what the schema promises is what the decoder takes."""

import dataclasses
import datetime as dt
import enum
import json
import typing
import uuid
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import annotated_types
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from surefoot.schema import encode_json, json_schema, make_decoder, to_plain
from surefoot.signature import read_signature

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    """A place.

    Attributes:
        x: To the right.
        y: Upwards; not shown, for the annotation says it.
    """

    x: int
    y: Annotated[float, "Up."] = 0.0
    seen: dt.datetime | None = None
    tags: list[Annotated[str, "One tag."]] = dataclasses.field(default_factory=list)


class Options(TypedDict):
    size: int
    color: NotRequired[Annotated[Color, "Of the frame."]]


class Pair(NamedTuple):
    """Two things."""

    left: Annotated[int, "The first."]
    right: str = "r"


class Tree(Struct):
    value: int
    branches: list["Tree"] = []


class Renamed(Struct, rename="camel"):
    """A struct.

    Args:
        some_name: In camel case.
    """

    some_name: int


class Box(Struct, Generic[T]):
    item: T


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    tricks: list[str]


class Item(pydantic.BaseModel):
    """An item."""

    model_config = pydantic.ConfigDict(strict=True)

    title: str
    price: Decimal = pydantic.Field(gt=0, description="In euros.")
    due: dt.date | None = None


class Cart(pydantic.BaseModel):
    items: list[Item]
    parent: Optional["Cart"] = None


@dataclasses.dataclass
class Order:
    cart: Cart
    note: str = ""


STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
COLOR = {"enum": ["blue", "red"], "type": "string"}
UserId = NewType("UserId", int)
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)

TYPES: list[tuple[Any, dict, Any, Any]] = [
    (str, STRING, "a", "a"),
    (int, INTEGER, 7, 7),
    (float, {"type": "number"}, 7, 7.0),
    (bool, {"type": "boolean"}, True, True),
    (None, NULL, None, None),
    (Any, {}, {"a": [1, None]}, {"a": [1, None]}),
    (bytes, {"type": "string", "contentEncoding": "base64"}, "YQ==", b"a"),
    (Literal["b", "a"], {"enum": ["a", "b"], "type": "string"}, "b", "b"),
    (Literal[1, 2], {"enum": [1, 2], "type": "integer"}, 2, 2),
    (Literal["a", None], {"enum": [None, "a"]}, None, None),  # noqa: PYI061 - the older spelling is in use
    (Color, COLOR, "red", Color.RED),
    (Level, {"enum": [1, 2], "type": "integer"}, 2, Level.HIGH),
    (int | None, {"anyOf": [INTEGER, NULL]}, None, None),
    (Optional[str], {"anyOf": [STRING, NULL]}, "a", "a"),  # noqa: UP045 - the older spelling is in use
    (Union[int, str], {"anyOf": [INTEGER, STRING]}, "a", "a"),  # noqa: UP007 - the older spelling is in use
    (list[int], {"type": "array", "items": INTEGER}, [1], [1]),
    (typing.List[int], {"type": "array", "items": INTEGER}, [1], [1]),  # noqa: UP006 - the older spelling is in use
    (list, {"type": "array"}, [1, "a"], [1, "a"]),
    (tuple[int, ...], {"type": "array", "items": INTEGER}, [1, 2], (1, 2)),
    (
        tuple[int, str],
        {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2, "items": False},
        [1, "a"],
        (1, "a"),
    ),
    (set[str], {"type": "array", "items": STRING, "uniqueItems": True}, ["a", "a"], {"a"}),
    (frozenset[int], {"type": "array", "items": INTEGER, "uniqueItems": True}, [1], frozenset({1})),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}, {"a": 1}, {"a": 1}),
    (dict[int, Color], {"type": "object", "additionalProperties": COLOR}, {"1": "red"}, {1: Color.RED}),
    (dict, {"type": "object"}, {"title": 1}, {"title": 1}),
    (dt.date, {"type": "string", "format": "date"}, "2026-01-02", dt.date(2026, 1, 2)),
    (dt.datetime, {"type": "string", "format": "date-time"}, "2026-01-02T03:04:05Z", MOMENT),
    (dt.time, {"type": "string", "format": "time"}, "03:04:05", dt.time(3, 4, 5)),
    (dt.timedelta, {"type": "string", "format": "duration"}, "PT1H", dt.timedelta(hours=1)),
    (Decimal, {"type": "string", "format": "decimal"}, "1.10", Decimal("1.10")),
    (uuid.UUID, {"type": "string", "format": "uuid"}, str(uuid.UUID(int=1)), uuid.UUID(int=1)),
    (UserId, INTEGER, 5, 5),
    (Annotated[int, Meta(ge=1)], {"type": "integer", "minimum": 1}, 1, 1),
    (Annotated[int, "How many."], {"type": "integer", "description": "How many."}, 1, 1),
    (list[Annotated[int, "One."]], {"type": "array", "items": {"type": "integer", "description": "One."}}, [1], [1]),
    (Annotated[int, object()], INTEGER, 1, 1),
    (list[Annotated[int, {"unhashable": []}]], {"type": "array", "items": INTEGER}, [1], [1]),
    (
        Annotated[int, annotated_types.Interval(gt=0, le=9)],
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
        9,
        9,
    ),
    (Annotated[str, annotated_types.Len(1, 3)], {"type": "string", "minLength": 1, "maxLength": 3}, "a", "a"),
    (
        Annotated[str, pydantic.Field(pattern="^a", description="Begins with a.")],
        {"type": "string", "pattern": "^a", "description": "Begins with a."},
        "ab",
        "ab",
    ),
    (
        Annotated[dt.datetime, Meta(description="When.")],
        {"type": "string", "format": "date-time", "description": "When."},
        "2026-01-02T03:04:05Z",
        MOMENT,
    ),
    (
        Options,
        {
            "type": "object",
            "properties": {"size": INTEGER, "color": {"$ref": "#/$defs/Color", "description": "Of the frame."}},
            "required": ["size"],
            "$defs": {"Color": COLOR},
        },
        {"size": 1, "color": "blue"},
        {"size": 1, "color": Color.BLUE},
    ),
    (
        Renamed,
        {
            "type": "object",
            "description": "A struct.",
            "properties": {"someName": {"type": "integer", "description": "In camel case."}},
            "required": ["someName"],
        },
        {"someName": 3},
        Renamed(3),
    ),
    (Box[int], {"type": "object", "properties": {"item": INTEGER}, "required": ["item"]}, {"item": 1}, Box(1)),
]


def clean(schema):
    """Order of keys and of descriptions is of no matter."""
    return json.loads(json.dumps(schema, sort_keys=True))


@pytest.mark.parametrize(
    ("kind", "schema", "given_value", "decoded"), TYPES, ids=[str(row[0]).partition(" at 0x")[0][:60] for row in TYPES]
)
def test_supported_types(kind, schema, given_value, decoded):
    found = json_schema(kind)
    expected = dict(schema)
    if "$defs" not in schema and "$defs" in found:  # an enum inside: written out above for brevity
        assert found.pop("$defs") == {"Color": COLOR}
        found["additionalProperties"] = COLOR
    assert clean(found) == clean(expected)
    value = make_decoder(kind)(json.dumps(given_value))
    assert value == decoded
    assert type(value) is type(decoded)


def test_classes_are_described_at_any_depth():
    schema = json_schema(list[Point])
    assert schema["items"] == {"$ref": "#/$defs/Point"}
    assert schema["$defs"]["Point"] == {
        "type": "object",
        "description": "A place.",
        "properties": {
            "x": {"type": "integer", "description": "To the right."},
            "y": {"type": "number", "description": "Up.", "default": 0.0},
            "seen": {"anyOf": [{"type": "string", "format": "date-time"}, NULL], "default": None},
            "tags": {"type": "array", "items": {"type": "string", "description": "One tag."}},
        },
        "required": ["x"],
    }
    decoded = make_decoder(list[Point])('[{"x": 1, "tags": ["a"]}]')
    assert decoded == [Point(1, tags=["a"])]


def test_a_named_tuple_keeps_its_order():
    schema = json_schema(Pair)
    assert schema["prefixItems"] == [
        {"type": "integer", "description": "The first."},
        {"type": "string", "default": "r"},
    ]
    assert make_decoder(Pair)("[1]") == Pair(1)


def test_a_recursive_type_refers_to_itself():
    schema = json_schema(Tree)
    assert schema["properties"]["branches"]["items"] == {"$ref": "#/$defs/Tree"}
    assert schema["$defs"]["Tree"]["required"] == ["value"]
    assert make_decoder(Tree)('{"value": 1, "branches": [{"value": 2}]}') == Tree(1, [Tree(2)])


def test_tagged_structs_make_a_union():
    schema = json_schema(Cat | Dog)
    assert schema["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    assert "discriminator" not in schema
    assert make_decoder(Cat | Dog)('{"type": "Dog", "tricks": []}') == Dog([])


def test_pydantic_models_are_taken_at_their_word():
    schema = json_schema(Order)
    cart = schema["properties"]["cart"]
    assert cart == {"$ref": "#/$defs/Cart.Cart"}
    item = schema["$defs"]["Cart.Item"]
    assert item["description"] == "An item."
    assert item["properties"]["title"] == {"type": "string"}
    assert item["properties"]["price"]["description"] == "In euros."
    assert schema["$defs"]["Cart.Cart"]["properties"]["items"]["items"] == {"$ref": "#/$defs/Cart.Item"}
    order = make_decoder(Order)('{"cart": {"items": [{"title": "t", "price": "1.5", "due": "2026-01-02"}]}}')
    assert order == Order(Cart(items=[Item(title="t", price=Decimal("1.5"), due=dt.date(2026, 1, 2))]))
    assert make_decoder(Cart | None)("null") is None


def test_a_model_alone_is_written_out():
    schema = json_schema(Item)
    assert schema["type"] == "object"
    assert "$ref" not in schema
    assert "$defs" not in schema
    assert '"title":' not in json.dumps({key: value for key, value in schema.items() if key != "properties"})


def test_what_pydantic_refuses_is_said_with_the_place_in_one_line():
    with pytest.raises(msgspec.ValidationError) as caught:
        make_decoder(Order)('{"cart": {"items": [{"price": "0"}]}}')
    message = str(caught.value)
    assert message == ("items.0.title: Field required; items.0.price: Input should be greater than 0 - at `$.cart`")


def test_a_model_may_refuse_with_an_error_of_its_own():
    class Strange:
        @classmethod
        def model_json_schema(cls, **options):
            return {"type": "string"}

        @classmethod
        def model_validate_json(cls, data):
            raise ValueError("not today")

    assert json_schema(Strange) == {"type": "string"}
    with pytest.raises(msgspec.ValidationError, match="not today"):
        make_decoder(Strange)('"a"')


def test_two_models_of_one_name_are_refused():
    def make(kind):
        inner = pydantic.create_model("Inner", value=(kind, ...))
        return pydantic.create_model("Twin", inner=(inner, ...))

    @dataclasses.dataclass
    class Both:
        one: make(int)
        two: make(str)

    with pytest.raises(TypeError, match="two different models are called Twin: rename one"):
        json_schema(Both)


@pydantic.dataclasses.dataclass
class Validated:
    x: int


@dataclasses.dataclass
class Constrained:
    x: Annotated[int, annotated_types.Ge(0)]


@dataclasses.dataclass
class Holder:
    inner: list[complex]


class Mixed(enum.Enum):
    A = "a"
    B = 1


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (complex, "complex is not a supported type"),
        (object, "object is not a supported type"),
        (list[complex], "complex is not a supported type"),
        (Holder, "complex is not a supported type"),
        (typing.Callable[[int], str], "Callable is not a supported type"),
        (typing.Iterable[int], "Iterable is not a supported type"),
        (Point | Options, "may not contain more than one dict-like type"),
        (dt.date | str, "may not contain more than one str-like type"),
        (Item | Cart, "may not contain"),
        (Mixed, "all str or all int values"),
        (Literal[Color.RED], "Literal may only contain"),
        (Validated, "Validated is a pydantic dataclass: make it a pydantic.BaseModel or a plain dataclass"),
        (Constrained, "constraint ge of a class's field would not be checked: use msgspec.Meta for it"),
        (Annotated[str, Meta(ge=1)], "Can only set `ge` on a numeric type"),
        (Annotated[int, annotated_types.Ge(dt.date.min)], "ge"),
    ],
)
def test_unsupported_types(kind, problem):
    with pytest.raises(TypeError) as caught:
        json_schema(kind)
    assert problem in str(caught.value)


def test_values_are_encoded_with_models_inside():
    order = Order(Cart(items=[Item(title="t", price=Decimal("1.5"))]))
    expected = {"cart": {"items": [{"title": "t", "price": "1.5", "due": None}], "parent": None}, "note": ""}
    assert json.loads(encode_json(order)) == expected
    assert to_plain([order, Color.RED, {1: MOMENT}]) == [expected, "red", {"1": "2026-01-02T03:04:05Z"}]
    with pytest.raises(TypeError, match="object has no JSON form"):
        encode_json([object()])


# --- what fits the schema is taken ------------------------------------------------------------------------------------

FORMATS = {
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.just(dt.UTC)).map(lambda moment: moment.isoformat()),
    "time": st.times().map(str),
    "uuid": st.uuids().map(str),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "duration": st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
}


def values(schema, shared, depth=4):
    """A strategy for values that fit a schema; ``depth`` bounds what contains itself."""
    if "$ref" in schema:
        return values(shared[schema["$ref"].removeprefix("#/$defs/")], shared, depth - 1)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        choices = schema["anyOf"] if depth > 0 else [part for part in schema["anyOf"] if "$ref" not in part]
        return st.one_of([values(choice, shared, depth) for choice in choices])
    return MAKERS[schema.get("type", "")](schema, shared, depth)


def objects(schema, shared, depth):
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(st.integers(0, 9).map(str), values(schema["additionalProperties"], shared, depth))
    made = {name: values(part, shared, depth) for name, part in properties.items()}
    optional = {name: part for name, part in made.items() if name not in required}
    return st.fixed_dictionaries({name: made[name] for name in required}, optional=optional)


def arrays(schema, shared, depth):
    if "prefixItems" in schema:
        return st.tuples(*[values(part, shared, depth) for part in schema["prefixItems"]]).map(list)
    if depth <= 0:
        return st.just([])
    return st.lists(values(schema.get("items", {}), shared, depth), max_size=3)


def strings(schema, shared, depth):
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], alphabet=ENCODABLE)
    if "contentEncoding" in schema:
        return st.just("YWJj")
    limits = {"min_size": schema.get("minLength", 0), "max_size": schema.get("maxLength", 20)}
    return FORMATS.get(schema.get("format"), st.text(ENCODABLE, **limits))


def integers(schema, shared, depth):
    lowest = schema.get("minimum", schema.get("exclusiveMinimum", -(10**30) - 1) + 1)
    return st.integers(lowest, schema.get("maximum", 10**30))


ENCODABLE = st.characters(codec="utf-8")
MAKERS = {
    "object": objects,
    "array": arrays,
    "string": strings,
    "integer": integers,
    "number": lambda *_: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9),
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
    "": lambda *_: st.none() | st.booleans() | st.text(ENCODABLE, max_size=5) | st.lists(st.integers()),
}


@pytest.mark.parametrize("kind", [row[0] for row in TYPES] + [Point, Pair, Tree, Cat | Dog, Color | int | list[Point]])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_whatever_fits_the_schema_is_decoded(kind, data):
    schema = json_schema(kind)
    value = data.draw(values(schema, schema.get("$defs", {})))
    make_decoder(kind)(json.dumps(value))


def everything(  # noqa: PLR0917
    text: str,
    places: list[Point],
    pair: Pair,
    options: Options | None = None,
    color: Color = Color.RED,
    tree: Tree | None = None,
    level: Literal["low", "high"] = "low",
    when: dt.datetime = MOMENT,
    limit: Annotated[int, Meta(ge=1, le=50)] = 10,
):
    """A tool with much to give."""


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_fits_the_schema_of_a_tool_is_taken_with_its_defaults(data):
    signature = read_signature(everything, Struct)
    schema = signature.parameters
    value = data.draw(values(schema, schema["$defs"]))
    decoded = signature.decode(json.dumps(value))
    assert set(decoded) == set(schema["properties"])
    assert decoded["limit"] == value.get("limit", 10)
    assert decoded["color"] is Color(value.get("color", "red"))
