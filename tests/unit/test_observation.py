"""What the model reads of a result: text, or JSON, of a bounded size."""

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import ToolError
from surefoot.observation import LEAST_OUTPUT_BYTES, refuse, refuse_unknown, report, report_failure
from surefoot.types import SYSTEM_LABEL, Label, ToolResult

LABEL = Label("third_party", source="shop")


class Color(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    when: dt.date


class Pair(NamedTuple):
    left: int
    right: str


class Order(msgspec.Struct):
    price: Decimal


class Item(pydantic.BaseModel):
    title: str
    due: dt.date


class Broken(pydantic.BaseModel):
    x: int

    @pydantic.model_serializer
    def fail(self):
        raise ZeroDivisionError("no")


DAY = dt.date(2026, 1, 2)
LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        ("žluťoučký 🐴", "žluťoučký 🐴"),
        (None, ""),
        (Color.RED, "red"),
        (True, "true"),
        (7, "7"),
        (2.5, "2.5"),
        ([1, "a", None], '[1,"a",null]'),
        ({"a": {1}}, '{"a":[1]}'),
        ({1: "a"}, '{"1":"a"}'),
        ((1, 2), "[1,2]"),
        (Point(1, DAY), '{"x":1,"when":"2026-01-02"}'),
        (Pair(1, "b"), '[1,"b"]'),
        (Order(Decimal("1.10")), '{"price":"1.10"}'),
        ([Item(title="t", due=DAY)], '[{"title":"t","due":"2026-01-02"}]'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ({"raw": b"abc"}, '{"raw":"YWJj"}'),
    ],
)
def test_values_as_text(value, content):
    result = report(value, LABEL, 16_384)
    assert result == ToolResult(content, LABEL)
    assert type(result.content) is str


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"abc", "bytes are not text"),
        (memoryview(b"abc"), "bytes are not text"),
        (object(), "TypeError: object has no JSON form"),
        ({"a": [object()]}, "TypeError: object has no JSON form"),
        (Broken(x=1), "PydanticSerializationError: "),
        (LOOP, "RecursionError"),
        (["\ud800"], "UnicodeEncodeError"),
    ],
)
def test_a_value_that_is_no_text_is_no_reason_to_repeat_the_call(value, problem):
    result = report(value, LABEL, 16_384)
    assert result.is_error
    own = problem == "bytes are not text"
    assert result.label == (SYSTEM_LABEL if own else Label("third_party", source="shop")), "an error may quote anybody"
    assert result.content.startswith(f"shop has run, but its result cannot be shown ({problem}")
    assert "Do not call it again" in result.content


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("nested")


@pytest.mark.parametrize(
    ("error", "content"),
    [
        (ValueError("bad id"), "shop failed: ValueError: bad id"),
        (ValueError(), "shop failed: ValueError"),
        (KeyError("id"), "shop failed: KeyError: 'id'"),
        (ToolError("No such order; ask for its number."), "No such order; ask for its number."),
        (SystemExit(2), "shop failed: SystemExit: 2"),
        (ExceptionGroup("g", [ExceptionGroup("h", [OSError("disk")])]), "shop failed: OSError: disk"),
        (ExceptionGroup("g", [ToolError("Only this.")]), "Only this."),
        (
            ExceptionGroup("two", [OSError("a"), OSError("b")]),
            "shop failed: ExceptionGroup: two (2 sub-exceptions)",
        ),
        (Unreadable(), "shop failed: Unreadable (whose message cannot be read: RuntimeError)"),
        (ValueError("\ud800"), "shop failed: ValueError: ?"),
    ],
)
def test_failures(error, content):
    assert report_failure(error, LABEL, 16_384) == ToolResult(content, LABEL, is_error=True)


def test_a_long_failure_is_cut_short():
    result = report_failure(ValueError("x" * 100_000), LABEL, 16_384)
    assert 1_990 < len(result.content) <= 2_000
    assert result.content.endswith("bytes are cut here: ask for less at a time]")
    assert len(report_failure(ToolError("x" * 100_000), LABEL, 300).content) <= 300


def test_a_refusal_is_surefoots_own_word():
    assert refuse("No.") == ToolResult("No.", SYSTEM_LABEL, is_error=True)
    assert len(refuse("x" * 5000).content) <= 2_000


@pytest.mark.parametrize(
    ("name", "names", "content"),
    [
        ("buy", [], "There are no tools. Answer without one."),
        ("Search", ["search", "buy"], "There is no tool 'Search'. Did you mean search? The tools are: search, buy."),
        ("xyz", ["search", "buy"], "There is no tool 'xyz'. The tools are: search, buy."),
        ("\ud800", ["buy"], "There is no tool '\\ud800'. The tools are: buy."),
        ("z" * 99, ["buy"], f"There is no tool '{'z' * 64}'. The tools are: buy."),
        ("?", [f"n{i}" for i in range(42)], f"'?'. The tools are: {', '.join(f'n{i}' for i in range(40))} and 2 more."),
    ],
)
def test_an_unknown_tool(name, names, content):
    result = refuse_unknown(name, names)
    assert result.content.endswith(content)
    assert (result.label, result.is_error) == (SYSTEM_LABEL, True)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=800), st.integers(LEAST_OUTPUT_BYTES, 900))
def test_the_cap_holds_and_cuts_no_character(text, max_bytes):
    result = report(text, LABEL, max_bytes)
    size = len(text.encode(errors="replace"))
    data = result.content.encode()
    assert len(data) <= max_bytes
    if size <= max_bytes:
        assert data == text.encode(errors="replace")
        assert result.cut_bytes == 0
    else:
        kept, _, note = result.content.rpartition("\n")
        assert text.encode(errors="replace").decode().startswith(kept)
        assert result.cut_bytes == size - len(kept.encode())
        assert note == f"[{result.cut_bytes} of {size} bytes are cut here: ask for less at a time]"
        assert len(data) > max_bytes - 8  # nothing is cut without need: at most one character and a digit or two


def test_a_cut_result_begins_as_the_whole():
    result = report("ä" * 10_000, LABEL, 1_000)
    assert result.content.startswith("ä" * 400)
    assert result.cut_bytes > 18_000
