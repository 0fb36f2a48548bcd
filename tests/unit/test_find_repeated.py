"""When a run goes round in circles."""

from surefoot.repeats import REPEAT_MESSAGES, find_repeated
from surefoot.types import Message, ToolCall


def step(name, arguments="{}"):
    return Message.assistant("", (ToolCall("c", name, arguments),))


def test_the_same_call_twice_is_a_repetition():
    assert find_repeated([step("a"), Message.user("x"), step("b"), step("a")]) == {"a"}
    assert find_repeated([step("a"), step("b"), step("a"), step("b")]) == {"a", "b"}


def test_another_call_of_the_same_tool_is_none():
    assert find_repeated([]) == frozenset()
    assert find_repeated([step("a", '{"n":1}'), step("a", '{"n":2}'), step("b", '{"n":1}')]) == frozenset()


def test_what_was_long_ago_is_forgotten():
    between = [Message.user("x")] * (REPEAT_MESSAGES - 1)
    assert find_repeated([step("a"), *between, step("a")]) == frozenset()
    assert find_repeated([step("a"), *between[1:], step("a")]) == {"a"}
