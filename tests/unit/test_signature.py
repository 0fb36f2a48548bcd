"""A callable as a tool: name, description, schema, and a decoder whose errors help the model."""

import asyncio
import dataclasses
import datetime as dt
import enum
import functools
import inspect
import json
import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surefoot.errors import ConfigError, ToolError
from surefoot.signature import read_signature

if TYPE_CHECKING:
    from decimal import Decimal


class Context:
    """Stands for the run's context."""


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Filter:
    """What to look for.

    Attributes:
        words: All of them.
    """

    words: list[str]
    color: Color = Color.RED


class Checked(msgspec.Struct):
    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")


@dataclasses.dataclass
class Careless:
    x: int

    def __post_init__(self):
        raise KeyError(self.x)


class Item(pydantic.BaseModel):
    title: str
    price: float = pydantic.Field(gt=0)


def read(function, **options):
    return read_signature(function, Context, **options)


def search(query: str, limit: int = 20) -> str:
    """Search orders.

    Newest first.

    Args:
        query: Words to look for.
        limit: At most so many.
    """
    return query * limit


def test_a_plain_function():
    signature = read(search)
    assert (signature.name, signature.takes_context, signature.is_async) == ("search", False, False)
    assert signature.description == "Search orders.\n\nNewest first."
    assert signature.parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "Words to look for."},
            "limit": {"type": "integer", "default": 20, "description": "At most so many."},
        },
        "required": ["query"],
        "additionalProperties": False,
    }
    assert signature.decode('{"query": "a"}') == {"query": "a", "limit": 20}


def test_no_parameters():
    def now() -> str: ...

    signature = read(now)
    assert signature.description == ""
    assert signature.parameters == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert signature.decode("{}") == signature.decode("") == {}


def test_name_and_description_can_be_given():
    signature = read(search, name="find-orders", description="")
    assert (signature.name, signature.description) == ("find-orders", "")


def test_an_annotation_describes_better_than_the_docstring():
    def find(a: Annotated[str, "Of the annotation."], b: Annotated[int, msgspec.Meta(ge=1)] = 1) -> None:
        """Find.

        :param a: Of the docstring.
        :param b: Kept.
        """

    properties = read(find).parameters["properties"]
    assert properties["a"] == {"type": "string", "description": "Of the annotation."}
    assert properties["b"] == {"type": "integer", "minimum": 1, "default": 1, "description": "Kept."}


# --- callables --------------------------------------------------------------------------------------------------------


class Shop:
    """A shop."""

    def buy(self, item: str) -> str:
        """Buy one."""
        return item

    async def sell(self, item: str) -> str:
        return item

    @classmethod
    def open(cls, day: str) -> str:
        """Open it."""
        return day

    @staticmethod
    async def close(day: str) -> str:
        """Close it."""
        return day

    async def __call__(self, item: str) -> str:
        return item


class Documented:
    def __call__(self, item: str) -> str:
        """Do it."""
        return item


async def fetch(url: str) -> str:
    """Fetch one."""
    return url


@functools.wraps(fetch)
def fetch_later(*args: Any, **kwargs: Any) -> Any:
    return fetch(*args, **kwargs)


@types.coroutine
def old_style(url: str):
    yield url


@pytest.mark.parametrize(
    ("function", "name", "description", "is_async", "parameters"),
    [
        (Shop().buy, "buy", "Buy one.", False, ["item"]),
        (Shop().sell, "sell", "", True, ["item"]),
        (Shop.open, "open", "Open it.", False, ["day"]),
        (Shop.close, "close", "Close it.", True, ["day"]),
        (Shop.__dict__["close"], "close", "Close it.", True, ["day"]),
        (Shop(), "Shop", "A shop.", True, ["item"]),
        (Documented(), "Documented", "Do it.", False, ["item"]),
        (fetch, "fetch", "Fetch one.", True, ["url"]),
        (fetch_later, "fetch", "Fetch one.", False, ["url"]),
        (functools.partial(search, limit=3), "search", "Search orders.\n\nNewest first.", False, ["query"]),
        (functools.partial(search, "a"), "search", "Search orders.\n\nNewest first.", False, ["limit"]),
        (functools.partial(functools.partial(fetch)), "fetch", "Fetch one.", True, ["url"]),
    ],
)
def test_callables_of_every_kind(function, name, description, is_async, parameters):
    signature = read(function)
    assert (signature.name, signature.description, signature.is_async) == (name, description, is_async)
    assert list(signature.parameters["properties"]) == parameters


def test_what_a_partial_has_bound_is_out_of_the_models_reach():
    signature = read(functools.partial(search, limit=3))
    with pytest.raises(ToolError, match="unknown field `limit`"):
        signature.decode('{"query": "a", "limit": 1000}')


# --- context ----------------------------------------------------------------------------------------------------------


def with_context(ctx: Context, a: int) -> None: ...


def with_quoted_context(anything: "Context", a: "int") -> None: ...


def without_context(ctx: int, a: int) -> None: ...


def context_alone(_: Context, /) -> None: ...


def context_or_none(ctx: Context | None = None, a: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("function", "takes_context", "parameters"),
    [
        (with_context, True, ["a"]),
        (with_quoted_context, True, ["a"]),
        (without_context, False, ["ctx", "a"]),
        (context_alone, True, []),
        (context_or_none, True, ["a"]),
    ],
)
def test_the_context_is_hidden_from_the_model(function, takes_context, parameters):
    signature = read(function)
    assert signature.takes_context is takes_context
    assert list(signature.parameters["properties"]) == parameters


# --- defaults and types -----------------------------------------------------------------------------------------------

SENTINEL = object()
SHARED = ["a"]


def with_defaults(  # noqa: PLR0917
    text: str = None,  # noqa: RUF013 - a shorthand in use
    color: Color = Color.BLUE,
    words: list[str] = SHARED,
    odd: int | None = SENTINEL,
    item: Item = Item(title="t", price=1),  # noqa: B008 - the defaults of users' functions are what they are
    found: Filter = Filter(["x"]),  # noqa: B008
    ratio: float = 0.5,
) -> None: ...


def test_defaults_are_shown_and_given_as_they_are():
    signature = read(with_defaults)
    properties = signature.parameters["properties"]
    assert signature.parameters["required"] == []
    assert properties["text"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert {name: schema["default"] for name, schema in properties.items() if "default" in schema} == {
        "text": None,
        "color": "blue",
        "words": ["a"],
        "item": {"title": "t", "price": 1.0},
        "found": {"words": ["x"], "color": "red"},
        "ratio": 0.5,
    }
    arguments = signature.decode("{}")
    assert arguments["words"] is SHARED
    assert arguments["odd"] is SENTINEL
    assert arguments["item"] == Item(title="t", price=1)
    assert signature.decode('{"text": null, "odd": null}')["odd"] is None


@pytest.mark.parametrize(
    ("hint", "default", "problem"),
    [
        (int, "five", "Expected `int`, got `str`"),
        (int, True, "Expected `int`, got `bool`"),
        (list[int], ("1",), "Expected `int`, got `str`"),
        (Literal["fast", "slow"], "soon", "Invalid enum value 'soon'"),
        (dt.date, "2026-11-28", "it is a str, and the function expects a date"),
        (Color, "blue", "it is a str, and the function expects a Color"),
        (Item, {"title": "t", "price": 1}, "it is a dict, and the function expects a Item"),
        (Checked, {"low": 2, "high": 1}, "low 2 is above high 1"),
        (float, 1, ""),
        (tuple[int, ...], [1], ""),
        (set[int], (1,), ""),
        (int, 10**30, ""),  # no JSON has it, but the function may
        (dict[str, Any], {"a": {1}}, ""),
    ],
)
def test_a_default_is_of_its_type_or_a_sentinel(hint, default, problem):
    def some(x: hint = default) -> None: ...

    if not problem:
        assert read(some).decode("{}")["x"] is default
        return
    with pytest.raises(ConfigError) as caught:
        read(some)
    assert str(caught.value) == f"tool 'some', parameter 'x': default {default!r}: {problem}"


def look(found: Filter, color: Color, both: "Filter | None" = None, item: Item | None = None, _x: int = 0) -> None: ...


def test_arguments_keep_their_python_types():
    signature = read(look)
    assert signature.parameters["$defs"]["Filter"]["properties"]["words"]["description"] == "All of them."
    arguments = signature.decode('{"found": {"words": ["a"]}, "color": "blue", "item": {"title": "t", "price": 2}}')
    assert arguments == {
        "found": Filter(["a"]),
        "color": Color.BLUE,
        "both": None,
        "item": Item(title="t", price=2),
        "_x": 0,
    }


# --- definitions that cannot be tools ---------------------------------------------------------------------------------


def bare(a) -> None: ...


def star(*values: int) -> None: ...


def double_star(a: int, **values: int) -> None: ...


def positional(a: int, /) -> None: ...


def positional_later(ctx: Context, a: int, /) -> None: ...


def late_context(a: int, ctx: Context) -> None: ...


def two_contexts(a: Context, b: Context) -> None: ...


def strange(a: int, b: complex) -> None: ...


def nested(a: list[dict[str, complex]]) -> None: ...


def type_checking(a: "Decimal") -> None: ...


def broken_hint(a: "list[") -> None: ...  # noqa: F722


def odd_hint(a: "types.nothing") -> None: ...


def größe(a: int) -> None: ...  # noqa: PLC2401


def param(größe: int) -> None: ...  # noqa: PLC2401


class Late:
    @property
    def __signature__(self):
        raise NameError("name 'Decimal' is not defined")

    def __call__(self, a: "Decimal") -> None: ...


def generator(a: int):
    yield a


async def async_generator(a: int):
    yield a


def default_factory(a: Annotated[int, msgspec.Meta(min_length=1)]) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (bare, "tool 'bare', parameter 'a': has no type hint; allowed are str, int, float"),
        (Shop.buy, "tool 'buy', parameter 'self': has no type hint; .*make the tool from the bound method"),
        (star, r"tool 'star', parameter '\*values': .*name each parameter"),
        (double_star, r"tool 'double_star', parameter '\*\*values': .*name each parameter"),
        (positional, "tool 'positional', parameter 'a': is positional-only"),
        (positional_later, "tool 'positional_later', parameter 'a': is positional-only"),
        (late_context, "tool 'late_context', parameter 'ctx': Context must be the first parameter"),
        (two_contexts, "tool 'two_contexts', parameter 'b': Context must be the first parameter, and only that"),
        (strange, "tool 'strange', parameter 'b': type complex is not supported: .*Allowed are str, int"),
        (nested, r"parameter 'a': type list\[dict\[str, complex\]\] is not supported: complex .*Allowed are"),
        (type_checking, "parameter 'a': type hint 'Decimal': name 'Decimal' is not defined; .*outside `if TYPE_CHECK"),
        (broken_hint, r"parameter 'a': type hint 'list\[' cannot be read"),
        (odd_hint, "parameter 'a': type hint 'types.nothing' cannot be read"),
        (default_factory, "parameter 'a': .*is not supported: Can only set `min_length`"),
        (größe, "tool name 'größe': must be 1 to 64 of"),
        (param, "tool 'param', parameter 'größe': must be at most 64 of"),
        (lambda: None, "tool name '<lambda>': must be 1 to 64 of .*tool\\(name="),
        (generator, "tool 'generator': is a generator"),
        (async_generator, "tool 'async_generator': is a generator"),
        (old_style, "tool 'old_style': is a generator"),
        (Filter, "is not a function"),
        (7, "7 is not a function: a tool is a function, a bound method or a callable object"),
        (print, "tool 'print'"),
        (dict.fromkeys, "tool 'fromkeys', parameter 'iterable': has no type hint"),
        (
            Late(),
            "tool 'Late': a type hint cannot be read: name 'Decimal' is not defined; import or define it at module",
        ),
        (type("t", (), {"__call__": max})(), "tool 't': has no signature that Python can read"),
    ],
)
def test_a_wrong_definition_is_one_clear_line(function, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        read(function)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä", 7])
def test_a_wrong_name(name):
    with pytest.raises(ConfigError, match=r"tool name .*: must be 1 to 64 of"):
        read(search, name=name)


# --- what the model is told of its mistakes ---------------------------------------------------------------------------


def book(  # noqa: PLR0917
    where: str,
    nights: Annotated[int, msgspec.Meta(ge=1, le=30)],
    mode: Literal["fast", "slow"] = "fast",
    color: Color | None = None,
    range_: Checked | None = None,
    item: Item | None = None,
    careless: Careless | None = None,
    found: Filter | None = None,
    rows: list[Filter] = (),
    sizes: dict[str, dict[str, int]] = {},  # noqa: B006 - as users write it
    pair: tuple[str, int] | None = None,
) -> None: ...


ALL = (
    "Expected: a JSON object with `where`, `nights`, `mode` (optional), `color` (optional), `range_` (optional), "
    "`item` (optional), `careless` (optional), `found` (optional), `rows` (optional), `sizes` (optional), "
    "`pair` (optional), and nothing else."
)
NIGHTS = 'Expected for `nights`: {"type":"integer","minimum":1,"maximum":30}'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('"nights": "2"', f"Wrong arguments: Expected `int`, got `str` - at `$.nights`. {NIGHTS}"),
        ('"nights": 31', f"Wrong arguments: Expected `int` <= 30 - at `$.nights`. {NIGHTS}"),
        ('"when": 1', f"Wrong arguments: Object contains unknown field `when`. {ALL}"),
        (f'"{"x" * 500}": 1', f"Wrong arguments: Object contains unknown field `{'x' * 64}...`. {ALL}"),
        (
            '"mode": "soon"',
            (
                """Wrong arguments: Invalid enum value 'soon' - at `$.mode`. """
                """Expected for `mode`: {"enum":["fast","slow"],"default":"fast","type":"string"}"""
            ),
        ),
        (
            '"color": "green"',
            (
                "Wrong arguments: Invalid enum value 'green' - at `$.color`. "
                'Expected for `color`: {"anyOf":[{"enum":["blue","red"],"type":"string"},{"type":"null"}],"default":null}'
            ),
        ),
        (
            '"range_": {"low": 2, "high": 1}',
            (
                "Wrong arguments: low 2 is above high 1 - at `$.range_`. Expected for `range_`: "
                '{"anyOf":[{"type":"object","properties":{"low":{"type":"integer"},"high":{"type":"integer"}},'
                '"required":["low","high"]},{"type":"null"}],"default":null}'
            ),
        ),
        (
            '"found": {"words": ["a", 2]}',
            'Wrong arguments: Expected `str`, got `int` - at `$.found.words[1]`. Expected for `found.words[1]`: {"type":"string"}',
        ),
        (
            '"rows": [{"words": 1}]',
            (
                "Wrong arguments: Expected `array`, got `int` - at `$.rows[0].words`. Expected for `rows[0].words`: "
                '{"type":"array","items":{"type":"string"},"description":"All of them."}'
            ),
        ),
        (
            '"sizes": {"a": {"b": "c"}}',
            (
                "Wrong arguments: Expected `int`, got `str` - at `$.sizes[...][...]`. "
                'Expected for `sizes[...][...]`: {"type":"integer"}'
            ),
        ),
        (
            '"pair": ["a", "b"]',
            'Wrong arguments: Expected `int`, got `str` - at `$.pair[1]`. Expected for `pair[1]`: {"type":"integer"}',
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(more, message):
    with pytest.raises(ToolError) as caught:
        read(book).decode(f'{{"where": "here", "nights": 1, {more}}}')
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"where": "here"}', f"Wrong arguments: Object missing required field `nights`. {ALL}"),
        ("[1]", f"Wrong arguments: Expected `object`, got `array`. {ALL}"),
        ("null", f"Wrong arguments: Expected `object`, got `null`. {ALL}"),
        ('"{}"', f"Wrong arguments: Expected `object`, got `str`. {ALL}"),
        ('{"where": ', f"The arguments are not valid JSON: Input data was truncated. {ALL}"),
        (
            '{"where": "a", "nights": 1} {}',
            f"The arguments are not valid JSON: JSON is malformed: trailing characters (byte 29). {ALL}",
        ),
        (
            "{where: 1}",
            f"The arguments are not valid JSON: JSON is malformed: object keys must be strings (byte 1). {ALL}",
        ),
        ('{"where": "\ud800"}', "The arguments are not valid Unicode text."),
        (
            '{"where": "here", "nights": 1, "careless": {"x": 1}}',
            f"Wrong arguments: KeyError: 1. {ALL}",
        ),
    ],
)
def test_text_that_is_no_call(text, message):
    with pytest.raises(ToolError) as caught:
        read(book).decode(text)
    assert str(caught.value) == message


def test_a_flood_of_brackets():
    def free(data: Any) -> None: ...

    with pytest.raises(ToolError, match="nested more than 32 deep"):
        read(free).decode('{"data": ' + "[" * 100_000)


def test_a_pydantic_model_says_what_it_wants():
    with pytest.raises(ToolError) as caught:
        read(book).decode('{"where": "here", "nights": 1, "item": {"price": 0}}')
    assert str(caught.value).startswith(
        "Wrong arguments: title: Field required; price: Input should be greater than 0 - at `$.item`. "
        'Expected for `item`: {"anyOf":[{"properties":{"title":{"type":"string"},'
    )


def test_a_place_whose_name_cannot_be_read_is_that_above_it():
    sized = TypedDict("sized", {"the size": int})

    def some(rows: list[sized]) -> str: ...

    with pytest.raises(ToolError) as caught:
        read(some).decode('{"rows": [{"the size": "a"}]}')
    assert str(caught.value) == (
        "Wrong arguments: Expected `int`, got `str` - at `$.rows[0].the size`. Expected for `rows[0]`: "
        '{"type":"object","properties":{"the size":{"type":"integer"}},"required":["the size"]}'
    )


def test_a_mistake_without_parameters():
    def now() -> str: ...

    with pytest.raises(ToolError, match=r"unknown field `a`\. Expected: {}, for it takes no arguments"):
        read(now).decode('{"a": 1}')


def test_a_long_expectation_is_cut():
    names = [f"parameter_{number}" for number in range(100)]

    def many() -> None: ...

    many.__signature__ = inspect.Signature([inspect.Parameter(name, 3, annotation=int) for name in names])
    with pytest.raises(ToolError) as caught:
        read(many).decode("{}")
    assert len(str(caught.value)) < 700
    assert str(caught.value).endswith("...")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["where", "nights", "found"]) | st.text(), inner)
    ),
    max_leaves=10,
)
BOOK = read(book)


@settings(deadline=None)
@given(st.text(st.characters()) | st.text(st.sampled_from('{}[]",:\\u0dwhere1e+-. \ud800')) | JSON.map(json.dumps))
@example('{"where": "a", "nights": ' + "9" * 5000 + "}")
@example('{"where": "\\ud800", "nights": 1}')
def test_any_text_is_decoded_or_explained(text):
    try:
        arguments = BOOK.decode(text)
    except ToolError as error:
        assert 0 < len(str(error)) < 2000  # noqa: PT017 - most texts are refused, some are not
    else:
        assert isinstance(arguments["where"], str)
        assert 1 <= arguments["nights"] <= 30


def test_an_async_function_is_known_by_its_code():
    assert asyncio.iscoroutinefunction(fetch) == read(fetch).is_async
