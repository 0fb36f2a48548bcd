"""Classic ReAct in plain text: ``Thought / Action / Action Input / Observation / Final Answer``.

How a reply is read:

- Lines that begin with one of the five words and a colon divide it, whatever their case, numbering or markdown.
- The first ``Action`` or ``Final Answer`` decides what it is. After an action a final answer is not believed, for the
  model has not seen the result; after a final answer everything is the answer.
- An ``Observation`` in a reply is the model's invention: it and all that follows it is dropped. Only before any action,
  and with real results in the conversation, it is taken for a repetition of one, and so for a part of the thought.
- Several actions before that are calls of one step; if one of them cannot be read, none is made.
- Where lines decide nothing, ``Action:`` or ``Final Answer:`` in the middle of a line will do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from surefoot.protocol.action_text import Toolbook
from surefoot.protocol.base import Stage, Turn
from surefoot.protocol.synopsis import describe_answer, describe_tools
from surefoot.types import ASSISTANT_LABEL, SYSTEM_LABEL, JsonSchema, Message, Part, ToolCall, ToolSpec

CALLS_MAX: Final = 16
"""Calls in one reply; a model that writes more is going round in circles."""

_KIND: Final = (
    r"(?:(?P<final>final[ _-]?answer)|(?P<input>(?:action[ _-]?)?(?:inputs?|arguments?|args)|parameters)"
    r"|(?P<action>action)|(?P<observation>observations?)|(?P<thought>thoughts?))"
)
_COLON: Final = r"(?:[ \t]?[0-9]{1,3}+)?+[ \t]*+[*_`]{0,3}+[ \t]*+(?:\([^()\n]{0,80}+\)[ \t]*+)?+[:\uff1a]"
_LINE_START: Final = r"^[ \t\xa0\u3000>#-]*+(?:(?:[0-9]{1,2}[.)]|[*+](?=[ \t]))[ \t]*+)?+(?P<opened>[*_`]{0,3}+)"
_LINE: Final = rf"{_LINE_START}(?:{_KIND}{_COLON}|(?P<heading>final[ _-]?answer)[*_`]{{0,3}}+[ \t\r]*+$)"
_INLINE: Final = (
    r"(?<!\w)(?-i:(?P<inline_final>Final Answer|FINAL[ _]ANSWER)|(?P<inline_input>Action Input)"
    rf"|(?P<inline_action>Action)|(?P<inline_observation>Observation)){_COLON}|^[ \t]*+(?P<bare_final>answer){_COLON}"
)
_LINE_MARKS: Final = re.compile(_LINE, re.IGNORECASE | re.MULTILINE)
_ANY_MARKS: Final = re.compile(rf"{_LINE}|{_INLINE}", re.IGNORECASE | re.MULTILINE)
_KINDS: Final = {
    "heading": "final", "inline_final": "final", "bare_final": "final", "inline_input": "input",
    "inline_action": "action", "inline_observation": "observation",
}  # fmt: skip
_MARKDOWN: Final = "*_` \t\r\n"

_THOUGHT: Final = Part("Thought: ", ASSISTANT_LABEL)
_ANSWER: Final = Part("Final Answer: ", ASSISTANT_LABEL)
_CUT: Final = "Thought: ..."

_HOW_TO_ACT: Final = """\
You can use these tools:

{tools}

Every reply takes one of two forms. To use a tool:

Thought: what you know, and what you need next
Action: the name of one tool, nothing else
Action Input: its arguments as one JSON object, {{}} if it takes none

Then stop. The tool's result is sent to you as an Observation; never write an Observation yourself.

When you know enough:

Thought: why that is enough
Final Answer: {answer}"""
_HOW_TO_ANSWER: Final = "Write your reply in this form:\n\nThought: how you come to the answer\nFinal Answer: {answer}"

_FORMS: Final = 'Use "Action:" and "Action Input:" to call a tool, or "Final Answer:" to finish.'
_EMPTY: Final = f"The reply was empty. {_FORMS}"
_NO_FORM: Final = f"The reply has neither an Action nor a Final Answer. {_FORMS}"
_NO_ANSWER: Final = "The Final Answer is empty. Write the answer after it."
_NO_ACTION: Final = f'There is an "Action Input:" but no "Action:" before it that names the tool. {_FORMS}'
_INVENTED: Final = f"An Observation comes from a tool only, so the one you wrote was dropped. {_FORMS}"
_TOO_MANY: Final = f"The reply has more than {CALLS_MAX} actions, so none was done. Take fewer at a time."
_TOO_LATE: Final = "No tool can be called any more. Write a Final Answer now, from what is known so far."


class ReactText:
    """Speaks ReAct in plain text, for models without tool calls. How a reply is read: see the module's docstring."""

    name = "text"
    native_tools = False

    def __init__(self, instructions: str, tools: tuple[ToolSpec, ...], output_schema: JsonSchema | None) -> None:
        self._tools = Toolbook(tools)
        self._names = frozenset(tool.name for tool in tools)
        answer = "the answer for the user" if output_schema is None else describe_answer(output_schema)
        form = _HOW_TO_ACT if tools else _HOW_TO_ANSWER
        described = form.format(tools=describe_tools(tools), answer=answer)
        self._system = f"{instructions}\n\n{described}" if instructions else described

    def system(self) -> str:
        """The instructions, the tools and the two forms of a reply."""
        return self._system

    def response_schema(self, stage: Stage) -> JsonSchema | None:
        """None: the reply is text."""
        return None

    def render(self, message: Message) -> Message:
        """Calls become ``Action`` lines, tool results ``Observation`` messages in the user's role; labels are kept."""
        if message.role == "tool":
            return Message("user", (Part(self._head(message), SYSTEM_LABEL), *message.parts))
        if message.role != "assistant":
            return message
        if calls := message.tool_calls:
            actions = "\n".join([f"Action: {call.name}\nAction Input: {call.arguments}" for call in calls])
            if not message.parts:
                return Message("assistant", (Part(actions, ASSISTANT_LABEL),))
            return Message("assistant", (_THOUGHT, *message.parts, Part(f"\n{actions}", ASSISTANT_LABEL)))
        if not message.parts:
            return message
        if _LINE_MARKS.match(message.text):
            return _cut_invention(message)
        return Message("assistant", (_ANSWER, *message.parts))

    def parse(self, reply: Message, stage: Stage) -> Turn:
        """See `Protocol.parse` and the module's docstring. With ``stage.final_only`` text without a marker will do."""
        text = _drop_thinking(reply.text)
        reading = _read(text, _LINE_MARKS, self._tools, stage)
        if reading.orphan or not reading.decides:
            reading = _read(text, _ANY_MARKS, self._tools, stage)
        thought = reading.thought
        if stage.final_only:
            return _conclude(thought, reading.answer)
        if reading.decides and not reading.fault:
            if reading.calls:
                return Turn(thought, _number_calls(reading.calls, stage.step))
            if reading.answer:
                return Turn(thought, answer=reading.answer)
        elif thought and not self._names and not reading.decides and not reading.invented:
            return Turn(answer=thought)
        return Turn(_mark_thought(text[: reading.end]), problem=_name_problem(reading))

    def visible(self, text: str) -> str:
        """What stands after the final-answer marker, once there is one that no action or observation comes before."""
        if "nswer" not in text and "NSWER" not in text:
            return ""
        text = _drop_thinking(text)
        action = -1
        for mark in _find_marks(text, _LINE_MARKS):
            if action >= 0 and not self._tools.means_nothing(text[action : mark.start]):
                return ""
            if mark.kind == "final":
                return _read_answer(text, mark)
            if mark.kind == "observation":
                return ""
            action = mark.content if mark.kind == "action" else -1
        return ""

    def _head(self, result: Message) -> str:
        """``Observation: `` with the tool's name, which tells the results of one step apart, and a sign of failure."""
        source = result.parts[-1].label.source if result.parts else ""
        notes = [source] if source in self._names else []
        if result.is_error:
            notes.append("error")
        return f"Observation ({', '.join(notes)}): " if notes else "Observation: "


class _Mark(NamedTuple):
    kind: str
    start: int
    content: int  # where the text after the marker begins
    unclosed: bool  # markdown that was opened before the marker is still open


class _Reading:
    """What a reply says, filled mark by mark."""

    __slots__ = ("_has_results", "_pending", "_text", "_tools", "answer", "calls", "end", "fault", "invented", "orphan",
                 "reached", "thoughts")  # fmt: skip

    def __init__(self, text: str, tools: Toolbook, stage: Stage) -> None:
        self._text = text
        self._tools = tools
        self._has_results = stage.has_results
        self._pending: str | None = None  # the tool that awaits its input, "" for none, None before the first action
        self.thoughts: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.answer: str | None = None
        self.fault = ""
        self.invented = False  # the model wrote an observation itself
        self.orphan = False  # an Action Input without an Action
        self.reached = 0  # arguments were read to here: a mark before it is a part of them
        self.end = len(text)  # nothing from here on was read

    @property
    def decides(self) -> bool:
        """Whether it acts or answers, well or badly."""
        return bool(self.calls or self.fault) or self.answer is not None

    @property
    def thought(self) -> str:
        """All thoughts."""
        return "\n".join([thought for thought in self.thoughts if thought])

    def take(self, mark: _Mark, end: int) -> bool:
        """Read the section of ``mark`` that goes to ``end``; False if the rest of the reply must not be read."""
        if mark.kind == "action":
            return self._take_action(mark, end)
        if mark.kind == "input":
            return self._take_input(mark, end)
        if mark.kind == "final":
            self.answer = _read_answer(self._text, mark)
            return False
        if mark.kind == "observation" and (self.calls or self._pending or not self._has_results):
            self.invented = True
            self.end = mark.start
            return False
        self.thoughts.append(self._text[mark.content : end].strip())
        return True

    def finish(self) -> None:
        """An action without any input is a call without arguments."""
        if self._pending and not self.fault and not self._tools.means_ending(self._pending):
            self._call(self._pending, "{}")
        self._pending = ""

    def _take_action(self, mark: _Mark, end: int) -> bool:
        self.finish()
        try:
            name, arguments, self.reached = self._tools.read_action(self._text, mark.content, end)
        except ValueError as fault:
            self.fault = str(fault)
        else:
            if arguments:
                return self._call(name, arguments)
            self._pending = name
        return not self.fault

    def _take_input(self, mark: _Mark, end: int) -> bool:
        if not self._pending:
            self.orphan = self.orphan or self._pending is None
            return True
        try:
            arguments, self.reached = self._tools.read_input(self._text, mark.content, end, self._pending)
        except ValueError as fault:
            self.fault = str(fault)
            return False
        name, self._pending = self._pending, ""
        return self._call(name, arguments)

    def _call(self, name: str, arguments: str) -> bool:
        self._pending = ""
        if self._tools.means_ending(name):
            self.answer = arguments
            return False
        if len(self.calls) == CALLS_MAX:
            self.fault = _TOO_MANY
            return False
        self.calls.append((name, arguments))
        return True


def _read(text: str, pattern: re.Pattern[str], tools: Toolbook, stage: Stage) -> _Reading:
    marks = list(_find_marks(text, pattern))
    reading = _Reading(text, tools, stage)
    reading.thoughts.append(text[: marks[0].start if marks else len(text)].strip())
    for number, mark in enumerate(marks, 1):
        end = marks[number].start if number < len(marks) else len(text)
        if mark.start >= reading.reached and not reading.take(mark, end):
            break
    reading.finish()
    return reading


def _find_marks(text: str, pattern: re.Pattern[str]) -> Iterator[_Mark]:
    previous = ""
    for match in pattern.finditer(text):
        group = match.lastgroup
        assert group is not None
        kind = _KINDS.get(group, group)
        if kind == "input":
            # "Input:" and the like are words of any text, unless they stand where arguments are due.
            is_plain = match[group][:6].lower() != "action"
            if previous == "input" or (is_plain and previous != "action"):
                continue
        previous = kind
        content, opened = match.end(), match["opened"]
        unclosed = bool(opened) and not match[0].rstrip(" \t:\uff1a").endswith(opened)
        if unclosed and text.startswith(opened, content):
            content += len(opened)
            unclosed = False
        yield _Mark(kind, match.start(), content, unclosed)


def _cut_invention(message: Message) -> Message:
    """A malformed reply without an observation that it made up, so that the model does not come to believe it."""
    text = message.text
    for mark in _find_marks(text, _LINE_MARKS):
        if mark.kind == "final":
            break
        if mark.kind == "observation":
            return Message("assistant", (Part(text[: mark.start].strip() or _CUT, message.parts[0].label),))
    return message


def _read_answer(text: str, mark: _Mark) -> str:
    answer = text[mark.content :].strip()
    return answer.rstrip(_MARKDOWN) if mark.unclosed else answer


def _drop_thinking(text: str) -> str:
    """What follows the hidden reasoning of models that write it into their text: its drafts are no actions."""
    if not text.lstrip().startswith("<think>"):
        return text
    return text.partition("</think>")[2]


def _number_calls(calls: list[tuple[str, str]], step: int) -> tuple[ToolCall, ...]:
    return tuple([ToolCall(f"call_{step}_{number}", *call) for number, call in enumerate(calls, 1)])


def _conclude(thought: str, answer: str | None) -> Turn:
    if answer:
        return Turn(thought, answer=answer)
    return Turn(answer=thought) if thought else Turn(problem=_TOO_LATE)


def _mark_thought(text: str) -> str:
    """A malformed reply as the model is shown it again: never to be mistaken for an answer."""
    text = text.strip()
    return text if not text or _LINE_MARKS.match(text) else f"Thought: {text}"


def _name_problem(reading: _Reading) -> str:
    if reading.fault:
        return reading.fault
    if reading.answer is not None:
        return _NO_ANSWER
    if reading.invented:
        return _INVENTED
    if reading.orphan:
        return _NO_ACTION
    return _NO_FORM if reading.thought else _EMPTY
