"""The text protocol under any reply: total, honest about observations, and linear."""

import re
import sys
from re import _constants as op
from re import _parser as parser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot import answer, loose_json
from surefoot.protocol import action_text, react_text
from surefoot.protocol.base import Stage
from surefoot.protocol.react_text import CALLS_MAX, ReactText
from surefoot.types import Message, ToolSpec

TEXT = {"type": "string"}
TOOLS = (
    ToolSpec("search", "Finds.", {"type": "object", "properties": {"query": TEXT}, "required": ["query"]}),
    ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}),
    ToolSpec("now", "Time.", {"type": "object", "properties": {}}),
)
PROTOCOL = ReactText("", TOOLS, None)
FIRST = Stage(step=1)
BARE = ReactText("", (), None)

PIECES = [
    "Thought:", "Action:", "Action Input:", "Observation:", "Final Answer:", "FINAL_ANSWER:", "Answer:", "Input:",
    "final answer", "**", "`", "```", "```json\n", "\n", "\n", "\n", " ", "search", "add", "now", "None", "Finish",
    "(", ")", "[", "]", "{", "}", '{"query": "x"}', "{'a': 1,", '"', "'", '"""', "“", ":", "：", ",", "=", "\\", "1",
    "query", "a=1", "<think>", "</think>", "1. ", "# ", "> ", "\r\n", "word", "\ud800", "\x00",
]  # fmt: skip
REPLIES = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40).map("".join) | st.text()
STAGES = st.builds(Stage, st.just(1), st.booleans(), st.booleans())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def parse(text, stage=FIRST, protocol=PROTOCOL):
    return protocol.parse(Message.assistant(text), stage)


def check(turn):
    assert [bool(turn.calls), turn.answer is not None, bool(turn.problem)].count(True) == 1
    assert turn.answer != ""
    assert len(turn.calls) <= CALLS_MAX
    assert len({call.id for call in turn.calls}) == len(turn.calls)
    for call in turn.calls:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call.name)
        if "\ud800" not in call.arguments:
            msgspec.json.decode(call.arguments, type=dict)
    assert len(turn.problem) < 700


@settings(max_examples=300)
@given(REPLIES, STAGES)
def test_any_reply_gives_exactly_one_of_three(text, stage):
    check(parse(text, stage))
    check(parse(text, stage, BARE))
    if stage.final_only:
        assert parse(text, stage).calls == ()


@settings(max_examples=150)
@given(REPLIES)
def test_what_streams_only_grows_and_is_the_answer(text):
    shown = ""
    for end in range(len(text) + 1):
        visible = PROTOCOL.visible(text[:end])
        assert visible.startswith(shown)
        shown = visible
    if shown:
        assert parse(text).answer == shown


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(), STAGES)
def test_nothing_after_an_invented_observation_is_believed(arguments, invention, stage):
    written = msgspec.json.encode(arguments).decode()
    reply = f"Thought: t\nAction: search\nAction Input: {written}\nObservation:"
    assert parse(f"{reply} {invention}", stage) == parse(reply, stage)


@settings(max_examples=40)
@given(
    st.text(alphabet="abc .,!?\n", min_size=1).map(str.strip),
    st.lists(
        st.tuples(st.sampled_from(["search", "add", "now", "other_1"]), st.dictionaries(st.text(), JSON)), max_size=4
    ),
)
def test_what_is_rendered_is_read_again(thought, wanted):
    calls = [(name, msgspec.json.encode(arguments).decode()) for name, arguments in wanted]
    written = "\n".join([f"Action: {name}\nAction Input: {arguments}" for name, arguments in calls])
    turn = parse(f"Thought: {thought}\n{written}\n")
    assert [(call.name, call.arguments) for call in turn.calls] == calls
    message = Message.assistant(turn.thought, turn.calls)
    if calls:
        assert parse(PROTOCOL.render(message).text) == turn


@given(st.text(min_size=1).filter(lambda text: text.strip() == text))
def test_an_answer_is_read_as_it_was_written(text):
    assert parse(f"Thought: t\nFinal Answer: {text}").answer == text


# --- linear time ------------------------------------------------------------------------------------------------------

UNITS = [
    "Action:", "Action: \n", "Action: search(“)\n", "Action: search(\n", "Action: now\n", "Action Input:", "Input:\n",
    "Action: search\nAction Input: “\n", 'Action: search\nAction Input: {"query": "', "Thought: ", "Thought:\n",
    "Observation: ", "Observation (", "Final Answer", "Final Answer\n", "FINAL_ANSWER:", "Answer:\n", "*", "`", "_", "#",
    " ", "\t", "\n", "\r", "\n ", "\n*", "\n> - 1. ", "1. ", "{", "[", "(", '{"a":', "[[", '"', "'", '"""', "'''", "“",
    "\\", '"\\', "a", "a ", "a=", "a,", ",", ":", "0", "1e", "-", "<think>", "</think>", "```", "```\n", "Action Action",
    "Action" + " " * 50, "\u3000", "\n\xa0", "é", "\ud800",
]  # fmt: skip
PREFIXES = ["", "Action: ", "Action: search(", "Action: search[", "Action: search\nAction Input: ", "Thought: x\n"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_hundred_kilobytes_of_anything_are_read(unit):
    text = unit * (100_000 // len(unit))
    check(parse(text))
    visible = PROTOCOL.visible(text)
    assert visible == "" or text.rstrip().endswith(visible[-100:])


def count_calls(text):
    """How many functions, Python's and C's, are called to read ``text``."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(see)
    try:
        parse(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_is_at_most_twice_the_work(unit):
    for prefix in PREFIXES:
        one, two = (count_calls(prefix + unit * (size // len(unit))) for size in (1_000, 2_000))
        assert two <= 2.2 * one + 100


def backtracking(pattern):
    """Parts of a pattern that may be tried in more than one way and have no small bound.

    Without any, a match costs at most a constant for each place where it can begin, times the length it covers once.
    """
    found = []

    def walk(nodes):
        for code, argument in nodes:
            if code in {op.MAX_REPEAT, op.MIN_REPEAT}:
                if argument[1] > 80:
                    found.append((code, argument))
                walk(argument[2])
            elif code is op.POSSESSIVE_REPEAT:
                walk(argument[2])
            elif code is op.SUBPATTERN:
                walk(argument[3])
            elif code is op.BRANCH:
                for branch in argument[1]:
                    walk(branch)
            elif code in {op.ASSERT, op.ASSERT_NOT}:
                walk(argument[1])

    walk(parser.parse(pattern.pattern, pattern.flags))
    return found


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        (react_text, {}),
        (action_text, {"_NO_LETTERS": 1}),  # one repeat and nothing after it: nothing to try again
        (loose_json, {"_STRING": 2}),  # up to the next triple quote: scanned once, given up at the end
        (answer, {"_FENCED": 1}),  # from the end back to the last fence: scanned once
    ],
)
def test_patterns_do_not_backtrack(module, allowed):
    patterns = {name: value for name, value in vars(module).items() if isinstance(value, re.Pattern)}
    assert patterns
    counted = {name: len(backtracking(pattern)) for name, pattern in patterns.items()}
    assert {name: count for name, count in counted.items() if count} == allowed


def test_the_check_for_backtracking_itself():
    assert len(backtracking(re.compile(r"(a|b+)*c"))) == 2
    assert backtracking(re.compile(r"(?:a++|b{0,3})*+c")) == []
