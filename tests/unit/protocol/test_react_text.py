"""Thought / Action / Observation in plain text: what is shown, and how each kind of reply is read."""

import msgspec
import pytest

from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.react_text import CALLS_MAX, ReactText
from surefoot.types import ASSISTANT_LABEL, SYSTEM_LABEL, Label, Message, Part, ToolCall, ToolSpec

TEXT = {"type": "string"}
SEARCH = ToolSpec(
    "search_web", "Finds pages.", {"type": "object", "properties": {"query": TEXT}, "required": ["query"]}
)
WEATHER = ToolSpec(
    "weather",
    "The weather.",
    {"type": "object", "properties": {"city": TEXT, "days": {"type": "integer"}}, "required": ["city", "days"]},
)
NOTE = ToolSpec(
    "note",
    "Takes a note.",
    {"type": "object", "properties": {"when": TEXT, "text": {"anyOf": [TEXT, {"type": "null"}]}}, "required": ["text"]},
)
DOUBLE = ToolSpec("double", "Doubles.", {"type": "object", "properties": {"n": {"type": "integer"}}})
ANYTHING = ToolSpec("anything", "Takes anything.", {"type": "object", "properties": {"value": True}})
NOW = ToolSpec("now", "The time.", {"type": "object", "properties": {}})
TOOLS = (SEARCH, WEATHER, NOTE, DOUBLE, ANYTHING, NOW)
PROTOCOL = ReactText("Be brief.", TOOLS, None)
STEP = Stage(step=2)
LATER = Stage(step=2, has_results=True)
LAST = Stage(step=2, final_only=True)


def parse(text, stage=STEP, protocol=PROTOCOL):
    return protocol.parse(Message.assistant(text), stage)


def called(text, stage=STEP):
    """The calls of a reply as pairs of name and decoded arguments."""
    turn = parse(text, stage)
    assert turn.problem == ""
    assert turn.answer is None
    return [(call.name, msgspec.json.decode(call.arguments)) for call in turn.calls]


# --- what the model is shown ------------------------------------------------------------------------------------------


def test_the_system_prompt_tells_tools_and_forms():
    system = PROTOCOL.system()
    assert system.startswith("Be brief.\n\nYou can use these tools:\n\n- search_web(query: string): Finds pages.")
    for word in ("Thought:", "Action:", "Action Input:", "Observation", "Final Answer: the answer for the user"):
        assert word in system
    assert ReactText("", TOOLS, None).system().startswith("You can use")
    assert PROTOCOL.response_schema(STEP) is None


def test_without_tools_only_the_answer_is_asked_for():
    system = ReactText("", (), {"type": "integer"}).system()
    assert "Action" not in system
    assert system.endswith(
        'Final Answer: one JSON value, and nothing else, that matches this JSON Schema:\n{"type":"integer"}'
    )


def test_braces_in_descriptions_and_schemas_are_kept():
    tool = ToolSpec("t", "Fills {templates} {0}.", {"type": "object", "properties": {}})
    system = ReactText("Use {braces}.", (tool,), {"type": "object"}).system()
    for text in ("{templates} {0}", "Use {braces}.", '{"type":"object"}', "{} if it takes none"):
        assert text in system


def test_calls_are_shown_as_actions():
    calls = (ToolCall("1", "now", "{}"), ToolCall("2", "search_web", '{"query": "x"}'))
    shown = PROTOCOL.render(Message.assistant("I look.", calls))
    assert shown.text == (
        'Thought: I look.\nAction: now\nAction Input: {}\nAction: search_web\nAction Input: {"query": "x"}'
    )
    assert shown.tool_calls == ()
    assert {part.label for part in shown.parts} == {ASSISTANT_LABEL}
    assert PROTOCOL.render(Message.assistant("", calls[:1])).text == "Action: now\nAction Input: {}"


def test_a_thought_keeps_its_label():
    summary = Part("as a page says", Label("third_party", source="web"))
    shown = PROTOCOL.render(Message("assistant", (summary,), (ToolCall("1", "now", "{}"),)))
    assert summary in shown.parts


def test_a_result_is_shown_as_an_observation_that_keeps_its_label():
    part = Part("42", Label("third_party", source="search_web"))
    shown = PROTOCOL.render(Message("tool", (part,), tool_call_id="1"))
    assert shown == Message("user", (Part("Observation (search_web): ", SYSTEM_LABEL), part))


@pytest.mark.parametrize(
    ("source", "is_error", "head"),
    [
        ("", False, "Observation: "),
        ("", True, "Observation (error): "),
        ("now", True, "Observation (now, error): "),
        ("somebody\nObservation: else", False, "Observation: "),
    ],
)
def test_the_head_of_an_observation(source, is_error, head):
    part = Part("x", Label("tool", source=source))
    assert PROTOCOL.render(Message("tool", (part,), is_error=is_error)).parts == (Part(head, SYSTEM_LABEL), part)
    assert PROTOCOL.render(Message("tool")).text == "Observation: "


def test_an_earlier_answer_is_shown_with_its_marker():
    assert PROTOCOL.render(Message.assistant("It is 42.")).text == "Final Answer: It is 42."


@pytest.mark.parametrize("text", ["Thought: hm", "Action Input: {", "**Final Answer:** x", ""])
def test_a_malformed_reply_is_shown_as_it_was(text):
    message = Message.assistant(text)
    assert PROTOCOL.render(message) is message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Thought: a\nObservation: invented\nThought: b", "Thought: a"),
        ("**Observation (now):** invented", "Thought: ..."),
        ("Final Answer: a\nObservation: b", "Final Answer: a\nObservation: b"),
        ("It is so.\nObservation: b", "Final Answer: It is so.\nObservation: b"),
    ],
)
def test_an_invented_observation_is_not_shown_again(text, shown):
    assert PROTOCOL.render(Message.assistant(text)).text == shown


@pytest.mark.parametrize("message", [Message.user("Action: now"), Message.system("s")])
def test_other_messages_are_shown_as_they_are(message):
    assert PROTOCOL.render(message) is message


# --- actions ----------------------------------------------------------------------------------------------------------


def test_the_canonical_form():
    turn = parse('Thought: I need x.\nAction: search_web\nAction Input: {"query":  "x"}')
    assert turn == Turn("I need x.", (ToolCall("call_2_1", "search_web", '{"query":  "x"}'),))


@pytest.mark.parametrize(
    "text",
    [
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"}',
        'THOUGHT: t\nACTION: search_web\nACTION INPUT: {"query": "x"}',
        'thought : t\naction : search_web\naction_input : {"query": "x"}',
        'Thought：t\nAction：search_web\nAction Input：{"query": "x"}',
        '**Thought:** t\n**Action:** search_web\n**Action Input:** {"query": "x"}',
        '**Thought**: t\n**Action**: `search_web`\n**Action Input**: `{"query": "x"}`',
        '__Thought:__ t\n*Action:* **search_web**\n`Action Input`: {"query": "x"}',
        '### Thought: t\n- Action: search_web\n* Action Input: {"query": "x"}',
        '1. Thought: t\n2) Action: search_web\n> Action Input: {"query": "x"}',
        'Thought 1: t\nAction 1: search_web\nAction Input 1: {"query": "x"}',
        '  Thought: t\n\tAction:\n search_web\n\u3000Action Input:\n\n{"query": "x"}',
        "Thought: t\r\nAction: search_web\r\nAction Input: {'query': 'x',}\r\n",
        'Thought: t\nAction: search_web\nAction Input:\n```json\n{\n  "query": "x"\n}\n```',
        'Thought: t\nAction: search_web\nAction Input: ```{"query": "x"}```',
        "Thought: t\nAction: ```search_web```\nAction Input: ```\nx\n```\nI wait.",
        "Thought: t\nAction: search_web\nAction Input: `x`",
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"} (waiting for the result)',
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"}}',
        'Thought: t\nAction: search_web\nAction Input: "{\\"query\\": \\"x\\"}"',
        "Thought: t\nAction: search_web\nAction Input: x",
        "Thought: t\nAction: search_web\nAction Input: 'x'",
        "Thought: t\nAction: search_web\nAction Input: query: x",
        'Thought: t\nAction: search_web\nAction Input: query = "x"',
        'Thought: t\nAction: search_web\nArguments: {"query": "x"}',
        'Thought: t\nAction: search_web.\nInput: {"query": "x"}',
        'Thought: t\nAction: search_web\nI use it like this:\nAction Input: {"query": "x"}',
        'Thought: t\nAction: search_web {"query": "x"}',
        'Thought: t\nAction: search_web\n{"query": "x"}',
        'Thought: t\nAction: search_web\n```json\n{"query": "x"}\n```',
        'Thought: t\nAction: search_web, Action Input: {"query": "x"}',
        'Thought: t\nAction: search_web(query="x")',
        'Thought: t\nAction: search_web("x")',
        "Thought: t\nAction: search_web(x)",
        'Thought: t\nAction: search_web({"query": "x"})',
        "Thought: t\nAction: `search_web(query='x')`",
        "Thought: t\nAction: search_web[x]",
        "Thought: t\nAction: search_web[query=x].",
        'Thought: t\nAction: {"name": "search_web", "arguments": {"query": "x"}}',
        'Thought: t\nAction:\n```json\n{"action": "search_web", "action_input": "x"}\n```',
        'Thought: t\nAction: {"tool": "Search Web", "query": "x"}',
        'Thought: t\nAction: Search Web\nAction Input: {"query": "x"}',
        'Thought: t\nAction: searchWeb\nAction Input: {"query": "x"}',
        'Thought: t\nAction: "search-web"\nAction Input: {"query": "x"}',
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"}\nObservation: invented\nFinal Answer: no',
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"}\nFinal Answer: 42',
        'Thought: t\nAction: search_web\nAction Input: {"query": "x"}\n**Observation (search_web):** no\nAction: now',
        'Thought: t Action: search_web Action Input: {"query": "x"} Observation: invented Final Answer: no',
        'Thought: t Action: search_web\nAction Input: {"query": "x"}',
        '<think>Action: now\nFinal Answer: draft</think>\nThought: t\nAction: search_web\nAction Input: {"query": "x"}',
        "t\nAction: search_web\nAction Input: x",
    ],
)
def test_one_call_in_every_style(text):
    turn = parse(text)
    assert [(call.name, msgspec.json.decode(call.arguments)) for call in turn.calls] == [("search_web", {"query": "x"})]
    assert turn.thought == "t"
    assert PROTOCOL.visible(text) == ""


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Action: weather\nAction Input: Paris, 3", {"city": "Paris", "days": 3}),
        ("Action: weather\nAction Input: city=Paris, days=3", {"city": "Paris", "days": 3}),
        ("Action: weather\nAction Input: city: 'New York'", {"city": "New York"}),
        ("Action: weather\nAction Input: Paris", {"city": "Paris"}),
        ("Action: weather('New York', days=3)", {"city": "New York", "days": 3}),
        ("Action: weather[Paris, 3]", {"city": "Paris", "days": 3}),
        ("Action: weather(town=Paris)", {"town": "Paris"}),
        ("Action: weather()", {}),
        ("Action: weather", {}),
        ("Action: weather\nAction Input:", {}),
        ("Action: weather\nAction Input: None", {}),
        ("Action: note\nAction Input: buy milk, eggs", {"text": "buy milk, eggs"}),
        ("Action: note\nAction Input: a = 3", {"text": "a = 3"}),
        ("Action: note\nAction Input: line one\nInput: line two", {"text": "line one\nInput: line two"}),
        ('Action: note\nAction Input: "milk" and "eggs"', {"text": '"milk" and "eggs"'}),
        ("Action: note[buy milk, eggs, bread]", {"text": "buy milk, eggs, bread"}),
        ("Action: note(buy milk)", {"text": "buy milk"}),
        ("Action: search_web\nAction Input: 42", {"query": "42"}),
        ("Action: search_web\nAction Input: true", {"query": "true"}),
        ("Action: search_web(42)", {"query": "42"}),
        ("Action: search_web\nAction Input: query: two words", {"query": "two words"}),
        ("Action: search_web\nAction Input: topic: two words", {"query": "topic: two words"}),
        ('Action: search_web\nAction Input: {"query": 42}', {"query": 42}),
        ('Action: search_web\nAction Input: "{\\"a\\": 1}"', {"query": '{"a": 1}'}),
        ('Action: search_web\nAction Input: "{oh"', {"query": "{oh"}),
        ("Action: double\nAction Input: 42", {"n": 42}),
        ('Action: double\nAction Input: "42"', {"n": "42"}),
        ("Action: double\nAction Input: forty two", {"n": "forty two"}),
        ("Action: anything\nAction Input: [1, 2]", {"value": [1, 2]}),
        ("Action: anything\nAction Input: 7", {"value": 7}),
        ("Action: now\nAction Input: not needed", {}),
        ("Action: now\nAction Input: whatever", {}),
        ("Action: now[please]", {}),
        ('Action: now\nAction Input: {"zone": "UTC"}', {"zone": "UTC"}),
        ('Action: {"name": "now", "arguments": null}', {}),
        ('Action: {"name": "weather", "arguments": "{\\"city\\": \\"Paris\\"}"}', {"city": "Paris"}),
        ('Action: note\nAction Input: {"text": "a\\nFinal Answer: b"}', {"text": "a\nFinal Answer: b"}),
        (
            'Action: note\nAction Input: {"text": "a\nObservation: b",\n"when": "c"}',
            {"text": "a\nObservation: b", "when": "c"},
        ),
        ('Action: note("a\nThought: b")', {"text": "a\nThought: b"}),
    ],
)
def test_arguments_in_every_style(text, arguments):
    ((_, found),) = called(text)
    assert found == arguments


def test_many_brackets_are_no_trouble_unless_they_are_nested():
    rows = [[number] for number in range(500)]
    assert called(f'Action: anything\nAction Input: {{"value": {rows}}}') == [("anything", {"value": rows})]
    assert (
        "nested too deeply" in parse('Action: anything\nAction Input: {"value": ' + "[" * 500 + "]" * 500 + "}").problem
    )
    assert (
        "nested too deeply" in parse('Action: {"name": "now", "arguments": ' + '{"a":' * 500 + "1" + "}" * 501).problem
    )


def test_several_actions_are_calls_of_one_step_up_to_an_invented_observation():
    turn = parse(
        "Thought: two things\nAction: now\nThought: and\nAction: search_web\nAction Input: x\n"
        "Action: double(2)\nObservation: 4\nAction: note\nAction Input: never"
    )
    assert turn.calls == (
        ToolCall("call_2_1", "now", "{}"),
        ToolCall("call_2_2", "search_web", '{"query":"x"}'),
        ToolCall("call_2_3", "double", '{"n":2}'),
    )
    assert turn.thought == "two things\nand"


def test_an_action_in_the_middle_of_a_line_is_found_beside_others():
    text = "Thought: First. Action: now\nAction Input: {}\nThought: Then.\nAction: double\nAction Input: 2"
    assert called(text) == [("now", {}), ("double", {"n": 2})]


def test_a_second_input_of_one_action_is_left():
    assert called('Action: double(2)\nAction Input: {"n": 3}') == [("double", {"n": 2})]
    assert called('Action: double\nAction Input: {"n": 2}\nAction Input: {"n": 3}') == [("double", {"n": 2})]


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("Action: mystery\nAction Input: {'a': 1}", ("mystery", {"a": 1})),
        ("Action: mystery\nAction Input: some words", ("mystery", {"input": "some words"})),
        ("Action: mystery\nAction Input: a=1, b=2", ("mystery", {"input": "a=1, b=2"})),
        ("Action: mystery(a=1, b=2)", ("mystery", {"a": 1, "b": 2})),
        ("Action: mystery(1, 2)", ("mystery", {"input": "1, 2"})),
        ("Action: mystery", ("mystery", {})),
        ('Action: {"name": "mystery", "args": {"a": 1}}', ("mystery", {"a": 1})),
    ],
)
def test_an_unknown_tool_is_called_for_the_toolbox_to_answer(text, call):
    assert called(text) == [call]


def test_names_that_read_alike_are_not_mixed_up():
    tools = tuple(ToolSpec(name, "", {"type": "object", "properties": {}}) for name in ("get_user", "getuser", "none"))
    protocol = ReactText("", tools, None)
    for name in ("get_user", "getuser", "none"):
        assert [call.name for call in parse(f"Action: {name}", protocol=protocol).calls] == [name]
    assert [call.name for call in parse("Action: get-user", protocol=protocol).calls] == ["get-user"]


def test_a_tool_may_be_called_finish():
    protocol = ReactText("", (ToolSpec("finish", "", {"type": "object", "properties": {"x": TEXT}}),), None)
    assert parse("Action: Finish[42]", protocol=protocol).calls == (ToolCall("call_2_1", "finish", '{"x":"42"}'),)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Thought: t\nFinal Answer: 42",
        "Thought: t\nFINAL_ANSWER: 42",
        "Thought: t\nfinal answer: 42\n",
        "Thought: t\nFinal Answer：42",
        "Thought: t\n**Final Answer:** 42",
        "Thought: t\n**Final Answer**: 42",
        "Thought: t\n**Final Answer: 42**",
        "Thought: t\n### Final Answer\n\n42",
        "Thought: t\r\n**Final Answer**\r\n42",
        "t\n\nFinal Answer: 42",
        "Thought: t\nAction: None\nFinal Answer: 42",
        "Thought: t\nAction: N/A\nAction Input: {}\nFinal Answer: 42",
        "Thought: t\nAction:\nFinal Answer: 42",
        "<think>hm</think>Thought: t\nFinal Answer: 42",
    ],
)
def test_an_answer_in_every_style(text):
    assert parse(text) == Turn("t", answer="42")
    assert PROTOCOL.visible(text) == "42"


@pytest.mark.parametrize(
    "text",
    [
        "Thought: t Final Answer: 42",
        "Thought: t FINAL_ANSWER: 42",
        "Thought: t\nAnswer: 42",
        "Thought: t\nAction: Final Answer\nAction Input: 42",
        'Thought: t\nAction: Final Answer\nAction Input: "42"',
        "Thought: t\nAction: finish\nAction Input: `42`",
        "Thought: t\nAction: Finish[42]",
        "Thought: t\nAction: finish('42')",
        'Thought: t\nAction: {"action": "Final Answer", "action_input": "42"}',
        "Thought: t\nAction: None (I know it)\nFinal Answer: 42",
        'Thought: t\nAction: {"action": null}\nFinal Answer: 42',
        "Thought: t\nAction: Finish\nFinal Answer: 42",
    ],
)
def test_an_answer_that_is_understood_but_not_streamed(text):
    assert parse(text) == Turn("t", answer="42")
    assert PROTOCOL.visible(text) == ""


@pytest.mark.parametrize("text", ["'a' or 'b'", "'42"])
def test_only_quotes_around_the_whole_answer_are_removed(text):
    assert parse(f"Action: Finish[{text}]").answer == text


def test_after_the_marker_everything_is_the_answer():
    answer = "Call them.\nAction: call the customer\nObservation: they are kind\nFinal Answer: really"
    assert parse(f"Final Answer: {answer}") == Turn(answer=answer)
    assert PROTOCOL.visible(f"Final Answer: {answer}") == answer


def test_markdown_of_the_answer_itself_is_kept():
    for text in ("Final Answer: **42** is *it*", "**Final Answer:** **42** is *it*"):
        assert parse(text).answer == "**42** is *it*"


def test_a_repeated_observation_is_read_on_only_when_there_is_one():
    text = "Observation: it is 5\nThought: good\nFinal Answer: 5"
    assert parse(text, LATER) == Turn("it is 5\ngood", answer="5")
    assert "comes from a tool only" in parse(text, STEP).problem
    assert PROTOCOL.visible(text) == ""


def test_without_tools_plain_text_is_the_answer():
    protocol = ReactText("", (), None)
    assert parse("It is 42.", protocol=protocol) == Turn(answer="It is 42.")
    assert parse("Thought: It is 42.", protocol=protocol) == Turn(answer="It is 42.")
    assert parse("Observation: x", protocol=protocol).problem != ""
    assert parse("", protocol=protocol).problem != ""
    assert [call.name for call in parse("Action: now", protocol=protocol).calls] == ["now"]


# --- malformed replies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The reply was empty."),
        ("\n ", "The reply was empty."),
        ("<think>still thinking", "The reply was empty."),
        ("Thought:", "The reply was empty."),
        ("Hello!", "The reply has neither an Action nor a Final Answer."),
        ("Thought: I should search.", "The reply has neither an Action nor a Final Answer."),
        ("Thought: I have no final answer: I must search", "The reply has neither an Action nor a Final Answer."),
        ("Thought: x\nParameters: none", "The reply has neither an Action nor a Final Answer."),
        ("Final Answer:", "The Final Answer is empty."),
        ("Thought: t\nFinal Answer", "The Final Answer is empty."),
        ('Action Input: {"query": "x"}', 'There is an "Action Input:" but no "Action:"'),
        ("Observation: 42", "An Observation comes from a tool only"),
        ("Action: I will search for cats", '"Action: I will search for cats" does not give the name of a tool alone; the '),
        ("Action: a b", "tools are: search_web, weather, note, double, anything, now."),
        ("Action: 搜索\nAction Input: x", '"Action: 搜索" does not give the name'),
        ("Action: " + "very " * 100 + "long", f'"Action: {("very " * 16)}..." does not give'),
        ('Action: {"name": "two words"}', '"Action: two words" does not give the name'),
        ('Action: {"name": "now"', 'The Action cannot be read: "," or "}" is missing after `Action: {"name": "now"`, where the text ends.'),
        ('Action: search_web\nAction Input: {"query": "Par', 'The arguments of search_web cannot be read: the string that begins `"Par` is not closed.'),
        ('Action: search_web\nAction Input: {"query": "x"\nObservation: y', 'is missing after `search_web Action Input: {"query": "x"`.'),
        ('Action: search_web\nAction Input: {"query": 1e999}', "a number is out of range"),
        ("Action: weather\nAction Input: somewhere nice", 'must be one JSON object with the keys city, days; "," is missing after `somewhere`.'),
        ("Action: weather\nAction Input: Paris, 3, 4", "they must be one JSON object with the keys city, days."),
        ("Action: weather(New York", 'The arguments of weather cannot be read: "," or ")" is missing after `'),
        ("Action: search_web[New York", '"," or "]" is missing after'),
        ("Action: now\n" * (CALLS_MAX + 1), "The reply has more than 16 actions"),
        ("Action: now()\n" * (CALLS_MAX + 1), "The reply has more than 16 actions"),
        ("Action: double\nAction Input: 2\n" * (CALLS_MAX + 1), "The reply has more than 16 actions"),
    ],
)  # fmt: skip
def test_a_malformed_reply_gives_one_clear_problem(text, problem):
    turn = parse(text)
    assert problem in turn.problem
    assert "\n" not in turn.problem
    assert turn.calls == ()
    assert turn.answer is None


def test_the_most_actions_are_done():
    assert len(parse("Action: now\n" * CALLS_MAX).calls) == CALLS_MAX


def test_no_action_is_done_when_one_of_them_cannot_be_read():
    turn = parse('Action: now\nAction: note\nAction Input: {"text": ')
    assert turn.calls == ()
    assert turn.problem != ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello!", "Thought: Hello!"),
        ("Thought: hm", "Thought: hm"),
        ("Action: now now now", "Action: now now now"),
        ("Thought: a\nObservation: invented\nFinal Answer: b", "Thought: a"),
        ("", ""),
    ],
)
def test_a_malformed_reply_is_kept_without_what_must_not_be_believed(text, shown):
    turn = parse(text)
    assert turn.thought == shown
    assert PROTOCOL.render(Message.assistant(turn.thought)).text == shown


# --- the last answer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("Final Answer: 42", Turn(answer="42")),
        ("It is 42, as far as I know.", Turn(answer="It is 42, as far as I know.")),
        ("Thought: It is 42.", Turn(answer="It is 42.")),
        ("Thought: It is 42.\nAction: now\nAction Input: {}", Turn(answer="It is 42.")),
        ("Thought: t\nAction: now\nFinal Answer: 42", Turn("t", answer="42")),
        ("Thought: It is 42.\nAction: now\nObservation: 43\nFinal Answer: 43", Turn(answer="It is 42.")),
        ("Thought: It is 42.\nFinal Answer:", Turn(answer="It is 42.")),
        ("Thought: It is 42.\nAction: note\nAction Input: {", Turn(answer="It is 42.")),
    ],
)
def test_at_the_end_what_is_there_is_the_answer(text, turn):
    assert parse(text, LAST) == turn


@pytest.mark.parametrize("text", ["", "Action: now", "Observation: 43\nFinal Answer: 43"])
def test_at_the_end_a_reply_without_an_answer_is_a_problem(text):
    assert parse(text, LAST).problem.startswith("No tool can be called any more.")
