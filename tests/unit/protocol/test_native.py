"""Native tool calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.native import NativeTools
from surefoot.types import Message, ToolCall, ToolSpec

SEARCH = ToolSpec("search", "Finds pages.", {"type": "object", "properties": {"query": {"type": "string"}}})
STEP = Stage(step=3)
LAST = Stage(step=3, final_only=True)


@pytest.fixture
def protocol():
    return NativeTools("Be brief.", (SEARCH,), None)


def test_the_system_prompt_is_the_instructions(protocol):
    assert protocol.system() == "Be brief."
    assert NativeTools("", (SEARCH,), None).system() == ""
    assert protocol.response_schema(STEP) is None


def test_the_system_prompt_tells_the_schema_of_the_answer():
    system = NativeTools("Be brief.", (), {"type": "integer"}).system()
    assert system.startswith("Be brief.\n\nThe final answer must be one JSON value")
    assert system.endswith('{"type":"integer"}')
    assert NativeTools("", (), {"type": "integer"}).system().startswith("The final answer")


def test_messages_are_shown_as_they_are(protocol):
    message = Message("tool", tool_call_id="1")
    assert protocol.render(message) is message
    assert protocol.visible("half an ans") == "half an ans"


def test_calls_act_and_the_text_is_the_thought(protocol):
    calls = (ToolCall("a", "search", '{"query": "x"}'), ToolCall("b", "search", "oops"))
    assert protocol.parse(Message.assistant(" I look. ", calls), STEP) == Turn(" I look. ", calls)


def test_calls_in_good_order_are_passed_on_and_not_copied(protocol):
    calls = (ToolCall("a", "search", "{}"),)
    assert protocol.parse(Message.assistant("", calls), STEP).calls is calls


def test_text_without_calls_is_the_answer(protocol):
    assert protocol.parse(Message.assistant("It is 42.\n"), STEP) == Turn(answer="It is 42.\n")


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_reply_is_a_problem(protocol, text):
    assert protocol.parse(Message.assistant(text), STEP).problem.startswith("The reply was empty.")


def test_at_the_end_the_text_beside_a_call_is_the_answer(protocol):
    calls = (ToolCall("a", "search", "{}"),)
    assert protocol.parse(Message.assistant("So far: 42.", calls), LAST) == Turn(answer="So far: 42.")
    assert protocol.parse(Message.assistant("", calls), LAST).problem.startswith("No tool can be called any more.")
    assert protocol.parse(Message.assistant(""), LAST).problem.startswith("The reply was empty.")


@pytest.mark.parametrize(
    ("ids", "mended"),
    [
        (("", ""), ["call_3_1", "call_3_2"]),
        (("a", "a"), ["a", "call_3_2"]),
        (("call_3_2", ""), ["call_3_2", "call_3_2_"]),
        (("", "call_3_1"), ["call_3_1_", "call_3_1"]),
        (("a", "", "a", "b"), ["a", "call_3_2", "call_3_3", "b"]),
    ],
)
def test_ids_are_made_to_tell_calls_apart(protocol, ids, mended):
    reply = Message.assistant("", tuple(ToolCall(call_id, "search", "{}") for call_id in ids))
    assert [call.id for call in protocol.parse(reply, STEP).calls] == mended


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        ("searches", "searches"),
        ("functions.search", "functions_search"),
        ("", "unnamed"),
        ("x" * 100, "x" * 64),
        ("搜", "_"),
    ],
)
def test_an_unknown_name_is_made_fit_to_be_sent_back(protocol, name, mended):
    reply = Message.assistant("", (ToolCall("a", name, '{"q":'),))
    assert protocol.parse(reply, STEP).calls == (ToolCall("a", mended, '{"q":'),)


@given(
    st.text(),
    st.lists(st.builds(ToolCall, st.sampled_from(["", "a", "call_1_1", "call_1_2"]) | st.text(), st.text(), st.text())),
    st.booleans(),
)
def test_any_reply_gives_exactly_one_of_three(text, calls, final_only):
    protocol = NativeTools("", (SEARCH,), None)
    turn = protocol.parse(Message.assistant(text, tuple(calls)), Stage(1, final_only=final_only))
    assert [bool(turn.calls), turn.answer is not None, bool(turn.problem)].count(True) == 1
    assert len({call.id for call in turn.calls}) == len(turn.calls)
    assert "" not in {call.id for call in turn.calls}
    if not final_only:
        assert [call.arguments for call in turn.calls] == [call.arguments for call in calls]
