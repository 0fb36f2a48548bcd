"""ReAct as JSON steps."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.json_steps import JsonSteps
from surefoot.types import SYSTEM_LABEL, Label, Message, Part, ToolCall, ToolSpec

WEATHER = ToolSpec(
    "weather",
    "The weather of a day.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
)
STEPS = JsonSteps("Be kind.", (WEATHER,), None)
FIRST, LATER, LAST = Stage(1), Stage(2, has_results=True), Stage(3, final_only=True, has_results=True)
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def read(text, stage=LATER, steps=STEPS):
    return steps.parse(Message.assistant(text), stage)


def calls_of(turn):
    return [(call.name, json.loads(call.arguments)) for call in turn.calls]


def actions(schema):
    return [branch["properties"]["action"]["const"] for branch in schema.get("anyOf", [schema])]


def test_the_system_prompt_begins_with_what_all_agents_share():
    other = JsonSteps("Be brief.", (), None), JsonSteps("Be brief.", (WEATHER,), NUMBER)
    system = STEPS.system()
    shared = system.partition("Be kind.")[0]
    assert len(shared) > 1000
    assert other[1].system().startswith(shared)
    assert "- weather(city: string, days?: integer = 1): The weather of a day." in system
    assert '"n"' in other[1].system()
    assert "TOOL" not in other[0].system()
    assert "{{" not in system + other[0].system() + other[1].system()


def test_the_answer_is_offered_once_there_is_a_result():
    assert actions(STEPS.response_schema(FIRST)) == ["weather"]
    assert actions(STEPS.response_schema(LATER)) == ["weather", "final"]
    assert actions(STEPS.response_schema(LAST)) == ["final"]
    assert actions(STEPS.response_schema(Stage(1, final_only=True))) == ["final"]


def test_a_tool_that_is_called_the_same_way_again_is_not_offered():
    steps = JsonSteps("", (WEATHER, msgspec.structs.replace(WEATHER, name="tides")), None)
    stage = Stage(4, has_results=True, repeated=frozenset({"weather"}))
    assert actions(steps.response_schema(stage)) == ["tides", "final"]
    stage = Stage(4, has_results=True, repeated=frozenset({"weather", "tides"}))
    assert actions(steps.response_schema(stage)) == ["final"]
    assert actions(steps.response_schema(LAST)) == ["final"]


def test_the_answer_is_offered_at_once_where_no_tool_is_needed():
    assert actions(JsonSteps("", (), None).response_schema(FIRST)) == ["final"]
    eager = JsonSteps("", (WEATHER,), None, final_needs_result=False)
    assert actions(eager.response_schema(FIRST)) == ["weather", "final"]


def test_a_structured_answer_has_its_schema():
    steps = JsonSteps("", (WEATHER,), NUMBER)
    assert steps.response_schema(LATER)["anyOf"][1]["properties"]["answer"] == NUMBER
    assert steps.response_schema(LAST)["properties"]["answer"] == NUMBER
    assert read('{"action": "final", "answer": {"n": 1}}', steps=steps) == Turn(answer='{"n": 1}')
    assert read('{"action": "final", "answer": "seven"}', steps=steps) == Turn(answer='"seven"')


def test_a_tool_called_final_keeps_its_name():
    steps = JsonSteps("", (msgspec.structs.replace(WEATHER, name="final"),), None)
    (tool, answer) = actions(steps.response_schema(LATER))
    assert tool == "final"
    assert calls_of(read('{"action": "final", "args": {"city": "Rome"}}', steps=steps)) == [("final", {"city": "Rome"})]
    assert read(json.dumps({"action": answer, "answer": "sunny"}), steps=steps).answer == "sunny"
    assert answer in steps.system()


def test_a_step_is_a_thought_and_a_call():
    turn = read('{"thought": "I look.", "action": "weather", "args": {"city": "Oslo", "days": 1.50}}', Stage(7))
    assert turn == Turn("I look.", (ToolCall("call_7", "weather", '{"city": "Oslo", "days": 1.50}'),))


def test_the_last_step_is_the_answer():
    assert read('{"thought": "Done.", "action": "final", "answer": "It rains: \\u00e9\\n"}') == Turn(
        "Done.", answer="It rains: é\n"
    )
    assert read('{"action": "final", "answer": [1, 2]}').answer == "[1, 2]"


@pytest.mark.parametrize(
    "text",
    [
        'Sure!\n```json\n{"thought": "t", "action": "weather", "args": {"city": "Oslo"}}\n```',
        "{'thought': 't', 'action': 'weather', 'args': {'city': 'Oslo',},}",
        '<think>{"action": "final"}</think>{"thought": "t", "tool": "weather", "arguments": {"city": "Oslo"}}',
        'In {Oslo} {"thought": "t", "action": "weather", "args": {"city": "Oslo"}} Result: {"rain": 1}',
        '{"thought": "t", "action": "weather", "args": "{\\"city\\": \\"Oslo\\"}"}',
        '{"thought": "t", "action": "weather", "city": "Oslo"}',
    ],
)
def test_what_an_endpoint_without_the_constraint_writes_is_understood(text):
    turn = read(text)
    assert turn.thought == "t"
    assert calls_of(turn) == [("weather", {"city": "Oslo"})]


def test_missing_arguments_are_none_at_all():
    assert calls_of(read('{"action": "weather"}')) == [("weather", {})]
    assert calls_of(read('{"action": "weather", "args": null}')) == [("weather", {})]


def test_an_unknown_tool_is_for_the_toolbox_to_refuse():
    assert calls_of(read('{"action": "fly", "args": {}}')) == [("fly", {})]


def test_an_answer_without_its_action_is_an_answer():
    assert read('{"thought": "t", "final_answer": "sunny"}') == Turn("t", answer="sunny")


@pytest.mark.parametrize(
    ("text", "stage", "said"),
    [
        ("", LATER, "not a JSON object"),
        ("It rains.", LATER, "not a JSON object"),
        ('{"thought": "t", "action": "weather", "args": {"city": "Os', LATER, "not closed"),
        ("{{{{{{{{{{{{", LATER, "not a JSON object"),
        ("{}", LATER, "not a JSON object"),
        ('{"thought": "t"}', LATER, 'no "action"'),
        ('{"thought": "t", "action": 7}', LATER, 'no "action"'),
        ('{"action": "final"}', LATER, '"answer" is missing'),
        ('{"action": "final", "answer": " "}', LATER, '"answer" is missing'),
        ('{"action": "final", "answer": null}', LATER, '"answer" is missing'),
        ('{"action": "weather", "args": {"city": "Oslo"}}', LAST, "No tool can be called any more"),
    ],
)
def test_a_malformed_step_is_answered_with_what_to_do(text, stage, said):
    turn = read(text, stage)
    assert said in turn.problem
    assert '"action": "final"' in turn.problem
    assert turn.calls == ()
    assert turn.answer is None


def test_an_answer_that_is_cut_off_counts_as_far_as_it_goes():
    assert read('{"thought": "t", "action": "final", "answer": "It rains in Os').answer == "It rains in Os"
    assert read('{"action": "final", "answer": "').problem


def test_at_the_end_of_the_budget_plain_text_is_an_answer():
    assert read("  It rains. ", LAST) == Turn(answer="It rains.")
    assert read("", LAST).problem
    assert read("{broken", LAST).problem


def test_half_a_surrogate_pair_is_replaced():
    assert read('{"action": "final", "answer": "a\\ud83d"}').answer == "a\ufffd"


def test_history_is_shown_in_the_form_of_steps():
    call = Message.assistant("I look.", (ToolCall("c1", "weather", '{"city": "Oslo"}'),))
    shown = STEPS.render(call)
    assert shown.text == '{"thought": "I look.", "action": "weather", "args": {"city": "Oslo"}}'
    assert shown.role == "assistant"
    assert shown.tool_calls == ()
    two = STEPS.render(Message.assistant("", (ToolCall("c1", "weather", "{}"), ToolCall("c2", "weather", "{}"))))
    assert two.text.count('"action": "weather"') == 2
    assert STEPS.render(Message.assistant('so "it" rains')).text == '{"action": "final", "answer": "so \\"it\\" rains"}'
    assert STEPS.render(Message.assistant("")).text == ""
    structured = JsonSteps("", (), NUMBER)
    assert structured.render(Message.assistant('{"n": 1}')).text == '{"action": "final", "answer": {"n": 1}}'


def test_a_malformed_step_is_shown_as_it_came():
    broken = Message.assistant('{"thought": "t", "action": "wea')
    assert STEPS.render(broken) is broken


def test_results_are_shown_as_messages_and_keep_their_label():
    label = Label("third_party", source="weather")
    shown = STEPS.render(Message("tool", (Part("rain", label),), tool_call_id="c1"))
    assert (shown.role, shown.text) == ("user", "Result of weather: rain")
    assert shown.parts[-1].label == label
    failed = Message("tool", (Part("no such city", SYSTEM_LABEL),), tool_call_id="c1", is_error=True)
    assert STEPS.render(failed).text == "Error: no such city"
    assert STEPS.render(Message("tool", (), tool_call_id="c1")).text == "Result: "


def test_the_question_is_shown_as_the_task_and_a_nudge_is_not():
    assert STEPS.render(Message.user("Rain?")).text == "Task: Rain?"
    nudge = Message.user("Hurry.", SYSTEM_LABEL)
    assert STEPS.render(nudge) is nudge
    system = Message.system("s")
    assert STEPS.render(system) is system


def test_only_the_answer_is_seen_while_it_streams():
    text = '{"thought": "\\"action\\": \\"final\\", \\"answer\\": \\"no", "action": "final", "answer": "Say \\"hi\\" \\ud83d\\ude00\\n!"}'
    seen = [STEPS.visible(text[:end]) for end in range(len(text) + 1)]
    assert seen[-1] == 'Say "hi" \U0001f600\n!'
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert seen[text.index('"Say')] == ""
    assert JsonSteps("", (), NUMBER).visible('{"action": "final", "answer": "x"}') == ""


texts = st.text() | st.text(alphabet='{}[]":,\\ \nactionfinalanswerthoughtargs01u')
fragments = st.lists(
    st.sampled_from(
        [
            '{"action": "final", "answer": "',
            '"}',
            '{"thought": ',
            '"action"',
            ": ",
            '"weather"',
            '"args": {',
            "}",
            "{",
            "\\",
            "\\u",
            "d83d",
            '"',
            "null",
            "1",
            ", ",
        ]
    )
).map("".join)


@given(texts | fragments, st.sampled_from([FIRST, LATER, LAST]), st.sampled_from([STEPS, JsonSteps("", (), NUMBER)]))
def test_whatever_the_model_writes_there_is_a_turn(text, stage, steps):
    turn = read(text, stage, steps)
    assert (bool(turn.calls), turn.answer is not None, bool(turn.problem)).count(True) == 1
    for call in turn.calls:
        assert call.name
        assert isinstance(call.arguments, str)


@given(texts | fragments, st.integers(0, 200))
def test_what_was_seen_of_an_answer_is_never_taken_back(text, cut):
    assert STEPS.visible(text).startswith(STEPS.visible(text[:cut]))


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.booleans()))
def test_a_rendered_step_is_read_back(thought, arguments):
    encoded = msgspec.json.encode(arguments).decode() if _is_utf8(str(arguments)) else "{}"
    thought = thought if _is_utf8(thought) else ""
    call = ToolCall("call_2", "weather", encoded)
    assert STEPS.parse(STEPS.render(Message.assistant(thought, (call,))), LATER) == Turn(thought, (call,))


@given(st.text(min_size=1).filter(lambda text: not text.isspace() and '"action"' not in text))
def test_a_rendered_answer_is_read_back(text):
    if _is_utf8(text):
        assert STEPS.parse(STEPS.render(Message.assistant(text)), LATER) == Turn(answer=text)


def _is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
